//! An error without serde.

pub struct Plain;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> Result<u8, Plain>;
}

fn main() {}
