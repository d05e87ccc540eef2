//! What the tests share: a server in the background, a service to observe, peers that speak raw bytes.
//!
//! Nothing here waits in real time: what another task must do first is awaited by yielding to it.
#![allow(
    clippy::allow_attributes,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test uses a part of what stands here, and fails by panicking"
)]

mod gate;
mod lab;
pub(crate) mod log;
mod operator;
mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use msgrpc::{Address, BoundServer, Client, ClientBuilder, Limits, Reconnect, Server, Stopped};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use gate::Gate;
pub(crate) use lab::{Bench, DivideByZero, LabClient, LabGroup, LabService};
pub(crate) use operator::{Operator, Verdict};
pub(crate) use wire::{Script, Wire, bytes, error, notification, request, response, value};

/// An address within this process that nobody else has.
pub(crate) fn memory() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("memory://test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A server that runs in a task of the test's runtime.
pub(crate) struct Running {
    pub(crate) address: String,
    stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<Stopped>,
}

impl Running {
    /// Runs `server` at an address within this process.
    pub(crate) async fn start(server: Server) -> Self {
        Self::start_at(server, &memory()).await
    }

    /// Runs `server` at `address`.
    pub(crate) async fn start_at(server: Server, address: &str) -> Self {
        Self::run(server.listen(address).bind().await.unwrap())
    }

    /// Runs what `server` makes at `address`, as soon as one that was aborted has left it.
    pub(crate) async fn restart_at(server: impl Fn() -> Server, address: &str) -> Self {
        let begun = Instant::now();
        loop {
            match server().listen(address).bind().await {
                Ok(server) => return Self::run(server),
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    fn run(server: BoundServer) -> Self {
        let address = server.addresses()[0].to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move { server.run_until(stopped).await.unwrap() });
        Self { address, stop, task }
    }

    /// A client that does not reconnect, otherwise with the default settings.
    pub(crate) async fn client(&self) -> Client {
        self.builder().connect().await.unwrap()
    }

    /// A client that does not reconnect, whose other settings are still to be made.
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(&self.address).reconnect(Reconnect::never())
    }

    /// A peer that writes raw bytes.
    pub(crate) async fn wire(&self) -> Wire {
        Wire::connect(&self.address).await
    }

    /// Tells it to stop and does not wait.
    pub(crate) fn tell_to_stop(self) -> JoinHandle<Stopped> {
        self.stop.send(()).unwrap();
        self.task
    }

    /// Stops it.
    pub(crate) async fn stop(self) -> Stopped {
        self.tell_to_stop().await.unwrap()
    }

    /// Another connection is served: the one that misbehaved harmed nobody else.
    pub(crate) async fn serves_others(&self) {
        let lab = LabClient::connect(&self.address).await.unwrap();
        assert_eq!(lab.add(20, 22).await.unwrap(), 42, "another connection is served");
    }
}

/// A server of one [`Bench`], and the lab.
pub(crate) async fn lab() -> (Running, Bench) {
    lab_with(Limits::server()).await
}

/// A server of one [`Bench`] with these limits, and the lab.
pub(crate) async fn lab_with(limits: Limits) -> (Running, Bench) {
    let lab = Bench::default();
    let server = Server::new(LabService::new(lab.clone())).limits(limits);
    (Running::start(server).await, lab)
}

/// The limits of a server, changed by `change`.
pub(crate) fn server_limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::server();
    change(&mut limits);
    limits
}

/// The limits of a client, changed by `change`.
pub(crate) fn client_limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::client();
    change(&mut limits);
    limits
}

/// Lets other tasks run until `done`; the test's clock stands still meanwhile.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never happened: {what}");
        tokio::task::yield_now().await;
    }
}

/// Lets other tasks do all that they can do without time passing. For connections in memory.
pub(crate) async fn quiet() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

/// Polls `future` once.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Something to listen at for whoever is no [`Server`].
pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}
