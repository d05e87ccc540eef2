//! A parameter that is borrowed for ever.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: &'static str);
}

fn main() {}
