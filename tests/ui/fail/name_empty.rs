//! An empty name on the wire.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc(name = "")]
    async fn a(&self);
}

fn main() {}
