//! The attribute on a struct.

#[msgrpc::service]
pub struct Foo;

fn main() {}
