//! The numbers of a pool, and how an error tells them.
//!
//! Made by pools of both kinds, read by users and by those who wait in vain.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use msgrpc_transport::ConnectError;

use super::attempt::Shortage;

/// The numbers of a [`Pool`](super::Pool) at one moment.
///
/// Prints as `size 8, open 8, in flight 17, waiting 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Connections there should be, or may be at most.
    pub max_size: usize,
    /// Connections that calls can be made on.
    pub open: usize,
    /// Those of them on which nothing is under way.
    pub idle: usize,
    /// Calls and notifications under way on all of them.
    pub in_flight: usize,
    /// Calls and notifications that wait for a connection.
    pub waiting: usize,
    /// Connections that were opened so far.
    pub created: u64,
    /// Connections that had ended, or were too old, and were let go so far.
    pub replaced: u64,
    /// Tries for a connection that failed so far.
    pub failed: u64,
}

impl fmt::Display for PoolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_size, open, in_flight, waiting, .. } = self;
        write!(f, "size {max_size}, open {open}, in flight {in_flight}, waiting {waiting}")
    }
}

/// A pool without a connection for a call.
pub(super) struct Scarcity<'a> {
    pub(super) address: &'a str,
    pub(super) status: PoolStatus,
    /// Tries that have failed in a row.
    pub(super) tries: u32,
    pub(super) last_error: Option<Arc<ConnectError>>,
}

impl Scarcity<'_> {
    /// What to tell whoever waited `after` in vain: as long as the call may take, or the pool.
    pub(super) fn timed_out(&self, after: Duration, by_call: bool) -> Shortage {
        let Self { address, status, tries, last_error } = self;
        let whole = match status.max_size {
            1 => format!("the one connection of the pool to {address} was"),
            size => format!("all {size} connections of the pool to {address} were"),
        };
        let state = match status.open {
            0 => "down",
            open if open == status.max_size => "busy",
            _ => "busy or down",
        };
        let setting = if by_call { "the timeout of the call" } else { "wait_timeout" };
        let mut reason = format!("{whole} {state} for {after:?} ({setting}): {status}");
        let missing = status.open < status.max_size;
        if let Some(error) = last_error.as_ref().filter(|_| missing) {
            reason.push_str("; last error: ");
            reason.push_str(&error.to_string());
        }
        Shortage::None { reason, tries: if status.open == 0 { *tries } else { 0 } }
    }

    /// What to tell whoever need not wait: only the program or its settings can help.
    pub(super) fn hopeless(&self, error: &ConnectError) -> Shortage {
        Shortage::None { reason: error.to_string(), tries: self.tries }
    }
}

/// One that waits, as it is counted.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    pub(crate) fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
