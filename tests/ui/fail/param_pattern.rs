//! Patterns as parameters.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, (b, c): (u8, u8));
    async fn b(&self, _: u8);
    async fn c(&self, mut b: u8);
}

fn main() {}
