//! `Loan`: one connection of a pool, in somebody's hands.
//!
//! Made by [`Pool::get`](super::Pool::get). It goes back by itself when it is dropped, or ends there.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::managed::Object;
use tokio::time::Instant;

use super::stock::{Ledger, Stock};
use super::{Open, PoolError};

/// A connection that was lent; it is one's own until this is dropped.
///
/// # Dropping
///
/// It goes back to the pool, to be lent again. One that has ended, or is too old, is dropped instead, and its place is
/// free. Whoever leaves a connection in a state in which the next one could not use it calls
/// [`discard`](Self::discard).
pub struct Loan<O: Open> {
    /// `None` only while it is dropped.
    object: Option<Object<Stock<O>>>,
    open: Arc<O>,
    ledger: Arc<Ledger>,
}

impl<O: Open> Loan<O> {
    pub(super) fn new(object: Object<Stock<O>>, open: &Arc<O>, ledger: &Arc<Ledger>) -> Self {
        ledger.lent.fetch_add(1, Ordering::SeqCst);
        Self { object: Some(object), open: Arc::clone(open), ledger: Arc::clone(ledger) }
    }

    /// Takes the connection out of the pool for ever and drops it; its place is free.
    pub fn discard(mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }

    /// Takes the connection out of the pool for ever, because its peer does not do what it is for, for this reason. If
    /// it was never [proven](Proof), that counts as a try that failed.
    pub fn reject(mut self, reason: impl Into<Box<dyn Error + Send + Sync>>) {
        if let Some(object) = self.object.take() {
            self.ledger.end(&object, reason.into());
            drop(Object::take(object));
        }
    }

    /// Something to say with, once, that the connection does what it is for.
    pub fn proof(&self) -> Proof {
        self.object().proof(&self.ledger)
    }

    /// When the connection is too old: [`PoolOptions::max_lifetime`](crate::PoolOptions::max_lifetime), less what it
    /// drew. On return after that it is dropped.
    pub fn expires(&self) -> Option<Instant> {
        self.object().expires
    }

    /// How long the connection may be idle: [`PoolOptions::max_idle`](crate::PoolOptions::max_idle), less what it drew.
    pub fn max_idle(&self) -> Option<Duration> {
        self.object().max_idle
    }

    fn object(&self) -> &Object<Stock<O>> {
        self.object.as_ref().expect("it is taken only by what consumes the loan")
    }
}

impl<O: Open> Deref for Loan<O> {
    type Target = O::Connection;

    fn deref(&self) -> &O::Connection {
        &self.object().connection
    }
}

impl<O: Open> Drop for Loan<O> {
    fn drop(&mut self) {
        self.ledger.lent.fetch_sub(1, Ordering::SeqCst);
        let Some(mut object) = self.object.take() else { return };
        if let Some(reason) = self.open.closed(&object.connection) {
            self.ledger.end(&object, reason);
            drop(Object::take(object));
            return;
        }
        let now = Instant::now();
        if object.is_old(now) {
            drop(Object::take(object));
            return;
        }
        object.rest(now);
    }
}

impl<O: Open> fmt::Debug for Loan<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan").field("address", &self.ledger.address).finish_non_exhaustive()
    }
}

/// Says that a connection does what it is for: its peer has answered.
///
/// Until one of its connections is proven, a pool whose tries have failed goes on trying one at a time and with pauses,
/// and a connection that ends within 30 s unproven counts as a try that failed.
#[derive(Clone)]
pub struct Proof {
    pub(super) given: Arc<AtomicBool>,
    pub(super) ledger: Arc<Ledger>,
}

impl Proof {
    /// The connection works. Cheap, and without effect, after the first time.
    pub fn give(&self) {
        if !self.given.load(Ordering::Relaxed) && !self.given.swap(true, Ordering::Relaxed) {
            self.ledger.recover();
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").field("given", &self.given).finish_non_exhaustive()
    }
}

/// One who waits for a loan, as it is counted.
pub(super) struct Waiting<'a>(&'a Ledger);

impl<'a> Waiting<'a> {
    pub(super) fn enter(ledger: &'a Ledger) -> Self {
        ledger.waiting.fetch_add(1, Ordering::SeqCst);
        Self(ledger)
    }

    /// What to tell whoever waited in vain for so long.
    pub(super) fn timed_out(&self, after: Duration) -> PoolError {
        let status = self.0.status();
        let missing = status.open < status.max_size;
        PoolError::TimedOut {
            address: Arc::clone(&self.0.address),
            after,
            status,
            last_error: self.0.last_error().filter(|_| missing),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
