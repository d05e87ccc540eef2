//! Keys of the trait that depend on a `cfg_attr`.

#[msgrpc::service]
#[cfg_attr(all(), msgrpc(compact))]
pub trait Foo {
    async fn a(&self);
}

fn main() {}
