//! Services that do not compile, with the messages that their authors see, and services that must compile.
//!
//! One mistake per file, named after it. The messages are recorded for one compiler; with another they are skipped.

use std::process::Command;

/// The compiler whose messages are recorded.
const RECORDED_FOR: &str = "1.95";

#[test]
fn mistakes_are_reported_as_recorded() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs").stdout;
    let version = String::from_utf8(version).expect("rustc writes text");
    let version = version.trim();
    if version.strip_prefix(&format!("rustc {RECORDED_FOR}.")).is_none() {
        println!("skipped: the messages are recorded for rustc {RECORDED_FOR}, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}

#[test]
fn what_looks_hard_compiles() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}
