//! What came of the checks: one line for each, and the sum.
//!
//! The lines are read by people and by `tests/interop/run`; drivers of other languages print the same.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::collections::HashMap;
use std::fmt::Display;
use std::process::ExitCode;

use msgrpc::Value;

use crate::values;

/// What a check gives: nothing, or what was seen instead.
pub(crate) type Checked = Result<(), String>;

/// Counts checks.
#[derive(Debug)]
pub(crate) struct Report {
    /// Checks that this peer cannot pass, and why.
    skips: HashMap<String, String>,
    passed: u32,
    failed: u32,
}

impl Report {
    /// `skips`: names of checks, each with the reason why it is left out.
    pub(crate) fn new(skips: HashMap<String, String>) -> Self {
        Self { skips, passed: 0, failed: 0 }
    }

    /// Leaves a check out that is still to come.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        self.skips.insert(name.to_owned(), reason.to_owned());
    }

    /// Makes one check, unless it is to be skipped.
    pub(crate) async fn check(&mut self, name: &str, check: impl Future<Output = Checked>) {
        if let Some(reason) = self.skips.remove(name) {
            println!("skipped {name}: {reason}");
            return;
        }
        match check.await {
            Ok(()) => {
                self.passed += 1;
                println!("ok      {name}");
            }
            Err(seen) => {
                self.failed += 1;
                println!("FAILED  {name}: {}", seen.escape_debug());
            }
        }
    }

    /// The sum. Success, if nothing failed and every check that was to be skipped exists.
    pub(crate) fn finish(mut self) -> ExitCode {
        for name in self.skips.keys() {
            self.failed += 1;
            println!("FAILED  {name}: it was to be skipped, but there is no such check");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Nothing, if `seen` is as expected.
pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(
    seen: Result<T, impl Display>,
    expected: &T,
) -> Checked {
    match seen {
        Ok(seen) if seen == *expected => Ok(()),
        Ok(seen) => Err(cut(format!("{seen:?} instead of {expected:?}"))),
        Err(error) => Err(cut(error.to_string())),
    }
}

/// Nothing, if the peer gave the value back.
pub(crate) fn expect_same(seen: Result<Value, impl Display>, expected: &Value) -> Checked {
    match seen {
        Ok(seen) if values::same(&seen, expected) => Ok(()),
        seen => expect(seen, expected),
    }
}

/// Nothing, if the call failed with an error whose text has `part` in it.
pub(crate) fn expect_error<T: std::fmt::Debug>(
    seen: Result<T, impl Display>,
    part: &str,
) -> Checked {
    match seen.map_err(|error| error.to_string()) {
        Err(text) if text.contains(part) => Ok(()),
        Err(text) => Err(cut(format!("an error without `{part}`: {text}"))),
        Ok(value) => Err(cut(format!("no error, but {value:?}"))),
    }
}

/// A line is for people: at most 400 characters of a value.
pub(crate) fn cut(text: String) -> String {
    text.chars().take(400).collect()
}
