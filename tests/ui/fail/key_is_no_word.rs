//! A value where a key is wanted.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc("x")]
    async fn a(&self);
}

fn main() {}
