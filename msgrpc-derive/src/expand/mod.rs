//! From the model to code: one function per generated item.
//!
//! The only place that writes Rust. Generated code names the runtime by one path, `::msgrpc::__private`, and calls every
//! method by its full path, since the user's methods may be named `clone` or `call`.

mod client;
mod contract;
mod descriptor;
mod group;
mod probe;
mod service;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;

use crate::carried::Carried;
use crate::model::{Clash, Method, Param, Passing, Service};
use crate::report::Report;

/// All that a service becomes, and its mistakes.
pub(crate) fn service(service: &Service, report: &Report) -> TokenStream {
    let errors = report.compile_errors();
    let clashes = service.clashes.iter().map(clash);
    let contract = contract::contract(service);
    let descriptor = descriptor::descriptor(service);
    let methods = descriptor::methods(service);
    let probes = probe::probes(service);
    let server = service::service(service);
    let client = client::client(service);
    let group = group::group(service);
    quote! {
        #errors
        #(#clashes)*
        #contract
        #descriptor
        #methods
        #probes
        #server
        #client
        #group
    }
}

/// What is no trait comes out as it went in, with the mistakes.
pub(crate) fn refused(item: &TokenStream, report: &Report) -> TokenStream {
    let errors = report.compile_errors();
    quote! { #errors #item }
}

/// Mistakes that are there only if two methods are.
fn clash(clash: &Clash) -> TokenStream {
    let Clash { cfg, mistakes } = clash;
    mistakes.each().map(|error| quote!(#(#cfg)* #error)).collect()
}

/// The path of the runtime's names for generated code.
fn private(service: &Service) -> TokenStream {
    private_at(service, Span::call_site())
}

/// The same, for errors that belong to a place in the user's file.
fn private_at(service: &Service, span: Span) -> TokenStream {
    let path = service.crate_path.as_ref();
    let path = path.map_or_else(|| quote_spanned!(span=> ::msgrpc), |path| quote!(#path));
    quote_spanned!(span=> #path::__private)
}

/// The lints that generated code breaks: a program may use one side alone, and both sides use what the user deprecates.
///
/// No more than these, since an `#[allow]` is an error below a `#![forbid]`.
fn silenced(service: &Service) -> TokenStream {
    let of_methods = service.methods.iter().map(|method| &method.carried);
    let deprecated =
        of_methods.chain([&service.carried]).any(|carried| !carried.deprecated.is_empty());
    let deprecated = deprecated.then(|| quote!(deprecated));
    quote!(#[allow(dead_code, #deprecated)])
}

/// What stands before every `impl`.
fn impl_attrs(service: &Service) -> TokenStream {
    let Carried { cfg, lints, .. } = &service.carried;
    let silenced = silenced(service);
    quote! { #(#cfg)* #[automatically_derived] #(#lints)* #silenced }
}

/// How values are written: `Style::Named` or `Style::Compact`.
fn style(service: &Service) -> TokenStream {
    let private = private(service);
    if service.compact { quote!(#private::Style::Compact) } else { quote!(#private::Style::Named) }
}

/// The place of a method's descriptor: a constant, so that a `#[cfg]` on another method shifts nothing.
fn method_constant(service: &Service, method: &Method) -> TokenStream {
    let server = service.service_ident();
    let constant = method.constant_ident();
    quote!(#server::<()>::#constant)
}

/// The type that is decoded for a parameter, or probed for being optional.
fn decoded_type(param: &Param, private: &TokenStream) -> TokenStream {
    let inner = match &param.passing {
        Passing::Whole => {
            let ty = &param.ty;
            return quote!(#ty);
        }
        Passing::Lent(ty) => quote!(#ty),
        Passing::Slice(ty) => quote!(::std::vec::Vec<#ty>),
        Passing::Cow(ty) => quote!(#private::BorrowedCow<'_, #ty>),
    };
    if param.in_option { quote!(::core::option::Option<#inner>) } else { inner }
}

/// The place of a type in the user's file, for errors about it; names resolve as where the macro stands.
fn span_of(ty: &Type) -> Span {
    syn::spanned::Spanned::span(ty).resolved_at(Span::call_site())
}

/// A compile-time check whose failure shows `message` at `span`.
fn assertion(span: Span, condition: &TokenStream, message: &str) -> TokenStream {
    quote_spanned!(span=> ::core::assert!(#condition, #message);)
}
