//! The trait itself: what the user wrote, with futures that can be sent between threads.
//!
//! Also the stub for a trait with mistakes: what the compiler would refuse once more is taken out.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemTrait, Pat, PatWild, ReturnType, Token, TraitItem, TraitItemFn, parse_quote};

use crate::attr::is_ours;
use crate::model::Service;

/// The trait, each `async fn` rewritten to `fn … -> impl Future<…> + Send`.
pub(super) fn contract(service: &Service) -> TokenStream {
    let mut item = service.item.clone();
    bounds(&mut item);
    if !service.refused.is_empty() {
        // So that a type such as `Vec<Self>`, which was refused, is not refused once more.
        item.supertraits.push(parse_quote!(::core::marker::Sized));
    }
    item.attrs.retain(|attr| !is_ours(attr.path()));
    for member in &mut item.items {
        if let TraitItem::Fn(function) = member {
            accepted(function);
            desugared(function);
        }
    }
    quote!(#item)
}

/// What every service is, so that calls may run on any thread and outlive their caller.
fn bounds(item: &mut ItemTrait) {
    item.colon_token.get_or_insert_default();
    item.supertraits.push(parse_quote!(::core::marker::Send));
    item.supertraits.push(parse_quote!(::core::marker::Sync));
    item.supertraits.push(parse_quote!('static));
}

/// `async fn f(…) -> R { … }` as `fn f(…) -> impl Future<Output = R> + Send { async move { … } }`.
fn desugared(function: &mut TraitItemFn) {
    if function.sig.asyncness.take().is_none() {
        return;
    }
    let output = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    function.sig.output = parse_quote! {
        -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
    };
    if let Some(body) = &function.default {
        let statements = &body.stmts;
        function.default = Some(parse_quote!({
            async move {
                #(#statements)*
            }
        }));
    }
}

/// Takes out what was refused and what the compiler would refuse as well.
fn accepted(function: &mut TraitItemFn) {
    function.sig.constness = None;
    function.sig.variadic = None;
    if function.default.is_some() {
        return;
    }
    for input in &mut function.sig.inputs {
        let FnArg::Typed(param) = input else { continue };
        let plain = matches!(&*param.pat, Pat::Ident(pat)
            if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none());
        if !plain {
            *param.pat =
                Pat::Wild(PatWild { attrs: Vec::new(), underscore_token: <Token![_]>::default() });
        }
    }
}
