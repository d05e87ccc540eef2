//! An argument without serde: one mistake, one message.

pub struct Plain;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: Plain);
}

fn main() {}
