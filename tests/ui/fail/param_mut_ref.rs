//! `&mut` as a parameter.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: &mut u8);
}

fn main() {}
