//! Rules of a method's name and keys.

use crate::model::{Clash, Method, Service};
use crate::report::Report;

pub(super) fn keys_are_unconditional(method: &Method, report: &mut Report) {
    for meta in &method.keys.conditional {
        report.refuse(
            meta,
            "keys cannot depend on `cfg_attr`: write the method twice, each with its own `#[cfg(…)]`",
        );
    }
}

pub(super) fn name_is_free(method: &Method, report: &mut Report) {
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

pub(super) fn wire_name_is_not_empty(method: &Method, report: &mut Report) {
    if let Some(name) = &method.keys.name
        && name.value().is_empty()
    {
        report.refuse(name, "the name on the wire is empty: write one, or remove `name`");
    }
}

pub(super) fn keys_go_together(method: &Method, report: &mut Report) {
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
    if let (Some(_), Some(idempotent)) = (&keys.notification, &keys.idempotent) {
        report.refuse(
            idempotent,
            "a notification is sent once and not answered: remove `idempotent`, or `notification`",
        );
    }
}

/// Both places are shown. What depends on a `#[cfg]` may well be there once only: the compiler finds out.
pub(super) fn wire_names_differ(service: &mut Service, report: &mut Report) {
    let mut kept: Vec<Method> = Vec::new();
    for method in std::mem::take(&mut service.methods) {
        let mut twins = kept.iter().filter(|first| first.wire_name == method.wire_name);
        let always = |method: &Method| method.carried.cfg.is_empty();
        if let Some(first) = twins.clone().find(|first| always(first) && always(&method)) {
            report.refuse(method.wire_name_tokens(), same_wire_name(&method.wire_name));
            report.refuse(first.ident(), first_use(&method.wire_name));
            service.refused.push(method);
            continue;
        }
        // Two of one name in Rust cannot be there at once: that is the compiler's to say.
        if let Some(first) = twins.find(|first| first.ident() != method.ident()) {
            let cfg = first.carried.cfg.iter().chain(&method.carried.cfg).cloned().collect();
            let mut mistakes = Report::default();
            mistakes.refuse(method.wire_name_tokens(), same_wire_name(&method.wire_name));
            mistakes.refuse(first.ident(), first_use(&method.wire_name));
            service.clashes.push(Clash { cfg, mistakes });
        }
        kept.push(method);
    }
    service.methods = kept;
}

fn same_wire_name(name: &str) -> String {
    format!(
        "two methods have the wire name `{name}`: give one of them another, `#[msgrpc(name = \"…\")]`"
    )
}

fn first_use(name: &str) -> String {
    format!("the wire name `{name}` is first used here")
}
