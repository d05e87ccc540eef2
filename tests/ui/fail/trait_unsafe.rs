//! An unsafe trait.

#[msgrpc::service]
pub unsafe trait Foo {
    async fn a(&self);
}

fn main() {}
