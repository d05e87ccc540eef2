//! The rules of a service: each one function with one message, at the smallest token of the user's.
//!
//! Used between `parse` and `expand`. Sets the methods that break a rule apart, so that one mistake is one error. What only
//! types can tell (aliases of `Option` and `Result`) is left to the probes that `expand` writes.

mod contract;
mod names;
mod parameters;
mod result;
mod signature;

pub(crate) use self::parameters::required_after_optional;

use crate::model::{Method, Service};
use crate::report::Report;

/// Judges the trait and each method; only methods without a mistake stay among its methods.
pub(crate) fn service(service: &mut Service, report: &mut Report) {
    for rule in OF_TRAITS {
        rule(service, report);
    }
    let judged = std::mem::take(&mut service.methods).into_iter().partition(|method| {
        let before = report.count();
        for rule in OF_METHODS {
            rule(method, report);
        }
        report.count() == before && !method.keys.unsure
    });
    (service.methods, service.refused) = judged;
    names::wire_names_differ(service, report);
    if service.is_generic() {
        service.methods.clear();
        service.refused.clear();
    }
}

const OF_TRAITS: &[fn(&Service, &mut Report)] = &[
    contract::trait_is_plain,
    contract::trait_has_no_parameters,
    contract::trait_has_no_where_clause,
    contract::trait_has_methods_only,
    contract::trait_keys_are_in_the_attribute,
];

const OF_METHODS: &[fn(&Method, &mut Report)] = &[
    names::name_is_free,
    names::keys_are_unconditional,
    names::wire_name_is_not_empty,
    names::keys_go_together,
    signature::receiver_is_ref_self,
    signature::method_has_no_parameters,
    signature::method_has_no_where_clause,
    signature::method_is_plain,
    signature::method_is_not_variadic,
    signature::method_is_async_or_blocking,
    parameters::params_are_names,
    parameters::params_have_no_cfg,
    parameters::params_have_no_keys,
    parameters::params_are_types_that_travel,
    parameters::params_are_lent_for_the_call,
    parameters::context_is_first,
    parameters::options_are_not_nested,
    parameters::required_come_before_optional,
    result::results_have_two_parameters,
    result::results_are_owned,
    result::notifications_have_no_result,
];
