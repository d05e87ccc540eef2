//! The context without its `&`.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, ctx: msgrpc::Context);
}

fn main() {}
