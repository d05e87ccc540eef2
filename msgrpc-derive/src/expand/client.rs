//! The caller's side: `FooClient<C>`, one method per method of the trait.
//!
//! Arguments are encoded when a method is called; the message leaves at the future's first poll.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{impl_attrs, method_constant, private, private_at, silenced, span_of, style};
use crate::carried::Carried;
use crate::model::{Method, Reply, Service};

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
    quote! {
        #attrs
        impl<C: #private::Caller> #client<C> {
            /// Calls through `caller`: a client, a pool, or anything else that carries calls.
            #[must_use]
            #vis fn new(caller: C) -> Self {
                Self { caller }
            }

            #(#calls)*
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
    let (future, output) = future(service, method, &encoded);
    let encode = encode(service, method, &encoded);
    quote! {
        #(#cfg)*
        #(#docs)*
        #fallback
        #(#deprecated)*
        #(#lints)*
        #vis fn #name(&self, #(#params),*) -> #output {
            #encode
            #future
        }
    }
}

/// The expression that makes the future, and its type.
fn future(service: &Service, method: &Method, encoded: &Ident) -> (TokenStream, TokenStream) {
    let private = private(service);
    let (value, error) = match &method.reply {
        Reply::Nothing => {
            let future = quote!(#private::Notify::new(&self.caller, #encoded));
            return (future, quote!(#private::Notify<C>));
        }
        Reply::Unit => (quote!(()), quote!(#private::NoError)),
        Reply::Value(value) => (quote!(#value), quote!(#private::NoError)),
        Reply::Result(value, error) => (quote!(#value), quote!(#error)),
    };
    let span = match &method.reply {
        Reply::Value(ty) | Reply::Result(ty, _) => span_of(ty),
        Reply::Nothing | Reply::Unit => Span::call_site(),
    };
    let here = private_at(service, span);
    let future = quote_spanned! {span=>
        #here::Call::<#value, #error, C>::new(&self.caller, #encoded)
    };
    (future, quote!(#private::Call<#value, #error, C>))
}

fn encode(service: &Service, method: &Method, encoded: &Ident) -> TokenStream {
    let private = private(service);
    let constant = method_constant(service, method);
    let style = style(service);
    let mutable = (!method.params.is_empty()).then(|| quote!(mut));
    let params = method.params.iter().map(|param| {
        let (ident, ty) = (&param.ident, &param.ty);
        quote_spanned!(span_of(ty)=> #private::Params::push::<#ty>(&mut #encoded, &#ident);)
    });
    quote! {
        let #mutable #encoded = #private::Params::new(&#constant, #style);
        #(#params)*
    }
}
