//! The attribute twice, once in a `cfg_attr`.

#[msgrpc::service]
#[cfg_attr(all(), msgrpc::service(compact))]
pub trait Foo {
    async fn a(&self);
}

fn main() {}
