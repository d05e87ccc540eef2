//! What a service says of itself: the constant `FOO` and one hidden constant per method.
//!
//! The stubs name a method by its constant, never by its place, since methods may come and go with `#[cfg]`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{decoded_type, method_constant, private, silenced};
use crate::carried::Carried;
use crate::model::{Method, Param, Passing, Reply, Service, source};
use crate::types::last_segment;

/// `pub const FOO: ServiceDescriptor`.
pub(super) fn descriptor(service: &Service) -> TokenStream {
    let private = private(service);
    let Carried { cfg, deprecated, lints, .. } = &service.carried;
    let vis = &service.item.vis;
    let constant = service.constant_ident();
    let name = service.name();
    let docs = with_docs(&service.carried);
    let title = format!(
        " Describes the service [`{}`]: its methods, their parameters and docs.",
        service.item.ident
    );
    let silenced = silenced(service);
    let methods = service.methods.iter().map(|method| {
        let cfg = &method.carried.cfg;
        let constant = method_constant(service, method);
        quote!(#(#cfg)* #constant)
    });
    quote! {
        #(#cfg)*
        #(#deprecated)*
        #(#lints)*
        #silenced
        #[doc = #title]
        #vis const #constant: #private::ServiceDescriptor = {
            const METHODS: &[#private::MethodDescriptor] = &[#(#methods),*];
            #private::ServiceDescriptor::new(#name, METHODS) #docs
        };
    }
}

/// The methods' constants, in an `impl` of their own: no type parameter stands in their way.
pub(super) fn methods(service: &Service) -> TokenStream {
    let Carried { cfg, lints, .. } = &service.carried;
    let server = service.service_ident();
    let silenced = silenced(service);
    let constants = service.methods.iter().map(|method| constant(service, method));
    quote! {
        #(#cfg)*
        #[automatically_derived]
        #(#lints)*
        #silenced
        impl #server<()> {
            #(#constants)*
        }
    }
}

fn constant(service: &Service, method: &Method) -> TokenStream {
    let private = private(service);
    let Carried { cfg, .. } = &method.carried;
    let constant = method.constant_ident();
    let (wire, name) = (&method.wire_name, method.name());
    let params = method.params.iter().map(|param| parameter(param, &private));
    let facts = facts(service, method);
    quote! {
        #(#cfg)*
        const #constant: #private::MethodDescriptor = {
            use #private::Fallback as _;
            const PARAMS: &[#private::ParamDescriptor] = &[#(#params),*];
            #private::MethodDescriptor::new(#wire, #name, PARAMS) #facts
        };
    }
}

fn parameter(param: &Param, private: &TokenStream) -> TokenStream {
    let (name, ty) = (param.name(), source(&param.ty));
    let optional = optional(param, private);
    quote!(#private::ParamDescriptor::new(#name, #ty, #optional))
}

/// Whether a parameter may be missing, as a constant expression.
pub(super) fn optional(param: &Param, private: &TokenStream) -> TokenStream {
    let visible = param.in_option
        || last_segment(&param.ty).is_none() && !matches!(param.passing, Passing::Lent(_));
    if visible || matches!(param.passing, Passing::Cow(_)) {
        let optional = param.in_option;
        return quote!(#optional);
    }
    let ty = decoded_type(param, private);
    quote!(#private::Probe::<#ty>::OPTIONAL)
}

/// The calls that complete a method's descriptor.
fn facts(service: &Service, method: &Method) -> TokenStream {
    let keys = &method.keys;
    let returns = match &method.reply {
        Reply::Value(ty) | Reply::Result(ty, _) => Some(source(ty)),
        Reply::Nothing | Reply::Unit => None,
    };
    let returns = returns.map(|ty| quote!(.returns(#ty)));
    let fails = match &method.reply {
        Reply::Result(_, error) => Some(source(error)),
        _ => None,
    };
    let fails = fails.map(|ty| quote!(.fails(#ty)));
    let docs = with_docs(&method.carried);
    let notification = keys.notification.as_ref().map(|_| quote!(.notification()));
    let blocking = keys.blocking.as_ref().map(|_| quote!(.blocking()));
    let deprecated = method.carried.deprecation().map(|note| quote!(.deprecated(#note)));
    let extra_args = service.allow_extra_args.then(|| quote!(.extra_args()));
    let nil = keys.nil.as_ref().map(|_| quote!(.nil()));
    let idempotent = keys.idempotent.as_ref().map(|_| quote!(.idempotent()));
    quote!(#returns #fails #docs #notification #blocking #deprecated #extra_args #nil #idempotent)
}

fn with_docs(carried: &Carried) -> Option<TokenStream> {
    let text = carried.text();
    (!text.is_empty()).then(|| quote!(.docs(#text)))
}
