//! `blocking`: calls from programs without an async runtime (feature `blocking`).
//!
//! A [`Client`] owns a runtime on a thread of its own; generated clients call through it, and each call has a `wait`:
//!
//! ```
//! # #[msgrpc::service] pub trait Adder {
//! #     async fn add(&self, a: i64, b: i64) -> i64;
//! #     #[msgrpc(notification)] async fn log(&self, line: &str);
//! # }
//! # struct Calc;
//! # impl Adder for Calc {
//! #     async fn add(&self, a: i64, b: i64) -> i64 { a + b }
//! #     async fn log(&self, _line: &str) {}
//! # }
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # let server = runtime.block_on(
//! #     msgrpc::Server::new(AdderService::new(Calc)).listen("memory://blocking-doc").bind())?;
//! # runtime.spawn(server.run());
//! # let address = "memory://blocking-doc";
//! use msgrpc::blocking::Client;
//!
//! let adder = AdderClient::new(Client::connect(address)?);
//! assert_eq!(adder.add(2, 3).wait()?, 5);
//! adder.log("done").wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Calls from several threads share the connection. One thread that wants many calls at once is better served by the
//! asynchronous [`crate::Client`].

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;

use crate::call::{Call, Notify};
use crate::caller::{Caller, Outgoing};
use crate::client::{self, ClientBuilder, Exchange, Posting, encode_params};
use crate::error::{CallError, NoError, NotConnected};

/// A connection to a server, with a thread that drives it. Clones share both.
///
/// # Dropping
///
/// The last clone closes the connection and waits up to a second until what was queued, such as notifications, is
/// written. Within an async runtime it does not wait.
#[derive(Clone, Debug)]
pub struct Client {
    background: Arc<Background>,
}

impl Client {
    /// Connects to `address`, such as `tcp://127.0.0.1:8000`, within 5 s and with the default limits.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], also when it is called within an async runtime.
    pub fn connect(address: &str) -> Result<Self, ConnectError> {
        Self::connect_with(client::Client::builder(address))
    }

    /// Connects with limits, timeouts and services of one's own: `Client::connect_with(msgrpc::Client::builder(address)
    /// .timeout(None))`. Services run on the client's thread.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], also when it is called within an async runtime.
    pub fn connect_with(builder: ClientBuilder) -> Result<Self, ConnectError> {
        if is_within_runtime() {
            return Err(ConnectError::WithinRuntime);
        }
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("msgrpc-blocking")
            .enable_all()
            .build()
            .map_err(ConnectError::Runtime)?;
        let client = runtime.block_on(builder.connect())?;
        Ok(Self { background: Arc::new(Background { client, runtime: Some(runtime) }) })
    }

    /// Calls `method` with `params`, as [`crate::Client::call`] does; `wait` brings the result.
    pub fn call<T>(&self, method: &str, params: impl Serialize) -> Call<T, NoError, Self> {
        Call::prepared(self, method.to_owned().into(), encode_params(&params))
    }

    /// Sends the notification `method` with `params`; `wait` waits until it is queued.
    pub fn notify(&self, method: &str, params: impl Serialize) -> Notify<Self> {
        Notify::prepared(self, method.to_owned().into(), encode_params(&params))
    }
}

impl Caller for Client {
    type Exchange = InFlight<Exchange>;
    type Posting = InFlight<Posting>;

    fn call(self, call: Outgoing) -> Self::Exchange {
        InFlight { future: self.background.client.clone().call(call), _background: self.background }
    }

    fn notify(self, notification: Outgoing) -> Self::Posting {
        let client = self.background.client.clone();
        InFlight { future: client.notify(notification), _background: self.background }
    }
}

/// A call or notification under way. It keeps the client's thread until it is done.
#[derive(Debug)]
pub struct InFlight<F> {
    future: F,
    _background: Arc<Background>,
}

impl<F: Future + Unpin> Future for InFlight<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.future).poll(cx)
    }
}

impl<T: DeserializeOwned, E: DeserializeOwned> Call<T, E, Client> {
    /// Sends the call and blocks this thread until its answer is there, or its timeout is over.
    ///
    /// # Errors
    ///
    /// Those of the call. Within an async runtime, where a thread must not be blocked, it is
    /// [`CallError::NotConnected`] and nothing is sent: a call can be awaited there.
    pub fn wait(self) -> Result<T, CallError<E>> {
        if is_within_runtime() {
            return Err(within_runtime(self.method()).widen());
        }
        block_on(self)
    }
}

impl Notify<Client> {
    /// Blocks this thread until the notification is queued for sending.
    ///
    /// # Errors
    ///
    /// Those of the notification. Within an async runtime, where a thread must not be blocked, it is
    /// [`CallError::NotConnected`] and nothing is sent: a notification can be awaited there.
    pub fn wait(self) -> Result<(), CallError> {
        if is_within_runtime() {
            return Err(within_runtime(self.method()));
        }
        block_on(self)
    }
}

/// Why a blocking client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no connection to be had.
    #[error(transparent)]
    Connect(#[from] client::ConnectError),
    /// This thread runs async code and must not be blocked.
    #[error("a blocking client cannot be made within an async runtime; use `msgrpc::Client` there")]
    WithinRuntime,
    /// The system has no thread or no descriptors for the client's runtime.
    #[error("the runtime of a blocking client could not be started: {0}")]
    Runtime(io::Error),
}

/// The connection, and the runtime that drives it.
#[derive(Debug)]
struct Background {
    client: client::Client,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Background {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if !is_within_runtime() {
            let closing = self.client.clone().close();
            let closed = runtime.block_on(async { timeout(CLOSE_TIMEOUT, closing).await });
            if closed.is_err() {
                tracing::debug!("a blocking client's connection did not close in time");
            }
        }
        // A thread at work on a blocking method of ours is not waited for.
        runtime.shutdown_background();
    }
}

/// Whether this thread belongs to a runtime. Threads for blocking work count as well: they have a runtime at hand with
/// which to use the asynchronous client.
fn is_within_runtime() -> bool {
    runtime::Handle::try_current().is_ok()
}

fn within_runtime(method: &str) -> CallError {
    let reason =
        "a call cannot be waited for within an async runtime; await it instead of `wait()`";
    CallError::NotConnected(NotConnected::new(method.to_owned().into(), reason, 0))
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}

/// How long the last client waits for what it has queued to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
