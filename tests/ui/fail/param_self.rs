//! `Self` as a parameter.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: Vec<Self>);
}

fn main() {}
