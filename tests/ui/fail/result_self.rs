//! `Self` as a result.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> Self;
}

fn main() {}
