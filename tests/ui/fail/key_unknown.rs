//! Keys that nobody knows: near ones are suggested, others listed.

#[msgrpc::service(namespac = "n", zebra)]
pub trait Foo {
    #[msgrpc(blockin)]
    fn a(&self);
    #[msgrpc(zebra)]
    async fn b(&self);
}

fn main() {}
