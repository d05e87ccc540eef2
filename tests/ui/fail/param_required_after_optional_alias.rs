//! A required parameter after one that is optional behind an alias.

pub type Maybe<T> = Option<T>;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: Maybe<u8>, c: u8);
}

fn main() {}
