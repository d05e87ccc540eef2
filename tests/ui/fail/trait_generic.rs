//! A trait with parameters.

#[msgrpc::service]
pub trait Foo<T> {
    async fn a(&self, b: T);
}

fn main() {}
