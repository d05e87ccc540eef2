//! A result that serializes only.

use serde::Serialize;

#[derive(Serialize)]
pub struct Half;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> Result<Half, String>;
}

fn main() {}
