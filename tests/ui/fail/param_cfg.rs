//! `#[cfg]` on a parameter.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, #[cfg(all())] b: u8);
}

fn main() {}
