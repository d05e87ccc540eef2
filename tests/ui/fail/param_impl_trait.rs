//! `impl Trait` as a parameter.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: impl Copy);
}

fn main() {}
