//! Results that borrow.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> &str;
    async fn b(&self) -> std::borrow::Cow<'_, str>;
}

fn main() {}
