//! Arguments that deserialize only.

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Half;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: Half);
    #[msgrpc(blocking)]
    fn b(&self, b: Vec<Half>);
}

fn main() {}
