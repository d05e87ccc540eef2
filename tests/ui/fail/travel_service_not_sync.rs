//! An implementation that cannot be shared between threads.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self);
}

struct Bar(std::cell::Cell<u8>);

impl Foo for Bar {
    async fn a(&self) {}
}

fn main() {}
