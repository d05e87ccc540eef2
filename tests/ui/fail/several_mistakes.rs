//! Several mistakes are shown at once, and calls of what was refused are no further ones.

#[msgrpc::service(kompact)]
pub trait Foo {
    async fn a(&mut self, b: u8) -> u8;
    fn b(&self);
    async fn c(&self, b: Option<Option<u8>>, c: std::collections::BTreeMap<u8, Self>);
    async fn d(&self) -> u8;
}

async fn calls(foo: FooClient) -> Option<u8> {
    foo.b().await.ok()?;
    Some(foo.a(1).await.ok()? + foo.d().await.ok()?)
}

fn main() {}
