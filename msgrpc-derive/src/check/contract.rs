//! Rules of the trait as a whole.

use syn::TraitItem;

use crate::attr::is_ours;
use crate::model::Service;
use crate::report::Report;

pub(super) fn trait_is_plain(service: &Service, report: &mut Report) {
    let item = &service.item;
    if let Some(token) = &item.unsafety {
        report.refuse(token, "a service is a safe trait: remove `unsafe`");
    }
    if let Some(token) = &item.modifiers.auto_token {
        report.refuse(token, "a service is no auto trait: remove `auto`");
    }
}

pub(super) fn trait_has_no_parameters(service: &Service, report: &mut Report) {
    let params = &service.item.generics.params;
    if !params.is_empty() {
        report.refuse(
            params,
            "a service has no parameters: the wire knows no types; write concrete types in the methods",
        );
    }
}

pub(super) fn trait_has_no_where_clause(service: &Service, report: &mut Report) {
    if let Some(clause) = &service.item.generics.where_clause {
        report.refuse(
            clause,
            "a service has no `where` clause: write bounds as supertraits, `trait Name: Bound`",
        );
    }
}

pub(super) fn trait_has_methods_only(service: &Service, report: &mut Report) {
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

/// The compiler has opened every `cfg_attr` on the trait itself.
pub(super) fn trait_keys_are_in_the_attribute(service: &Service, report: &mut Report) {
    for attr in &service.item.attrs {
        if attr.path().is_ident("msgrpc") {
            report.refuse(
                attr,
                "the keys of a service go into its attribute: write `#[msgrpc::service(…)]`",
            );
        } else if is_ours(attr.path()) {
            report.refuse(
                attr,
                "a trait becomes a service once: put all keys into one `#[msgrpc::service(…)]`",
            );
        }
    }
}
