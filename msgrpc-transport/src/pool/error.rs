//! Why a pool lends nothing, with its numbers.
//!
//! Made by [`Pool`](crate::Pool) alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ConnectError;

/// There is no connection to be lent.
///
/// Prints, for example, `no connection to tcp://127.0.0.1:8000 came free within 15s (wait_timeout): max_size 8, open 8,
/// lent 8, waiting 17`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// It took longer than [`PoolOptions::wait_timeout`](crate::PoolOptions::wait_timeout).
    #[error(
        "no connection to {address} came free within {after:?} (wait_timeout): {status}{}",
        Last(last_error.as_deref())
    )]
    TimedOut {
        /// Where to.
        address: Arc<str>,
        /// How long it was waited for.
        after: Duration,
        /// The pool's numbers, whoever waited among them.
        status: PoolStatus,
        /// What the last try for a connection failed with, where connections are missing.
        last_error: Option<Arc<ConnectError>>,
    },
    /// It could not be opened.
    #[error(transparent)]
    Open(Arc<ConnectError>),
    /// The pool was closed.
    #[error("the pool of connections to {address} is closed")]
    Closed {
        /// Where to.
        address: Arc<str>,
    },
}

/// The numbers of a pool at one moment.
///
/// Prints as `max_size 8, open 3, lent 2, waiting 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Most connections at once.
    pub max_size: usize,
    /// Connections there are, those that have ended and were not noticed among them.
    pub open: usize,
    /// Those of them that are on loan.
    pub lent: usize,
    /// Those that wait for a loan.
    pub waiting: usize,
    /// Connections that were opened so far.
    pub opened: u64,
    /// Connections that were let go so far: they had ended, were too old, idle for too long, or not wanted.
    pub discarded: u64,
    /// Tries for a connection that failed so far.
    pub failed: u64,
}

impl fmt::Display for PoolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_size, open, lent, waiting, .. } = self;
        write!(f, "max_size {max_size}, open {open}, lent {lent}, waiting {waiting}")
    }
}

/// The last error, after a semicolon, if there is one.
struct Last<'a>(Option<&'a ConnectError>);

impl fmt::Display for Last<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(error) => write!(f, "; last error: {error}"),
            None => Ok(()),
        }
    }
}
