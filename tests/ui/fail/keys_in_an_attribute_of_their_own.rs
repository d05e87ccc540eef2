//! The keys of a trait outside of its attribute.

#[msgrpc::service]
#[msgrpc(compact)]
pub trait Foo {
    async fn a(&self);
}

fn main() {}
