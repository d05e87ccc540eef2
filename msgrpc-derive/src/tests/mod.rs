//! Tests over token streams: what is refused with which words, what is generated, what the small helpers say.

mod expansion;
mod refusals;

use proc_macro2::TokenStream;

use crate::report::Report;
use crate::{check, parse};

/// The messages for a service with these keys.
fn messages(keys: &str, item: &str) -> Vec<String> {
    let mut report = Report::default();
    let tokens = |text: &str| text.parse::<TokenStream>().expect("the test's text is Rust");
    if let Some(mut service) = parse::service(tokens(keys), tokens(item), &mut report) {
        check::service(&mut service, &mut report);
    }
    report.messages()
}

/// The formatted expansion of a service with these keys.
fn expanded(keys: &str, item: &str) -> String {
    let tokens = |text: &str| text.parse::<TokenStream>().expect("the test's text is Rust");
    let expansion = crate::generate(tokens(keys), tokens(item));
    prettyplease::unparse(&syn::parse2(expansion).expect("the expansion is Rust"))
}
