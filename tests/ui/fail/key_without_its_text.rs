//! Keys that take a string.

#[msgrpc::service(namespace, separator = '/')]
pub trait Foo {
    #[msgrpc(name = 1)]
    async fn a(&self);
    #[msgrpc(name)]
    async fn b(&self);
}

fn main() {}
