//! `ctx` of another type.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, ctx: &str);
}

fn main() {}
