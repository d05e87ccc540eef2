//! What lies in deadpool, and how it comes there: the pool's side of `deadpool::managed`.
//!
//! Used by [`Pool`](super::Pool) and [`Loan`](super::Loan). deadpool counts places and keeps the queue of those that lie
//! idle; everything that needs a clock or a reason is here, on tokio's clock.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::backoff::{Backoff, CALM};
use super::{Open, PoolOptions, PoolStatus, Proof};
use crate::ConnectError;

/// Opens connections for deadpool, and looks at those that lay idle.
pub(super) struct Stock<O> {
    pub(super) open: Arc<O>,
    pub(super) ledger: Arc<Ledger>,
}

/// A connection, and what the pool knows of it.
pub(super) struct Item<C> {
    pub(super) connection: C,
    opened: Instant,
    /// When it is too old.
    pub(super) expires: Option<Instant>,
    /// How long it may lie idle.
    pub(super) max_idle: Option<Duration>,
    idle_since: Instant,
    /// The round of tries that brought it.
    round: u64,
    proven: Arc<AtomicBool>,
    /// Counts it as open.
    _open: Counted,
}

/// The numbers of a pool, and its last error.
pub(super) struct Ledger {
    pub(super) address: Arc<str>,
    pub(super) options: PoolOptions,
    pub(super) backoff: Backoff,
    /// Told when trying again cannot help.
    pub(super) despair: Notify,
    pub(super) waiting: AtomicUsize,
    pub(super) lent: AtomicUsize,
    open: AtomicUsize,
    opened: AtomicU64,
    discarded: AtomicU64,
    failed: AtomicU64,
    last_error: Mutex<Option<Arc<ConnectError>>>,
}

/// One open connection, as it is counted: however it goes, it is counted as gone.
struct Counted(Arc<Ledger>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.discarded.fetch_add(1, Ordering::SeqCst);
    }
}

impl<O: Open> Manager for Stock<O> {
    type Type = Item<O::Connection>;
    type Error = Arc<ConnectError>;

    async fn create(&self) -> Result<Self::Type, Self::Error> {
        let ledger = &self.ledger;
        let leave = ledger.backoff.leave().await;
        let opening = self.open.open();
        let opened = match ledger.options.create_timeout {
            None => opening.await,
            Some(limit) => timeout(limit, opening).await.unwrap_or_else(|_elapsed| {
                let reason = format!("no connection within {limit:?} (create_timeout)");
                Err(ConnectError::custom(&*ledger.address, reason))
            }),
        };
        match opened {
            Ok(connection) => Ok(Item::new(connection, ledger, leave.round)),
            Err(error) => {
                let error = Arc::new(error);
                ledger.fail(Arc::clone(&error), leave.round);
                Err(error)
            }
        }
    }

    async fn recycle(
        &self,
        item: &mut Self::Type,
        _: &Metrics,
    ) -> RecycleResult<Arc<ConnectError>> {
        if let Some(reason) = self.open.closed(&item.connection) {
            let permanent = self.open.is_permanent(&item.connection);
            self.ledger.end(item, reason, permanent);
            return Err(RecycleError::message("it has ended"));
        }
        if item.is_over(Instant::now()) || !self.open.check(&item.connection).await {
            return Err(RecycleError::message("it is too old, or does not work"));
        }
        Ok(())
    }
}

impl<C> Item<C> {
    fn new(connection: C, ledger: &Arc<Ledger>, round: u64) -> Self {
        let now = Instant::now();
        ledger.open.fetch_add(1, Ordering::SeqCst);
        ledger.opened.fetch_add(1, Ordering::SeqCst);
        let lifetime = ledger.options.max_lifetime.map(a_little_less);
        Self {
            connection,
            opened: now,
            expires: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            max_idle: ledger.options.max_idle.map(a_little_less),
            idle_since: now,
            round,
            proven: Arc::default(),
            _open: Counted(Arc::clone(ledger)),
        }
    }

    /// Whether it is too old, or was idle for too long.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let idle = now.saturating_duration_since(self.idle_since);
        self.is_old(now) || self.max_idle.is_some_and(|max_idle| idle >= max_idle)
    }

    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// Nobody uses it from now on.
    pub(super) fn rest(&mut self, now: Instant) {
        self.idle_since = now;
    }

    pub(super) fn proof(&self, ledger: &Arc<Ledger>) -> Proof {
        Proof { given: Arc::clone(&self.proven), ledger: Arc::clone(ledger) }
    }
}

impl Ledger {
    pub(super) fn new(address: String, options: PoolOptions) -> Self {
        Self {
            address: address.into(),
            backoff: Backoff::new(options.min_interval, options.max_interval),
            options,
            despair: Notify::new(),
            waiting: AtomicUsize::new(0),
            lent: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_error: Mutex::new(None),
        }
    }

    /// A connection has ended. One that never proved itself counts as a try that failed.
    pub(super) fn end<C>(
        &self,
        item: &Item<C>,
        cause: Box<dyn Error + Send + Sync>,
        permanent: bool,
    ) {
        if item.proven.load(Ordering::Relaxed) || item.opened.elapsed() >= CALM {
            return;
        }
        let address = self.address.to_string();
        self.fail(Arc::new(ConnectError::Ended { address, cause, permanent }), item.round);
    }

    fn fail(&self, error: Arc<ConnectError>, round: u64) {
        tracing::debug!(%error, "a pool has one connection less");
        self.failed.fetch_add(1, Ordering::SeqCst);
        let permanent = error.is_permanent();
        *self.lock() = Some(error);
        self.backoff.fail(round, permanent);
        if permanent {
            self.despair.notify_waiters();
        }
    }

    /// Why there is no use in waiting: trying again cannot help, and nothing lies idle.
    pub(super) fn hopeless(&self) -> Option<Arc<ConnectError>> {
        let PoolStatus { open, lent, .. } = self.status();
        let error = self.last_error().filter(|error| error.is_permanent() && open <= lent)?;
        self.backoff.is_pausing().then_some(error)
    }

    /// A connection works.
    pub(super) fn recover(&self) {
        *self.lock() = None;
        self.backoff.recover();
    }

    pub(super) fn last_error(&self) -> Option<Arc<ConnectError>> {
        self.lock().clone()
    }

    pub(super) fn status(&self) -> PoolStatus {
        PoolStatus {
            max_size: self.options.max_size,
            open: self.open.load(Ordering::SeqCst),
            lent: self.lent.load(Ordering::SeqCst),
            waiting: self.waiting.load(Ordering::SeqCst),
            opened: self.opened.load(Ordering::SeqCst),
            discarded: self.discarded.load(Ordering::SeqCst),
            failed: self.failed.load(Ordering::SeqCst),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<ConnectError>>> {
        // Nothing panics while it is held.
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Up to a tenth less.
fn a_little_less(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.9..=1.0))
}
