//! A pool that lends each connection to one call at a time, by deadpool's checkout.
//!
//! Used by [`Pool`](super::Pool). A connection comes back when its call is answered; one whose call was dropped or timed
//! out is closed, since its answer may still come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use msgrpc_transport::{ConnectError, Loan, PoolError, PoolOptions};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::{End, Lease, Shortage};
use super::shared::{Stock, sweep_interval, until};
use super::status::{PoolStatus, Scarcity, Waiting};
use crate::client::{Client, Opener};
use crate::error::CallError;

/// Connections to one place, each for one call at a time.
pub(crate) struct Isolated {
    stock: Stock,
    /// How long calls wait for their answer by default.
    timeout: Option<Duration>,
    /// The clients on loan, for whoever closes the pool; as many as the pool has at most.
    lent: Mutex<HashMap<u64, Client>>,
    next: AtomicU64,
    waiting: AtomicUsize,
    leaving: CancellationToken,
    tasks: TaskTracker,
    /// Where connections are closed that a caller has dropped, on whatever thread.
    runtime: Handle,
}

impl Isolated {
    /// A pool that opens connections when they are asked for. Must be called within a runtime.
    pub(super) fn start(opener: Opener, options: PoolOptions) -> Arc<Self> {
        let tasks = TaskTracker::new();
        tasks.close();
        let isolated = Arc::new(Self {
            timeout: opener.timeout(),
            stock: Stock::new(opener, options),
            lent: Mutex::default(),
            next: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            leaving: CancellationToken::new(),
            tasks,
            runtime: Handle::current(),
        });
        isolated.tasks.spawn(Arc::clone(&isolated).sweep());
        isolated
    }

    /// Opens all connections, side by side; why none of them came, if none did.
    pub(super) async fn open(&self) -> Result<(), Vec<Arc<ConnectError>>> {
        let size = self.stock.options().max_size;
        let tries = join_all((0..size).map(|_| self.stock.get_once())).await;
        if tries.iter().any(Result::is_ok) {
            return Ok(());
        }
        let error = |tried: Result<_, PoolError>| match tried {
            Err(PoolError::Open(error)) => Some(error),
            _ => None,
        };
        Err(tries.into_iter().filter_map(error).collect())
    }

    /// A connection, until `deadline` or the pool's own patience is over.
    pub(super) async fn lend(
        self: Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Checkout, Shortage> {
        let begun = Instant::now();
        let _waiting = Waiting::enter(&self.waiting);
        let patience = self.stock.options().wait_timeout;
        let limit = patience.and_then(|patience| begun.checked_add(patience));
        let end = [limit, deadline].into_iter().flatten().min();
        match self.stock.get_until(end).await {
            Ok(loan) => {
                let checkout = Checkout::new(&self, loan);
                // Whoever closes the pool closes what is lent; this came after that, or is closed with it.
                if self.leaving.is_cancelled() { Err(self.closed()) } else { Ok(checkout) }
            }
            Err(PoolError::TimedOut { .. }) => {
                let after = end.unwrap_or(begun).saturating_duration_since(begun);
                Err(self.scarcity().timed_out(after, end != limit))
            }
            Err(PoolError::Open(error)) => Err(self.scarcity().hopeless(&error)),
            Err(_closed) => Err(self.closed()),
        }
    }

    fn closed(&self) -> Shortage {
        Shortage::Closed { peer: Arc::clone(self.stock.address()) }
    }

    /// Closes what has lain idle for too long, until the pool is left; then all that lies there.
    async fn sweep(self: Arc<Self>) {
        let interval = sweep_interval(self.stock.options());
        loop {
            let due = interval.and_then(|interval| Instant::now().checked_add(interval));
            if self.leaving.run_until_cancelled(until(due)).await.is_none() {
                break;
            }
            join_all(self.stock.sweep().into_iter().map(Client::close)).await;
        }
        join_all(self.stock.close().into_iter().map(Client::close)).await;
    }

    pub(super) fn leave(&self) {
        self.leaving.cancel();
    }

    /// Closes at once: calls under way fail. Waits until nothing is left.
    pub(super) async fn close(&self) {
        self.leave();
        let idle = self.stock.close();
        let lent: Vec<Client> = self.lock().values().cloned().collect();
        join_all(idle.into_iter().chain(lent).map(Client::close)).await;
        self.tasks.wait().await;
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Connections there may be.
    pub(super) fn size(&self) -> usize {
        self.stock.options().max_size
    }

    pub(super) fn address(&self) -> &Arc<str> {
        self.stock.address()
    }

    pub(super) fn status(&self) -> PoolStatus {
        let stock = self.stock.status();
        PoolStatus {
            max_size: stock.max_size,
            open: stock.open,
            idle: stock.open.saturating_sub(stock.lent),
            in_flight: stock.lent,
            waiting: self.waiting.load(Ordering::SeqCst),
            created: stock.opened,
            replaced: stock.discarded,
            failed: stock.failed,
        }
    }

    fn scarcity(&self) -> Scarcity<'_> {
        Scarcity {
            address: self.stock.address(),
            status: self.status(),
            tries: self.stock.failures(),
            last_error: self.stock.last_error(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Client>> {
        // Nothing panics while it is held.
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that one call has for itself.
pub(crate) struct Checkout {
    pool: Arc<Isolated>,
    /// `None` only while it is put away.
    loan: Option<Loan<Opener>>,
    number: u64,
}

impl Checkout {
    fn new(pool: &Arc<Isolated>, loan: Loan<Opener>) -> Self {
        let number = pool.next.fetch_add(1, Ordering::Relaxed);
        pool.lock().insert(number, Client::clone(&loan));
        Self { pool: Arc::clone(pool), loan: Some(loan), number }
    }
}

impl Lease for Checkout {
    fn client(&self) -> &Client {
        self.loan.as_ref().expect("it is put away only by what consumes the checkout")
    }

    fn end(mut self, end: End<'_>) {
        let Some(loan) = self.loan.take() else { return };
        match end {
            End::Answered => loan.proof().give(),
            End::Failed(error @ CallError::TimedOut(_)) if error.was_sent() => {
                self.loan = Some(loan);
                return;
            }
            End::Refused => {
                let client = self.pool.lock().remove(&self.number);
                loan.reject("the server is shutting down");
                if let Some(client) = client {
                    self.pool.tasks.spawn_on(client.close(), &self.pool.runtime);
                }
                return;
            }
            // The loan knows by itself whether the connection has ended.
            End::Queued | End::Failed(_) => {}
        }
        self.pool.lock().remove(&self.number);
        drop(loan);
    }
}

impl Drop for Checkout {
    /// The answer of its call may still come: nobody else gets this connection.
    fn drop(&mut self) {
        let client = self.pool.lock().remove(&self.number);
        if let (Some(loan), Some(client)) = (self.loan.take(), client) {
            loan.discard();
            self.pool.tasks.spawn_on(client.close(), &self.pool.runtime);
        }
    }
}
