//! A plain `fn` that is not blocking.

#[msgrpc::service]
pub trait Foo {
    fn a(&self);
}

fn main() {}
