//! `impl Trait` as a result.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> impl Copy;
}

fn main() {}
