//! Keys of the trait on a method, and of a method on the trait.

#[msgrpc::service(blocking)]
pub trait Foo {
    #[msgrpc(namespace = "n")]
    async fn a(&self);
}

fn main() {}
