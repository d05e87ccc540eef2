//! `#[msgrpc]` alone.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc]
    async fn a(&self);
}

fn main() {}
