//! An `Option` in an `Option`, as argument, result and error.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: Option<Option<u8>>);
    async fn b(&self) -> Option<Option<u8>>;
    async fn c(&self) -> Result<u8, Option<Option<u8>>>;
}

fn main() {}
