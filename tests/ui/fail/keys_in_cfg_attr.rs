//! Keys that depend on a `cfg_attr`.

#[msgrpc::service]
pub trait Foo {
    #[cfg_attr(all(), msgrpc(blocking))]
    fn a(&self);
}

fn main() {}
