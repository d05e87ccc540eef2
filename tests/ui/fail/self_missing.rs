//! No `&self`.

#[msgrpc::service]
pub trait Foo {
    async fn a(b: u8);
}

fn main() {}
