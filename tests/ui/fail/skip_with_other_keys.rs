//! A method that is skipped and has a name on the wire.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc(skip, name = "b")]
    async fn a(&self);
}

fn main() {}
