//! A result that deserializes only.

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Half;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> Half;
}

fn main() {}
