//! `self`, and an `Arc` of it.

#[msgrpc::service]
pub trait Foo {
    async fn a(self);
    async fn b(self: std::sync::Arc<Self>);
}

fn main() {}
