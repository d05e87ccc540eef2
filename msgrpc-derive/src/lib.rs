//! The attribute `#[msgrpc::service]`: one trait in, a typed server, a typed client and a typed group out.
//!
//! Used through the crate `msgrpc`, which documents the attribute's keys and rules. The way of a trait:
//! `attr` and `carried` (attributes), `parse` → `model` → `check` → `expand`; `types` reads what is written. Generated code names
//! only `::msgrpc::__private`.

mod attr;
mod carried;
mod check;
mod expand;
mod model;
mod parse;
mod report;
mod types;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::report::Report;

/// Turns a trait whose methods take `&self` into a MessagePack-RPC service.
///
/// For a trait `Foo` it emits the trait itself, `FooService<T>` (the server's side), `FooClient<C>` (the caller's
/// side), `FooGroup` (the side of one who asks a multicast group) and the constant `FOO` (the service's description).
///
/// Keys: `namespace = "…"`, `separator = "…"` (default `"."`), `allow_extra_args`, `compact`, `crate = "path"`.
/// On methods, `#[msgrpc(…)]` takes `name = "…"`, `blocking`, `notification`, `nil`, `skip`, `spawn`
/// and `idempotent`.
///
/// # Arguments
///
/// `&str`, `&[u8]`, `Cow<'_, str>`, `Cow<'_, [u8]>` and types like `Name<'_>` borrow from the request. For any other
/// `&T` the server decodes a `T` (for `&[T]` a `Vec<T>`) and lends it to the method. `ctx: &Context`, first, is the
/// context of the call and no argument on the wire.
#[proc_macro_attribute]
pub fn service(
    keys: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    generate(keys.into(), item.into()).into()
}

/// The whole macro, on tokens that also exist outside of a compiler.
fn generate(keys: TokenStream, item: TokenStream) -> TokenStream {
    let mut report = Report::default();
    let Some(mut service) = parse::service(keys, item.clone(), &mut report) else {
        return expand::refused(&item, &report);
    };
    check::service(&mut service, &mut report);
    expand::service(&service, &report)
}
