//! A type of the user's own that is called `Context`.

pub struct Context;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, ctx: &Context);
}

fn main() {}
