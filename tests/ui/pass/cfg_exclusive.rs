//! Two methods of one name, of which one is there.

#[msgrpc::service]
pub trait Foo {
    #[cfg(all())]
    async fn a(&self, b: u8) -> u8;
    #[cfg(any())]
    async fn a(&self, b: Missing) -> Missing;
    #[cfg(not(any()))]
    async fn b(&self);
    #[cfg(not(all()))]
    #[msgrpc(name = "b")]
    async fn other(&self);
}

#[cfg(any())]
#[msgrpc::service]
pub trait Gone {
    async fn a(&self, b: Missing) -> Missing;
}

const _: () = assert!(FOO.methods().len() == 2);

fn main() {}
