//! `unsafe`, `const` and `extern`.

#[msgrpc::service]
pub trait Foo {
    async unsafe fn a(&self);
    const fn b(&self);
    async extern "C" fn c(&self);
}

fn main() {}
