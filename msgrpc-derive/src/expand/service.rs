//! The server's side: `FooService<T>`, from a request to the user's method and back.
//!
//! Arguments are decoded straight from the request, which the call's future owns, so they may borrow from it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;

use super::{
    decoded_type, impl_attrs, method_constant, private, private_at, silenced, span_of, style,
};
use crate::carried::Carried;
use crate::model::{Method, Param, Passing, Reply, Service};
use crate::types::{may_be_bytes, option_of, referent};

/// `FooService<T>` with all its `impl`s.
pub(super) fn service(service: &Service) -> TokenStream {
    let definition = definition(service);
    let constructors = constructors(service);
    let clone = clone(service);
    let debug = debug(service);
    let dispatch = dispatch(service);
    quote! { #definition #constructors #clone #debug #dispatch }
}

fn definition(service: &Service) -> TokenStream {
    let Carried { cfg, deprecated, lints, .. } = &service.carried;
    let (vis, server) = (&service.item.vis, service.service_ident());
    let silenced = silenced(service);
    let docs = format!(
        " Serves a [`{}`](trait@{0}): what a server is given.\n\n A clone serves the same value.",
        service.item.ident
    );
    quote! {
        #(#cfg)*
        #(#deprecated)*
        #(#lints)*
        #silenced
        #[doc = #docs]
        #vis struct #server<T> {
            implementation: ::std::sync::Arc<T>,
        }
    }
}

fn constructors(service: &Service) -> TokenStream {
    let attrs = impl_attrs(service);
    let (vis, server) = (&service.item.vis, service.service_ident());
    let bound = bound(service);
    quote! {
        #attrs
        impl<T #bound> #server<T> {
            /// Serves `implementation`.
            #[must_use]
            #vis fn new(implementation: T) -> Self {
                Self::from_arc(::std::sync::Arc::new(implementation))
            }

            /// Serves a value that others hold as well.
            #[must_use]
            #vis fn from_arc(implementation: ::std::sync::Arc<T>) -> Self {
                Self { implementation }
            }
        }
    }
}

fn clone(service: &Service) -> TokenStream {
    let attrs = impl_attrs(service);
    let server = service.service_ident();
    quote! {
        #attrs
        impl<T> ::core::clone::Clone for #server<T> {
            fn clone(&self) -> Self {
                Self { implementation: ::std::sync::Arc::clone(&self.implementation) }
            }
        }
    }
}

fn debug(service: &Service) -> TokenStream {
    let attrs = impl_attrs(service);
    let server = service.service_ident();
    let name = server.to_string();
    quote! {
        #attrs
        impl<T> ::core::fmt::Debug for #server<T> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Formatter::debug_struct(f, #name).finish_non_exhaustive()
            }
        }
    }
}

/// `impl Service`: a `match` on the method's name.
fn dispatch(service: &Service) -> TokenStream {
    let private = private(service);
    let attrs = impl_attrs(service);
    let server = service.service_ident();
    let constant = service.constant_ident();
    let bound = match bound(service) {
        bound if bound.is_empty() => {
            quote!(: ::core::marker::Send + ::core::marker::Sync + 'static)
        }
        bound => bound,
    };
    let arms = service.methods.iter().map(|method| arm(service, method));
    quote! {
        #attrs
        impl<T #bound> #private::Service for #server<T> {
            fn descriptor(&self) -> &'static #private::ServiceDescriptor {
                &#constant
            }

            fn call(&self, request: #private::Request) -> #private::OutcomeFuture {
                match #private::Request::method(&request) {
                    #(#arms)*
                    _ => #private::Request::unknown_method(request),
                }
            }
        }
    }
}

/// One method: decode, call, encode.
fn arm(service: &Service, method: &Method) -> TokenStream {
    let private = private(service);
    let cfg = &method.carried.cfg;
    let wire = &method.wire_name;
    let call = call(service, method);
    let outcome = outcome(service, method);
    let future = if method.keys.blocking.is_some() {
        let decode = decode(service, method, &quote!(request));
        quote! {
            #private::run_blocking(request, move |request| {
                #decode
                #call
                #outcome
            })
        }
    } else {
        let decode = decode(service, method, &quote!(&request));
        let moved = method.keys.spawn.as_ref().map(|_| quote!(#private::moved_to_a_task().await;));
        quote! {
            #private::run(async move {
                #moved
                #decode
                #call
                #outcome
            })
        }
    };
    quote! {
        #(#cfg)*
        #wire => {
            let implementation = ::std::sync::Arc::clone(&self.implementation);
            #future
        }
    }
}

