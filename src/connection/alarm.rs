//! One timer for all that a connection waits for.
//!
//! Used by the driver, and by the task of a client over datagrams, which set it to the earliest of their deadlines.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// A timer that allocates when it is first set.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    at: Option<Instant>,
}

impl Alarm {
    /// Goes off at `at` from now on; `None`: never.
    pub(crate) fn set(&mut self, at: Option<Instant>) {
        if self.at == at {
            return;
        }
        self.at = at;
        let Some(at) = at.map(tokio::time::Instant::from_std) else { return };
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            none => *none = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    /// Ready when it goes off; it is then unset.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) if self.at.is_some() => {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.at = None;
                Poll::Ready(())
            }
            _ => Poll::Pending,
        }
    }
}

/// Panics in a runtime without a clock, in tokio's words: rather when something is built than when its first deadline is
/// set.
pub(crate) fn require_clock() {
    drop(tokio::time::sleep(Duration::ZERO));
}

/// Now, on tokio's clock, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
