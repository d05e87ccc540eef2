//! The caller's side: `FooClient<C>`, one method per method of the trait.
//!
//! Arguments are encoded when a method is called; the message leaves at the future's first poll.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{ReturnType, Type};

use super::{impl_attrs, method_constant, private, private_at, silenced, span_of, style};
use crate::carried::Carried;
use crate::model::{Method, Param, Passing, Reply, Service};
use crate::types::{borrow_in, keyword_in, may_be_bytes, option_of};

/// `FooClient<C>` with all its `impl`s.
pub(super) fn client(service: &Service) -> TokenStream {
    let definition = definition(service);
    let connect = connect(service);
    let calls = calls(service);
    quote! { #definition #connect #calls }
}

fn definition(service: &Service) -> TokenStream {
    let private = private(service);
    let Carried { cfg, deprecated, lints, .. } = &service.carried;
    let (vis, client) = (&service.item.vis, service.client_ident());
    let silenced = silenced(service);
    let docs = format!(
        " Calls a [`{}`](trait@{0}): one method per method of the trait.\n\n A clone calls through the same connection.",
        service.item.ident
    );
    quote! {
        #(#cfg)*
        #(#deprecated)*
        #(#lints)*
        #silenced
        #[doc = #docs]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client<C = #private::Client> {
            caller: C,
        }
    }
}

fn connect(service: &Service) -> TokenStream {
    let private = private(service);
    let attrs = impl_attrs(service);
    let (vis, client) = (&service.item.vis, service.client_ident());
    quote! {
        #attrs
        impl #client {
            /// Connects to the server at `address`, such as `tcp://127.0.0.1:8000`.
            ///
            /// # Errors
            ///
            /// When the address is wrong or nobody answers there.
            #[allow(clippy::missing_errors_doc)] // inside of a user's macro clippy does not see the lines above
            #vis async fn connect(
                address: &::core::primitive::str,
            ) -> ::core::result::Result<Self, #private::ConnectError> {
                let caller = #private::Client::connect(address).await?;
                ::core::result::Result::Ok(Self { caller })
            }
        }
    }
}

fn calls(service: &Service) -> TokenStream {
    let private = private(service);
    let attrs = impl_attrs(service);
    let (vis, client) = (&service.item.vis, service.client_ident());
    let calls = service.methods.iter().map(|method| call(service, method));
    let stand_ins = service.refused.iter().filter_map(|method| {
        let future = future(service, method);
        stand_in(service, method, &future)
    });
    quote! {
        #attrs
        impl<C: #private::Caller> #client<C> {
            /// Calls through `caller`: a client, a pool, or anything else that carries calls.
            #[must_use]
            #vis fn new(caller: C) -> Self {
                Self { caller }
            }

            #(#calls)*
            #(#stand_ins)*
        }
    }
}

/// One method: encode the arguments, hand them to a `Call` or a `Notify`.
fn call(service: &Service, method: &Method) -> TokenStream {
    let Carried { cfg, docs, deprecated, lints } = &method.carried;
    let fallback = docs.is_empty().then(|| format!(" Calls `{}`.", method.wire_name));
    let fallback = fallback.map(|text| quote!(#[doc = #text]));
    let (vis, name) = (&service.item.vis, method.ident());
    let params = method.params.iter().map(|param| {
        let (ident, ty) = (&param.ident, &param.ty);
        quote!(#ident: #ty)
    });
    let encoded = Ident::new("encoded", Span::mixed_site());
    let private = private(service);
    let constant = method_constant(service, method);
    let style = style(service);
    let mutable = (!method.params.is_empty()).then(|| quote!(mut));
    let pushes = method.params.iter().map(|param| push(service, param, &encoded));
    let output = future(service, method);
    let kind = match method.reply {
        Reply::Nothing => quote!(Notify),
        Reply::Unit | Reply::Value(_) | Reply::Result(..) => quote!(Call),
    };
    let call = quote!(#private::#kind::new(&self.caller, #encoded));
    let call = match &method.reply {
        Reply::Value(ty) | Reply::Result(ty, _) if may_be_bytes(ty) => quote! {
            use #private::Decoded as _;
            #private::Probe::<#ty>::read(#call)
        },
        _ => call,
    };
    quote! {
        #(#cfg)*
        #(#docs)*
        #fallback
        #(#deprecated)*
        #(#lints)*
        #vis fn #name(&self, #(#params),*) -> #output {
            let #mutable #encoded = #private::Params::new(&#constant, #style);
            #(#pushes)*
            #call
        }
    }
}

/// The type of the future that a method returns.
fn future(service: &Service, method: &Method) -> TokenStream {
    let private = private(service);
    match &method.reply {
        Reply::Nothing => quote!(#private::Notify<C>),
        Reply::Unit => quote!(#private::Call<(), #private::NoError, C>),
        Reply::Value(value) => quote!(#private::Call<#value, #private::NoError, C>),
        Reply::Result(value, error) => quote!(#private::Call<#value, #error, C>),
    }
}

/// Encodes one argument, naming its type as the server's side does: the compiler shows equal errors once.
fn push(service: &Service, param: &Param, encoded: &Ident) -> TokenStream {
    let span = span_of(&param.ty);
    let private = private_at(service, span);
    let ident = &param.ident;
    let inner = option_of(&param.ty).unwrap_or(&param.ty);
    let (ty, push, argument) = match (&param.passing, param.in_option) {
        (Passing::Whole | Passing::Cow(_), false) => (inner, "push", quote!(&#ident)),
        (Passing::Whole | Passing::Cow(_), true) => {
            (inner, "push_option", quote!(::core::option::Option::as_ref(&#ident)))
        }
        (Passing::Lent(ty), false) => (ty, "push", quote!(#ident)),
        (Passing::Lent(ty), true) => (ty, "push_option", quote!(#ident)),
        (Passing::Slice(ty), false) => (ty, "push_list", quote!(#ident)),
        (Passing::Slice(ty), true) => (ty, "push_option_list", quote!(#ident)),
    };
    let push = Ident::new(push, span);
    quote_spanned!(span=> <#ty as #private::Argument<'_>>::#push(#argument, &mut #encoded);)
}

/// For a method with a mistake: what calls it is no second one, where its signature lets us know how it is called.
pub(super) fn stand_in(
    service: &Service,
    method: &Method,
    future: &TokenStream,
) -> Option<TokenStream> {
    let mut methods = service.methods.iter().chain(&service.refused);
    let is_taken = ["new", "connect", "join"].contains(&method.name().as_str())
        || methods.any(|other| other.ident() == method.ident() && !std::ptr::eq(other, method));
    let written = match &method.item.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(&**ty),
    };
    let is_odd = |ty: &Type| keyword_in(ty, "impl").or_else(|| keyword_in(ty, "Self")).is_some();
    if is_taken
        || written.is_some_and(|ty| is_odd(ty) || borrow_in(ty).is_some())
        || method.params.iter().any(|param| is_odd(&param.ty))
        || !method.item.sig.generics.params.is_empty()
        || method.item.sig.variadic.is_some()
    {
        return None;
    }
    let cfg = &method.carried.cfg;
    let (vis, name) = (&service.item.vis, method.ident());
    let types = method.params.iter().map(|param| &param.ty);
    Some(quote! {
        #(#cfg)*
        #vis fn #name(&self, #(_: #types),*) -> #future {
            ::core::panic!()
        }
    })
}
