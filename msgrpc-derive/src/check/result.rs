//! Rules of a method's result.

use syn::{ReturnType, Type};

use crate::model::{Method, source};
use crate::report::Report;
use crate::types::{borrow_in, keyword_in, parameters_of, peeled};

pub(super) fn results_have_two_parameters(method: &Method, report: &mut Report) {
    let ReturnType::Type(_, ty) = &method.item.sig.output else {
        return;
    };
    if parameters_of(ty, "Result").is_some_and(|parameters| parameters.len() != 2) {
        report.refuse(ty, "the error's type is not visible: write `Result<T, E>`");
    }
}

pub(super) fn results_are_owned(method: &Method, report: &mut Report) {
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

pub(super) fn notifications_have_no_result(method: &Method, report: &mut Report) {
    let (Some(_), ReturnType::Type(_, ty)) = (&method.keys.notification, &method.item.sig.output)
    else {
        return;
    };
    if !matches!(peeled(ty), Type::Tuple(tuple) if tuple.elems.is_empty()) {
        report.refuse(ty, "a notification is not answered: remove the result, or `notification`");
    }
}
