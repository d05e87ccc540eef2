//! Warns of methods that hold their thread, so that whoever shares it waits.
//!
//! Used by the dispatcher. It looks at the clock twice a batch, and twice each time that a waiting method goes on; it stops
//! nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::alarm::now;
use crate::running::Running;
use crate::service::Outcome;

/// How long a method may hold its thread without a warning: far longer than any computation that belongs there.
const BEARABLE: Duration = Duration::from_secs(1);

/// As much of a method's name as is kept without allocating.
const NAME_BYTES: usize = 32;

/// Times the methods of one batch, which run one after another.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    begun: Option<Instant>,
    methods: usize,
    /// The name of the one that was started last, as much of it as is kept.
    latest: [u8; NAME_BYTES],
    latest_bytes: usize,
}

impl Stopwatch {
    /// A method starts.
    #[inline]
    pub(super) fn start(&mut self, method: &[u8]) {
        if self.begun.is_none() {
            self.begun = Some(now());
        }
        self.methods += 1;
        self.latest_bytes = method.len().min(NAME_BYTES);
        self.latest[..self.latest_bytes].copy_from_slice(&method[..self.latest_bytes]);
    }

    /// The method that was started last.
    pub(super) fn latest(&self) -> Box<str> {
        String::from_utf8_lossy(&self.latest[..self.latest_bytes]).into()
    }

    /// The batch is over.
    pub(super) fn stop(&self, peer: &str) {
        let Some(begun) = self.begun else { return };
        let held = now().saturating_duration_since(begun);
        if held >= BEARABLE {
            warn(peer, &self.latest(), self.methods, held);
        }
    }
}

/// A method that waits, timed each time that it goes on.
pub(super) struct Timed<'a> {
    pub(super) running: Running,
    pub(super) method: &'a str,
    pub(super) peer: &'a str,
}

impl Future for Timed<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Self { running, method, peer } = &mut *self;
        timed(peer, method, || Pin::new(running).poll(cx))
    }
}

/// What `run` returns, in one step of this method.
pub(super) fn timed<T>(peer: &str, method: &str, run: impl FnOnce() -> T) -> T {
    let begun = now();
    let returned = run();
    let held = now().saturating_duration_since(begun);
    if held >= BEARABLE {
        warn(peer, method, 1, held);
    }
    returned
}

#[cold]
fn warn(peer: &str, method: &str, methods: usize, held: Duration) {
    let method = msgrpc_core::printable(method);
    tracing::warn!(
        peer,
        %method,
        methods,
        ?held,
        "a method held its thread, and others waited: one that computes or blocks is marked \
         #[msgrpc(blocking)]"
    );
}
