//! Rules that only types can tell, checked by constants at compile time: they see through aliases.
//!
//! `check` has the rules that can be seen in the text; here is what needs a type's definition.

use proc_macro2::TokenStream;
use quote::quote;

use super::descriptor::optional;
use super::{assertion, private, silenced, span_of};
use crate::check::required_after_optional;
use crate::model::{Method, Reply, Service};
use crate::types::{is_builtin, last_segment};

/// One constant per method that has something to check.
pub(super) fn probes(service: &Service) -> TokenStream {
    let private = private(service);
    let silenced = silenced(service);
    let probes = service.methods.iter().filter_map(|method| {
        let checks: TokenStream =
            [no_alias_of_result(method, &private), optional_last(method, &private)]
                .into_iter()
                .collect();
        let cfg = service.carried.cfg.iter().chain(&method.carried.cfg);
        (!checks.is_empty()).then(|| {
            quote! {
                #(#cfg)*
                #silenced
                const _: () = {
                    use #private::Fallback as _;
                    #checks
                };
            }
        })
    });
    probes.collect()
}

/// A `Result` behind an alias would travel as a success.
fn no_alias_of_result(method: &Method, private: &TokenStream) -> TokenStream {
    let Reply::Value(ty) = &method.reply else {
        return TokenStream::new();
    };
    if last_segment(ty).is_none() || is_builtin(ty) {
        return TokenStream::new();
    }
    assertion(
        span_of(ty),
        &quote!(!#private::Probe::<#ty>::RESULT),
        "this is an alias of `Result`, whose error would travel as a success: write `Result<T, E>`",
    )
}

/// A parameter that may be missing is followed only by such.
fn optional_last(method: &Method, private: &TokenStream) -> TokenStream {
    let pairs = method.params.windows(2).filter_map(|pair| {
        let [before, param] = pair else { return None };
        let (first, second) = (optional(before, private), optional(param, private));
        if first.to_string() == "false" || second.to_string() == "true" {
            return None;
        }
        let message = required_after_optional(&param.name(), &before.name());
        Some(assertion(param.ident.span(), &quote!(!#first || #second), &message))
    });
    pairs.collect()
}
