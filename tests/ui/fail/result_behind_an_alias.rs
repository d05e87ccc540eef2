//! A `Result` behind an alias.

pub type Answer<T> = Result<T, String>;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self) -> Answer<u8>;
}

fn main() {}
