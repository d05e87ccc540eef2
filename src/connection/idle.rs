//! Since when a connection has been idle.
//!
//! Used by the driver at the end of each turn, where the limit is set; it costs nothing where it is not.

use std::time::{Duration, Instant};

use super::alarm::now;

/// The idle clock of one connection.
///
/// It runs while nothing is at work or awaited, from the last bytes that came. Every turn in which that may have changed
/// looks at it, so that no timer of its own is needed.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Option<Duration>,
    since: Option<Instant>,
}

impl Idle {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit, since: None }
    }

    /// Bytes came: the clock starts anew.
    pub(super) fn restart(&mut self) {
        self.since = None;
    }

    /// Starts or stops the clock, as the connection `is_busy` or not.
    pub(super) fn watch(&mut self, is_busy: impl FnOnce() -> bool) {
        if self.limit.is_some() {
            if is_busy() {
                self.since = None;
            } else {
                self.since.get_or_insert_with(now);
            }
        }
    }

    /// When it will have been idle for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since?.checked_add(self.limit?)
    }

    /// For how long it was idle, if that is too long.
    pub(super) fn over(&self, now: Instant) -> Option<Duration> {
        self.deadline().filter(|at| *at <= now)?;
        self.limit
    }
}
