//! The six methods that peers of other implementations call, and have themselves when they serve; and a seventh, which
//! calls back.
//!
//! Served by `interop_server`, and by `interop_client` when it is given no address.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use msgrpc::{Context, Value};

/// The methods of the interop tests.
#[msgrpc::service]
pub(crate) trait Interop {
    /// Returns its argument as it came: also a str that is not UTF-8, and an extension.
    async fn echo(&self, x: Value) -> Value;
    /// Returns `a + b`, for integers in whatever form a peer writes them.
    async fn add(&self, a: i64, b: i64) -> Result<i64, String>;
    /// Fails with this text.
    async fn fail(&self, msg: String) -> Result<(), String>;
    /// Returns its argument after so many seconds, at most a minute.
    async fn sleep(&self, seconds: f64) -> f64;
    /// Keeps a value. Nothing is sent back.
    #[msgrpc(notification)]
    async fn note(&self, x: Value);
    /// The value that was kept last, of whichever connection.
    async fn last_note(&self) -> Value;
    /// Calls its caller, and returns what came of it. For peers that can be called.
    async fn call_back(
        &self,
        ctx: &Context,
        method: String,
        params: Vec<Value>,
    ) -> Result<Value, String>;
}

/// The state behind them.
#[derive(Debug, Default)]
pub(crate) struct Six {
    note: Mutex<Value>,
}

impl Interop for Six {
    async fn echo(&self, x: Value) -> Value {
        x
    }

    async fn add(&self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_add(b).ok_or_else(|| format!("{a} + {b} does not fit 64 bits"))
    }

    async fn fail(&self, msg: String) -> Result<(), String> {
        Err(msg)
    }

    async fn sleep(&self, seconds: f64) -> f64 {
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        tokio::time::sleep(pause.min(Duration::from_secs(60))).await;
        seconds
    }

    async fn note(&self, x: Value) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = x;
    }

    async fn last_note(&self) -> Value {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn call_back(
        &self,
        ctx: &Context,
        method: String,
        params: Vec<Value>,
    ) -> Result<Value, String> {
        ctx.client().call(&method, params).await.map_err(|error| error.to_string())
    }
}
