//! A lifetime on `self`.

#[msgrpc::service]
pub trait Foo {
    async fn a(&'static self);
}

fn main() {}
