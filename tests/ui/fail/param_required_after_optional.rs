//! A required parameter after an optional one.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: Option<u8>, c: u8);
}

fn main() {}
