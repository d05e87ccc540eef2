//! Keys that take no value.

#[msgrpc::service(compact = true)]
pub trait Foo {
    #[msgrpc(nil = true)]
    async fn a(&self, b: Option<u8>);
}

fn main() {}
