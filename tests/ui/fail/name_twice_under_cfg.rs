//! Two methods of one name on the wire, both there.

#[msgrpc::service]
pub trait Foo {
    #[cfg(all())]
    async fn a(&self);
    #[cfg(not(any()))]
    #[msgrpc(name = "a")]
    async fn b(&self);
}

fn main() {}
