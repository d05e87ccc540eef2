//! A variadic method.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: ...);
}

fn main() {}
