//! Methods and parameters that are called as generated code calls its own things.

#[msgrpc::service]
pub trait Foo {
    async fn call(&self, request: u8, inner: u8, arguments: u8, params: u8, self_: u8, r#type: u8, encoded: u8) -> u8;
    async fn clone(&self, argument_0: String, context: String, result: u8, caller: u8, fault: u8, value: u8) -> u8;
    async fn serve(&self) -> u8;
    async fn params(&self) -> u8;
    async fn method(&self) -> u8;
    async fn self_(&self) -> u8;
    async fn r#type(&self, r#type: u8) -> u8;
    async fn from_arc(&self) -> u8;
    async fn fmt(&self) -> u8;
    async fn descriptor(&self) -> u8;
    async fn take(&self) -> u8;
    async fn push(&self) -> u8;
    async fn outcome(&self) -> Result<u8, u8>;
    async fn drop(&self, error: u8);
    #[msgrpc(skip)]
    async fn new(&self) -> u8 {
        0
    }
}

async fn calls(foo: FooClient) -> Result<u8, msgrpc::CallError> {
    let _: FooClient = Clone::clone(&foo);
    foo.drop(1).await?;
    Ok(foo.call(1, 2, 3, 4, 5, 6, 7).await? + foo.r#type(1).await?)
}

fn main() {
    drop(calls);
}
