//! A notification that is marked as one that may be sent again.

#[msgrpc::service]
trait Foo {
    #[msgrpc(notification, idempotent)]
    async fn a(&self);
}

fn main() {}
