//! An implementation served without its service.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self);
}

struct Bar;

impl Foo for Bar {
    async fn a(&self) {}
}

fn serve() -> msgrpc::Server {
    msgrpc::Server::new(Bar)
}

fn main() {}
