//! The three names that stubs need.

#[msgrpc::service]
pub trait Foo {
    async fn new(&self);
    async fn connect(&self);
    async fn join(&self);
}

fn main() {}