/// The arguments as a tuple, in the wire's order; the reader of them is gone before the method waits.
fn decode(service: &Service, method: &Method, request: &TokenStream) -> TokenStream {
    let private = private(service);
    let constant = method_constant(service, method);
    let reader = if method.params.is_empty() { quote!(_) } else { quote!(arguments) };
    let slots = (0..method.params.len()).map(slot);
    let takes = method.params.iter().map(|param| take(service, param));
    let context = method.context.as_ref().map(|ty| {
        let (span, ty) = (span_of(ty), referent(ty));
        quote_spanned!(span=> let context = <#ty as #private::CallContext>::of(#request);)
    });
    quote! {
        let (#(#slots,)*) = match #private::Arguments::read(#request, &#constant, |#reader| {
            ::core::result::Result::Ok((#(#takes,)*))
        }) {
            ::core::result::Result::Ok(arguments) => arguments,
            ::core::result::Result::Err(fault) => return #private::Outcome::from(fault),
        };
        #context
    }
}

/// Decodes one argument. An error about its type stands where the user wrote it.
fn take(service: &Service, param: &Param) -> TokenStream {
    let span = span_of(&param.ty);
    let private = private_at(service, span);
    let inner = option_of(&param.ty).unwrap_or(&param.ty);
    if matches!(param.passing, Passing::Whole) && !param.in_option && may_be_bytes(inner) {
        return quote_spanned!(span=> {
            use #private::Decoded as _;
            #private::Probe::<#inner>::take(arguments)?
        });
    }
    let (ty, take) = match (&param.passing, param.in_option) {
        (Passing::Whole, false) => (inner, "take"),
        (Passing::Whole, true) => (inner, "take_option"),
        (Passing::Lent(ty), false) => (ty, "take"),
        (Passing::Lent(ty), true) => (ty, "take_option"),
        (Passing::Slice(ty), false) => (ty, "take_list"),
        (Passing::Slice(ty), true) => (ty, "take_option_list"),
        (Passing::Cow(_), _) => {
            let ty = decoded_type(param, &private);
            return quote_spanned!(span=> #private::Arguments::take::<#ty>(arguments)?);
        }
    };
    let take = Ident::new(take, span);
    quote_spanned!(span=> <#ty as #private::Argument<'_>>::#take(arguments)?)
}

/// The call by its full path: the user's type may have methods of the same name.
fn call(service: &Service, method: &Method) -> TokenStream {
    let (contract, name) = (&service.item.ident, method.ident());
    let context = method.context.as_ref().map(|_| quote!(context,));
    let arguments = method.params.iter().enumerate().map(|(i, param)| lend(&slot(i), param));
    let wait = method.keys.blocking.is_none().then(|| quote!(.await));
    let result = match method.reply {
        Reply::Nothing | Reply::Unit => quote!(()),
        Reply::Value(_) | Reply::Result(..) => quote!(result),
    };
    quote! {
        let #result = <T as #contract>::#name(&*implementation, #context #(#arguments),*) #wait;
    }
}

/// The argument as the method takes it, from the decoded value.
fn lend(slot: &Ident, param: &Param) -> TokenStream {
    match (&param.passing, param.in_option) {
        (Passing::Whole, _) => quote!(#slot),
        (Passing::Lent(_) | Passing::Slice(_), false) => quote!(&#slot),
        (Passing::Lent(_), true) => quote!(::core::option::Option::as_ref(&#slot)),
        (Passing::Slice(_), true) => quote!(::core::option::Option::as_deref(&#slot)),
        (Passing::Cow(_), false) => quote!(#slot.0),
        (Passing::Cow(_), true) => quote!(::core::option::Option::map(#slot, |cow| cow.0)),
    }
}

fn outcome(service: &Service, method: &Method) -> TokenStream {
    let private = private(service);
    let style = style(service);
    match &method.reply {
        Reply::Nothing => quote!(#private::Outcome::nothing()),
        Reply::Unit => quote!(<() as #private::MethodResult>::outcome(&(), #style)),
        Reply::Value(ty) => {
            let encode = encode(service, ty, "MethodResult");
            quote!(#encode(&result, #style))
        }
        Reply::Result(value, error) => {
            let (value, error) =
                (encode(service, value, "MethodResult"), encode(service, error, "MethodError"));
            let constant = method_constant(service, method);
            quote! {
                match &result {
                    ::core::result::Result::Ok(value) => #value(value, #style),
                    ::core::result::Result::Err(error) => #error(error, &#constant, #style),
                }
            }
        }
    }
}

/// `<T as MethodResult>::outcome`. An error about the type stands where the user wrote it.
fn encode(service: &Service, ty: &Type, as_what: &str) -> TokenStream {
    let span = span_of(ty);
    let private = private_at(service, span);
    let as_what = Ident::new(as_what, span);
    quote_spanned!(span=> <#ty as #private::#as_what>::outcome)
}

/// Names of ours: a parameter of the user's may be called `request`.
fn slot(index: usize) -> Ident {
    format_ident!("argument_{index}", span = Span::call_site())
}

/// `: Foo`; nothing for a trait with parameters, which was refused.
fn bound(service: &Service) -> TokenStream {
    let contract = &service.item.ident;
    if service.is_generic() { TokenStream::new() } else { quote!(: #contract) }
}
