//! Keys on a parameter.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, #[msgrpc(nil)] b: Option<u8>);
}

fn main() {}
