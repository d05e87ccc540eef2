//! Two keys without a comma between them.

#[msgrpc::service]
pub trait Foo {
    #[msgrpc(notification spawn)]
    async fn a(&self);
}

fn main() {}
