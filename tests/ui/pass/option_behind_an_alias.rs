//! An `Option` behind an alias is optional; one behind a lifetime too.

pub type Maybe<T> = Option<T>;

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, b: u8, c: Maybe<u8>, d: Maybe<&str>);
}

const _: () = assert!(FOO.methods()[0].required() == 1);

fn main() {}
