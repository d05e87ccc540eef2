//! Errors that several implementations take for success, told to the log once for each method (W9).
//!
//! Used where a method's own error is encoded. They are sent all the same: the error is the user's contract.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Methods whose warning is remembered. A program has fewer, and one that has more is told no more.
const REMEMBERED: usize = 1024;

static TOLD: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Warns of the encoded `error` if it is one of those. `whose`: the method, or the type of the error where the
/// method is not known.
pub(crate) fn warn_of(error: &[u8], whose: &'static str) {
    let Some(shown) = shown(error) else { return };
    let is_new = {
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < REMEMBERED && told.insert(whose)
    };
    if is_new {
        tracing::warn!(
            whose,
            error = shown,
            "this error reads as success at several implementations; a text that is not empty does not"
        );
    }
}

/// What the error is, if a peer that asks for its truth finds it false.
fn shown(error: &[u8]) -> Option<&'static str> {
    Some(match error {
        [0xc2] => "false",
        [0x00] | [0xca, 0, 0, 0, 0] | [0xcb, 0, 0, 0, 0, 0, 0, 0, 0] => "0",
        [0xa0] => "\"\"",
        [0xc4, 0x00] => "empty bytes",
        [0x90] => "[]",
        [0x80] => "{}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use msgrpc_core::Payload;
    use msgrpc_core::value::Style;
    use serde::Serialize;

    use super::{REMEMBERED, TOLD, shown, warn_of};

    fn encoded(error: impl Serialize) -> Payload {
        Payload::encode(&error, Style::Named).unwrap()
    }

    #[test]
    fn w9_what_is_false_is_found_whatever_its_type() {
        assert_eq!(shown(&encoded(false)), Some("false"));
        for zero in [encoded(0_i64), encoded(0.0_f32), encoded(0.0_f64)] {
            assert_eq!(shown(&zero), Some("0"));
        }
        assert_eq!(shown(&encoded("")), Some("\"\""));
        assert_eq!(shown(&encoded([0_i64; 0])), Some("[]"));
        assert_eq!(shown(&encoded(Vec::<u8>::new())), Some("empty bytes"));
    }

    #[test]
    fn w9_what_is_true_is_none_of_them() {
        for error in [encoded(true), encoded(1), encoded("0"), encoded([0_i64]), encoded(-0.1)] {
            assert_eq!(shown(&error), None, "{error:?}");
        }
    }

    #[test]
    fn w9_no_more_methods_are_remembered_than_the_bound() {
        for n in 0..2 * REMEMBERED {
            warn_of(&encoded(""), Box::leak(format!("method {n}").into_boxed_str()));
        }
        assert_eq!(TOLD.lock().unwrap().len(), REMEMBERED);
    }
}
