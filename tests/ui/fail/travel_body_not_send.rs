//! A body that is not `Send`: shown on the user's own line.

#[msgrpc::service]
pub trait Foo {
    async fn a(&self);
}

struct Bar;

impl Foo for Bar {
    async fn a(&self) {
        let shared = std::rc::Rc::new(1);
        std::future::ready(()).await;
        drop(shared);
    }
}

fn main() {}
