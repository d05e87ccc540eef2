//! `crate` is not a path.

#[msgrpc::service(crate = "1")]
pub trait Foo {
    async fn a(&self);
}

fn main() {}
