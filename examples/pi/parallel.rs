//! Two pieces of work side by side, and the flag that tells them to give up.
//!
//! Used by all parts of the computation; knows nothing of numbers.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Set once by whoever no longer wants the result; read by the computation between its steps.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicBool);

/// The computation gave up because its [`Stop`] was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

impl Stop {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

/// Runs both; the first on a thread of its own if `apart`, which pays from about a millisecond of work on.
pub(crate) fn join<A: Send, B>(
    apart: bool,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    if !apart {
        return (first(), second());
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().unwrap_or_else(|reason| panic::resume_unwind(reason)), second)
    })
}
