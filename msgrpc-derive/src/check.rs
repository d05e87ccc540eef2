//! The rules of a service: each one function with one message, at the smallest token of the user's.
//!
//! Used between `parse` and `expand`. Takes the methods that break a rule out of the model, so that one mistake is one
//! error. What only types can tell (aliases of `Option` and `Result`) is left to the probes that `expand` writes.

use std::collections::HashMap;

use proc_macro2::Ident;
use syn::{FnArg, GenericParam, Meta, Pat, ReceiverKind, ReturnType, TraitItem, Type};

use crate::attr::conditional_keys;
use crate::model::{Method, Passing, Reply, Service, source};

use crate::report::Report;
use crate::types::{
    borrow_in, is_builtin, is_context, keyword_in, last_segment, option_of, parameters_of, peeled,
};

/// Judges the trait and each method; only methods without a mistake stay in the model.
pub(crate) fn service(service: &mut Service, report: &mut Report) {
    for rule in OF_TRAITS {
        rule(service, report);
    }
    service.methods.retain(|method| {
        let before = report.count();
        for rule in OF_METHODS {
            rule(method, report);
        }
        report.count() == before && !method.keys.unsure
    });
    wire_names_differ(service, report);
    if service.is_generic() {
        service.methods.clear();
    }
}

const OF_TRAITS: &[fn(&Service, &mut Report)] = &[
    trait_is_plain,
    trait_has_no_parameters,
    trait_has_no_where_clause,
    trait_has_methods_only,
    trait_keys_are_in_the_attribute,
    trait_keys_are_unconditional,
];

const OF_METHODS: &[fn(&Method, &mut Report)] = &[
    name_is_free,
    keys_are_unconditional,
    wire_name_is_not_empty,
    keys_go_together,
    receiver_is_ref_self,
    method_has_no_parameters,
    method_has_no_where_clause,
    method_is_plain,
    method_is_not_variadic,
    method_is_async_or_blocking,
    params_are_names,
    params_have_no_cfg,
    params_are_types_that_travel,
    params_are_lent_for_the_call,
    context_is_first,
    options_are_not_nested,
    required_come_before_optional,
    results_have_two_parameters,
    results_are_owned,
    notifications_have_no_result,
];

// --- the trait ---

fn trait_is_plain(service: &Service, report: &mut Report) {
    let item = &service.item;
    if let Some(token) = &item.unsafety {
        report.refuse(token, "a service is a safe trait: remove `unsafe`");
    }
    if let Some(token) = &item.modifiers.auto_token {
        report.refuse(token, "a service is no auto trait: remove `auto`");
    }
}

fn trait_has_no_parameters(service: &Service, report: &mut Report) {
    let params = &service.item.generics.params;
    if !params.is_empty() {
        report.refuse(
            params,
            "a service has no parameters: the wire knows no types; write concrete types in the methods",
        );
    }
}

fn trait_has_no_where_clause(service: &Service, report: &mut Report) {
    if let Some(clause) = &service.item.generics.where_clause {
        report.refuse(
            clause,
            "a service has no `where` clause: write bounds as supertraits, `trait Name: Bound`",
        );
    }
}

fn trait_has_methods_only(service: &Service, report: &mut Report) {
    for item in &service.item.items {
        match item {
            TraitItem::Fn(_) => {}
            TraitItem::Type(item) => report.refuse(
                &item.ident,
                "a service has no associated types: write concrete types in the methods",
            ),
            TraitItem::Const(item) => report.refuse(
                &item.ident,
                "a service has no associated constants: write a method, or a constant beside the trait",
            ),
            TraitItem::Macro(item) => report.refuse(
                &item.mac.path,
                "the methods inside of a macro cannot be seen from here: write them out",
            ),
            other => report.refuse(other, "a service has methods only: write `async fn name(&self, …) -> …;`"),
        }
    }
}

fn trait_keys_are_in_the_attribute(service: &Service, report: &mut Report) {
    for attr in &service.item.attrs {
        if attr.path().is_ident("msgrpc") {
            report.refuse(
                attr,
                "the keys of a service go into its attribute: write `#[msgrpc::service(…)]`",
            );
        }
    }
}

fn trait_keys_are_unconditional(service: &Service, report: &mut Report) {
    service
        .item
        .attrs
        .iter()
        .flat_map(conditional_keys)
        .for_each(|meta| refuse_conditional(&meta, report));
}

// --- names and keys ---

