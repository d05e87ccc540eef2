//! A way to an address that a test can bar, slow down and count.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgrpc::transport::{BoxFuture, Connect, ConnectError, Dialer, Stream};
use tokio::time::{Instant, sleep};

/// Connects to one address, as it is told to. Clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate(Arc<State>);

struct State {
    dialer: Dialer,
    barred: AtomicBool,
    forbidden: AtomicBool,
    delay: Mutex<Duration>,
    tries: AtomicUsize,
    last: Mutex<Option<Instant>>,
}

impl Gate {
    /// An open gate to `address`.
    pub(crate) fn new(address: &str) -> Self {
        Self(Arc::new(State {
            dialer: Dialer::new(address.parse().unwrap()),
            barred: AtomicBool::new(false),
            forbidden: AtomicBool::new(false),
            delay: Mutex::default(),
            tries: AtomicUsize::new(0),
            last: Mutex::default(),
        }))
    }

    /// Whether tries fail.
    pub(crate) fn bar(&self, barred: bool) {
        self.0.barred.store(barred, Ordering::SeqCst);
    }

    /// Tries fail in a way that trying again cannot help.
    pub(crate) fn forbid(&self) {
        self.0.forbidden.store(true, Ordering::SeqCst);
    }

    /// How long each try takes.
    pub(crate) fn delay(&self, delay: Duration) {
        *self.0.delay.lock().unwrap() = delay;
    }

    /// How often was tried.
    pub(crate) fn tries(&self) -> usize {
        self.0.tries.load(Ordering::SeqCst)
    }

    /// When was tried last.
    pub(crate) fn last_try(&self) -> Instant {
        self.0.last.lock().unwrap().unwrap()
    }
}

impl Connect for Gate {
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
        Box::pin(async {
            self.0.tries.fetch_add(1, Ordering::SeqCst);
            *self.0.last.lock().unwrap() = Some(Instant::now());
            let delay = *self.0.delay.lock().unwrap();
            sleep(delay).await;
            if self.0.forbidden.load(Ordering::SeqCst) {
                let address = "udp://127.0.0.1:1".parse().unwrap();
                return Err(ConnectError::Unsupported { address });
            }
            if self.0.barred.load(Ordering::SeqCst) {
                return Err(ConnectError::custom(self.address(), "the gate is barred"));
            }
            self.0.dialer.connect().await
        })
    }

    fn address(&self) -> String {
        self.0.dialer.address()
    }
}
