//! Everything that can be borrowed from a request.

use std::borrow::Cow;
use std::path::Path;

use msgrpc::Context;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Name<'a> {
    #[serde(borrow)]
    pub first: &'a str,
}

#[derive(Serialize, Deserialize)]
pub struct Owned {
    pub text: String,
}

#[msgrpc::service]
pub trait Foo {
    async fn a(&self, ctx: &Context, a: &str, b: &[u8], c: Cow<'_, str>, d: Cow<'_, [u8]>, e: Name<'_>) -> u8;
    async fn b(&self, a: &Owned, b: &[u32], c: &Path, d: &Name<'_>, e: &[Name<'_>], f: &[&str]) -> u8;
    async fn c(&self, a: Option<&str>, b: Option<&Owned>, c: Option<&[u32]>, d: Option<Cow<'_, str>>);
    #[msgrpc(blocking)]
    fn d(&self, ctx: &Context, a: &str, b: Cow<'_, str>, c: Name<'_>, d: &Owned, e: Option<Cow<'static, str>>);
    #[msgrpc(notification, spawn)]
    async fn e(&self, a: &str);
}

fn is_static<T: Send + 'static>(_: T) {}

fn calls(foo: &FooClient, text: &str) {
    let owned = Owned { text: text.to_owned() };
    is_static(foo.c(Some(text), Some(&owned), Some(&[1]), Some(text.into())));
    is_static(foo.e(text));
}

fn main() {
    let _ = calls;
}
