//! Two methods of one name on the wire: both places are shown.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self);
    #[msgrpc(name = "a")]
    async fn b(&self);
}

fn main() {}
