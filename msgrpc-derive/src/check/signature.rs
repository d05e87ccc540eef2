//! Rules of a method's signature, its parameters and result excepted.

use syn::{FnArg, GenericParam, ReceiverKind};

use crate::model::Method;
use crate::report::Report;

pub(super) fn receiver_is_ref_self(method: &Method, report: &mut Report) {
    let sig = &method.item.sig;
    let Some(FnArg::Receiver(receiver)) = sig.inputs.first() else {
        return report.refuse(
            &sig.ident,
            "a method of a service takes `&self`: write it as the first parameter",
        );
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, None, None) => {}
        ReceiverKind::Reference(_, _, Some(mutable)) => report.refuse(
            mutable,
            "calls run side by side, so a method takes `&self`: keep what changes in a `Mutex` or an atomic",
        ),
        ReceiverKind::Reference(_, Some(lifetime), None) => {
            report.refuse(lifetime, "a method of a service takes `&self`: remove the lifetime");
        }
        _ => report.refuse(receiver, "a method of a service is called many times: write `&self`"),
    }
}

pub(super) fn method_has_no_parameters(method: &Method, report: &mut Report) {
    for param in &method.item.sig.generics.params {
        let message = match param {
            GenericParam::Lifetime(_) => {
                "a method of a service names no lifetimes: leave them out, `&str` or `Name<'_>`"
            }
            _ => {
                "a method of a service is not generic: the wire knows no types; write a concrete type"
            }
        };
        report.refuse(param, message);
    }
}

pub(super) fn method_has_no_where_clause(method: &Method, report: &mut Report) {
    if let Some(clause) = &method.item.sig.generics.where_clause {
        report.refuse(clause, "a method of a service has no `where` clause: remove it, or keep the method local with `#[msgrpc(skip)]`");
    }
}

pub(super) fn method_is_plain(method: &Method, report: &mut Report) {
    let sig = &method.item.sig;
    if let Some(token) = &sig.constness {
        report.refuse(token, "a method of a service runs when it is called: remove `const`");
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        report.refuse(token, "any peer can call a method of a service: remove `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        report.refuse(abi, "a method of a service is a Rust function: remove `extern`");
    }
}

pub(super) fn method_is_not_variadic(method: &Method, report: &mut Report) {
    if let Some(variadic) = &method.item.sig.variadic {
        report.refuse(
            variadic,
            "a method of a service has a fixed number of parameters: write a `Vec<_>`",
        );
    }
}

pub(super) fn method_is_async_or_blocking(method: &Method, report: &mut Report) {
    let sig = &method.item.sig;
    if method.keys.unsure || sig.constness.is_some() {
        return; // another message says what to do first
    }
    match (&sig.asyncness, &method.keys.blocking) {
        (None, None) => report.refuse(
            sig.fn_token,
            "a method of a service is asynchronous: write `async fn`, or `#[msgrpc(blocking)]` for a plain `fn` \
             that runs on a thread of its own",
        ),
        (Some(_), Some(blocking)) => report.refuse(
            blocking,
            "a blocking method is a plain function: write `fn` instead of `async fn`, or remove `blocking`",
        ),
        _ => {}
    }
}
