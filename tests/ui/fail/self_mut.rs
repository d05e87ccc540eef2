//! `&mut self`.

#[msgrpc::service]
pub trait Foo {
    async fn a(&mut self);
}

fn main() {}
