//! Types, constants and macros in the trait.

macro_rules! methods {
    () => {};
}

#[msgrpc::service]
pub trait Foo {
    type A;
    const B: u8;
    methods!();
    async fn a(&self);
}

fn main() {}
