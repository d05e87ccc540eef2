//! Rules of a method's parameters.

use syn::{Pat, Type};

use crate::attr::is_ours;
use crate::model::{Method, Passing, Reply};
use crate::report::Report;
use crate::types::{is_builtin, is_context, keyword_in, last_segment, option_of, peeled};

pub(super) fn params_are_names(method: &Method, report: &mut Report) {
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

pub(super) fn params_have_no_cfg(method: &Method, report: &mut Report) {
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

pub(super) fn params_have_no_keys(method: &Method, report: &mut Report) {
    for attr in method.written_params().flat_map(|param| &param.attrs) {
        if is_ours(attr.path()) {
            report.refuse(attr, "a parameter takes no keys: write `#[msgrpc(…)]` above the method");
        }
    }
}

pub(super) fn params_are_types_that_travel(method: &Method, report: &mut Report) {
    for param in method.written_params() {
        if let Some(token) = keyword_in(&param.ty, "impl") {
            report.refuse(token, "a parameter has a type that can be decoded: write a concrete type instead of `impl`");
        } else if let Some(token) = keyword_in(&param.ty, "Self") {
            report.refuse(token, "`Self` is the server and does not travel: write a concrete type");
        }
    }
}

/// No `&mut T`, and no lifetime that outlives the request.
pub(super) fn params_are_lent_for_the_call(method: &Method, report: &mut Report) {
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

pub(super) fn context_is_first(method: &Method, report: &mut Report) {
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

pub(super) fn options_are_not_nested(method: &Method, report: &mut Report) {
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
pub(super) fn required_come_before_optional(method: &Method, report: &mut Report) {
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
