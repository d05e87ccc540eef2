//! Methods with parameters.

#[msgrpc::service]
pub trait Foo {
    async fn a<T>(&self, b: T);
    async fn b<const N: usize>(&self, b: [u8; N]);
    async fn c<'a>(&self, b: &'a str);
}

fn main() {}
