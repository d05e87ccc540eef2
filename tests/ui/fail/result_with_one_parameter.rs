//! A `Result` of one parameter.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> std::io::Result<u8>;
    async fn b(&self) -> std::fmt::Result;
}

fn main() {}
