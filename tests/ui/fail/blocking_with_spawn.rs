//! A blocking method that is spawned.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc(blocking, spawn)]
    fn a(&self);
}

fn main() {}
