//! A notification with a result.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc(notification)]
    async fn a(&self) -> u8;
}

fn main() {}
