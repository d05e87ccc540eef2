//! The same key twice.

#[msgrpc::service(compact, namespace = "a", namespace = "b")]
pub trait Foo {
    #[msgrpc(nil, nil)]
    async fn a(&self, b: Option<u8>);
}

fn main() {}
