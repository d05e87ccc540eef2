//! A trait with a `where` clause.

#[msgrpc::service]
pub trait Foo
where
    Self: Clone,
{
    async fn a(&self);
}

fn main() {}