fn keys_are_unconditional(method: &Method, report: &mut Report) {
    method.keys.conditional.iter().for_each(|meta| refuse_conditional(meta, report));
}

/// The message of the two rules above.
fn refuse_conditional(meta: &Meta, report: &mut Report) {
    report.refuse(
        meta,
        "keys cannot depend on `cfg_attr`: write it twice, each with its own `#[cfg(…)]`",
    );
}

fn name_is_free(method: &Method, report: &mut Report) {
    let name = method.name();
    let used_for = match name.as_str() {
        "new" => "makes a client",
        "connect" => "connects a client",
        "join" => "joins a group",
        _ => return,
    };
    report.refuse(
        method.ident(),
        format!(
            "`{name}` {used_for}, so no method can have this name: \
             give it another one and write `#[msgrpc(name = \"{name}\")]`"
        ),
    );
}

fn wire_name_is_not_empty(method: &Method, report: &mut Report) {
    if let Some(name) = &method.keys.name
        && name.value().is_empty()
    {
        report.refuse(name, "the name on the wire is empty: write one, or remove `name`");
    }
}

fn keys_go_together(method: &Method, report: &mut Report) {
    let keys = &method.keys;
    if let Some(skip) = &keys.skip
        && !keys.unsure
    {
        report.refuse(skip, "a skipped method does not travel: remove `skip`, or the other keys");
    }
    if let (Some(_), Some(spawn)) = (&keys.blocking, &keys.spawn) {
        report.refuse(
            spawn,
            "a blocking method has a thread of its own: remove `spawn`, or `blocking`",
        );
    }
}

/// Both places are shown. What depends on a `#[cfg]` may well be there once only: a server checks it again when it binds.
fn wire_names_differ(service: &mut Service, report: &mut Report) {
    let mut first_uses: HashMap<String, Ident> = HashMap::new();
    service.methods.retain(|method| {
        if !method.carried.cfg.is_empty() {
            return true;
        }
        let name = &method.wire_name;
        let Some(first) = first_uses.get(name) else {
            first_uses.insert(name.clone(), method.ident().clone());
            return true;
        };
        let message = format!("two methods have the wire name `{name}`: give one of them another, `#[msgrpc(name = \"…\")]`");
        match &method.keys.name {
            Some(key) => report.refuse(key, message),
            None => report.refuse(method.ident(), message),
        }
        report.refuse(first, format!("the wire name `{name}` is first used here"));
        false
    });
}

// --- the signature ---

