//! Multicast groups over the loopback interface: clients against scripted members, and against servers.
//!
//! Each test has a group of its own. Nothing leaves the machine; no route and no rights are needed.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it was skipped"
)]

#[path = "../support/mod.rs"]
mod support;

mod first;
mod ipv6;
mod joining;
mod member;
mod replies;
mod servers;
