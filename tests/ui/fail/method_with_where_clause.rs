//! A `where` clause on a method.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self)
    where
        Self: Sized;
}

fn main() {}
