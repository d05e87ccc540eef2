//! The Rust of `docs/FROM_TXMSGPACKRPC.md`, word for word, and that it runs; a test compares them.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use msgrpc::{Client, Server, Value};

const PAGE: &str = include_str!("../docs/FROM_TXMSGPACKRPC.md");
const HERE: &str = include_str!("from_txmsgpackrpc.rs");

/// Gives back what it gets.
#[msgrpc::service]
pub trait Echo {
    /// Returns `value`, after `delay` seconds.
    async fn echo(&self, value: Value, delay: Option<f64>) -> Value;
    /// Prints a line. Nothing is sent back.
    #[msgrpc(notification)]
    async fn log(&self, line: &str);
}

struct EchoRpc;

impl Echo for EchoRpc {
    async fn echo(&self, value: Value, delay: Option<f64>) -> Value {
        if let Some(seconds) = delay {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        value
    }

    async fn log(&self, line: &str) {
        println!("{line}");
    }
}