fn receiver_is_ref_self(method: &Method, report: &mut Report) {
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

fn method_has_no_parameters(method: &Method, report: &mut Report) {
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

fn method_has_no_where_clause(method: &Method, report: &mut Report) {
    if let Some(clause) = &method.item.sig.generics.where_clause {
        report.refuse(clause, "a method of a service has no `where` clause: remove it, or keep the method local with `#[msgrpc(skip)]`");
    }
}

fn method_is_plain(method: &Method, report: &mut Report) {
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

fn method_is_not_variadic(method: &Method, report: &mut Report) {
    if let Some(variadic) = &method.item.sig.variadic {
        report.refuse(
            variadic,
            "a method of a service has a fixed number of parameters: write a `Vec<_>`",
        );
    }
}

fn method_is_async_or_blocking(method: &Method, report: &mut Report) {
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

// --- the parameters ---

fn params_are_names(method: &Method, report: &mut Report) {
    for param in method.written_params() {
        match &*param.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                if let (Some(mutable), None) = (&pat.mutability, &method.item.default) {
                    report.refuse(
                        mutable,
                        "a method without a body declares no `mut`: write it in the `impl`",
                    );
                }
            }
            Pat::Wild(wild) => report
                .refuse(wild, "callers see the names of parameters: write a name instead of `_`"),
            pat => report.refuse(pat, "a parameter is a name: take patterns apart in the body"),
        }
    }
}

fn params_have_no_cfg(method: &Method, report: &mut Report) {
    for attr in method.written_params().flat_map(|param| &param.attrs) {
        if attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr") {
            report.refuse(
                attr,
                "parameters have places on the wire and cannot come and go: write the method twice, each with its \
                 own `#[cfg(…)]`",
            );
        }
    }
}

fn params_are_types_that_travel(method: &Method, report: &mut Report) {
    for param in method.written_params() {
        if let Some(token) = keyword_in(&param.ty, "impl") {
            report.refuse(token, "a parameter has a type that can be decoded: write a concrete type instead of `impl`");
        } else if let Some(token) = keyword_in(&param.ty, "Self") {
            report.refuse(token, "`Self` is the server and does not travel: write a concrete type");
        }
    }
}

/// No `&mut T`, and no lifetime that outlives the request.
fn params_are_lent_for_the_call(method: &Method, report: &mut Report) {
    for param in &method.params {
        let Type::Reference(reference) = peeled(option_of(&param.ty).unwrap_or(&param.ty)) else {
            continue;
        };
        if let Some(mutable) = &reference.mutability {
            report.refuse(mutable, "changes to a parameter do not travel back: write `&` without `mut`, and return the result");
        }
        if let Some(lifetime) = &reference.lifetime
            && lifetime.ident == "static"
        {
            report
                .refuse(lifetime, "a parameter is borrowed from the request: leave `'static` out");
        }
    }
}

fn context_is_first(method: &Method, report: &mut Report) {
    let mut params = method.written_params();
    let first = if method.context.is_some() { params.next() } else { None };
    if first.is_none()
        && let Some(param) = method.params.first()
        && param.ident == "ctx"
    {
        return report.refuse(
            &param.ty,
            "`ctx` is the context of the call: write `ctx: &Context`, or use another name",
        );
    }
    for param in params.filter(|param| is_context(&param.ty)) {
        report.refuse(
            &param.ty,
            "the context is the first parameter after `&self`: move `ctx: &Context` there",
        );
    }
}

fn options_are_not_nested(method: &Method, report: &mut Report) {
    let results = match &method.reply {
        Reply::Value(value) => vec![value.as_ref()],
        Reply::Result(value, error) => vec![value.as_ref(), error.as_ref()],
        Reply::Nothing | Reply::Unit => Vec::new(),
    };
    for ty in method.params.iter().map(|param| &param.ty).chain(results) {
        if let Some(inner) = option_of(ty).filter(|inner| option_of(inner).is_some()) {
            report.refuse(inner, "`Some(None)` and `None` are both nil on the wire: write one `Option<_>`, or an enum");
        }
    }
}

/// Looks at what is visibly optional or visibly required; the probes see through aliases.
fn required_come_before_optional(method: &Method, report: &mut Report) {
    for pair in method.params.windows(2) {
        let [before, param] = pair else { continue };
        let required = !param.in_option
            && (is_builtin(&param.ty)
                || !matches!(param.passing, Passing::Whole)
                || last_segment(&param.ty).is_none());
        if before.in_option && required {
            report.refuse(&param.ident, required_after_optional(&param.name(), &before.name()));
        }
    }
}

/// The message of two rules: the one above, and the probe that sees through aliases.
pub(crate) fn required_after_optional(required: &str, optional: &str) -> String {
    format!(
        "`{required}` is required but comes after `{optional}`, which may be missing: put `{required}` first, or \
         make it an `Option<_>`"
    )
}

// --- the result ---

fn results_have_two_parameters(method: &Method, report: &mut Report) {
    let ReturnType::Type(_, ty) = &method.item.sig.output else {
        return;
    };
    if parameters_of(ty, "Result").is_some_and(|parameters| parameters.len() != 2) {
        report.refuse(ty, "the error's type is not visible: write `Result<T, E>`");
    }
}

fn results_are_owned(method: &Method, report: &mut Report) {
    let ReturnType::Type(_, ty) = &method.item.sig.output else {
        return;
    };
    if let Some(token) = keyword_in(ty, "impl") {
        report.refuse(
            token,
            "a result has a type that can be decoded: write a concrete type instead of `impl`",
        );
    } else if let Some(token) = keyword_in(ty, "Self") {
        report.refuse(token, "`Self` is the server and does not travel: write a concrete type");
    } else if let Some(borrowed) = borrow_in(ty) {
        let written = source(ty);
        report.refuse(
            borrowed,
            format!("a result leaves the server, so it is owned: write `String` or `Vec<_>` instead of `{written}`"),
        );
    }
}

fn notifications_have_no_result(method: &Method, report: &mut Report) {
    let (Some(_), ReturnType::Type(_, ty)) = (&method.keys.notification, &method.item.sig.output)
    else {
        return;
    };
    if !matches!(peeled(ty), Type::Tuple(tuple) if tuple.elems.is_empty()) {
        report.refuse(ty, "a notification is not answered: remove the result, or `notification`");
    }
}
