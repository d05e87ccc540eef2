//! A value without the `=` before it.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc(name "x")]
    async fn a(&self);
    #[msgrpc(name("x"))]
    async fn b(&self);
    #[msgrpc(name = )]
    async fn c(&self);
}

fn main() {}
