//! A blocking method that is asynchronous.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc(blocking)]
    async fn a(&self);
}

fn main() {}
