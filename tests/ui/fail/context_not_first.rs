//! The context behind another parameter.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: u8, ctx: &msgrpc::Context);
}

fn main() {}
