//! Arguments that serialize only.

use serde::Serialize;

#[derive(Serialize)]
pub struct Half;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: Half);
    async fn b(&self, b: &Half);
    async fn c(&self, b: Option<&[Half]>);
}

fn main() {}
