//! `Pool`: connections that are kept and lent, of whatever kind, over deadpool.
//!
//! Used by the pool of clients of the crate `msgrpc`. It knows no messages, starts no task of its own, and never lends a
//! connection twice.
//!
//! - `open.rs` what is pooled · `options.rs` how many and how long · `error.rs` the numbers
//! - `stock.rs` what deadpool sees · `backoff.rs` when to try again · `loan.rs` what the user holds

mod backoff;
mod error;
mod loan;
mod open;
mod options;
mod stock;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use deadpool::Runtime;
use deadpool::managed::{self, Timeouts};
use tokio::time::{Instant, timeout_at};

use crate::ConnectError;
use loan::Waiting;
use stock::{Ledger, Stock};

pub use error::{PoolError, PoolStatus};
pub use loan::{Loan, Proof};
pub use open::Open;
pub use options::PoolOptions;

/// Up to [`PoolOptions::max_size`] connections, each lent to one at a time.
///
/// Connections are opened when they are asked for, side by side if several are. Those that failed, ended or are too
/// old are noticed when they would be lent and when they come back; nothing happens in the background, but see
/// [`sweep`](Self::sweep). Clones share the pool.
///
/// # Examples
///
/// ```
/// use msgrpc_transport::{
///     BoxFuture, Connect, ConnectError, Dialer, ListenOptions, Listener, Open, Pool, PoolOptions, Stream,
/// };
///
/// /// Bare streams; whether one has ended is not known before it is used.
/// struct Streams(Dialer);
///
/// impl Open for Streams {
///     type Connection = std::sync::Mutex<Stream>;
///
///     fn open(&self) -> BoxFuture<'_, Result<Self::Connection, ConnectError>> {
///         Box::pin(async { Ok(self.0.connect().await?.into()) })
///     }
///
///     fn closed(&self, _: &Self::Connection) -> Option<Box<dyn std::error::Error + Send + Sync>> {
///         None
///     }
///
///     fn address(&self) -> String {
///         self.0.address()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let listener = Listener::bind(&"memory://pool-doc".parse()?, &ListenOptions::default()).await?;
/// let dialer = Dialer::new("memory://pool-doc".parse()?);
/// let pool = Pool::new(Streams(dialer), PoolOptions::default().max_size(2));
/// let stream = pool.get().await?;
/// assert_eq!(pool.status().lent, 1);
/// drop(stream);
/// assert_eq!((pool.status().lent, pool.status().open), (0, 1));
/// # Ok(())
/// # }
/// ```
pub struct Pool<O: Open> {
    stock: managed::Pool<Stock<O>>,
    open: Arc<O>,
    ledger: Arc<Ledger>,
}

impl<O: Open> Pool<O> {
    /// A pool of what `open` opens; it opens nothing yet.
    #[expect(
        clippy::missing_panics_doc,
        reason = "deadpool refuses only timeouts without a runtime"
    )]
    pub fn new(open: O, options: PoolOptions) -> Self {
        let options = options.clone().max_size(options.max_size);
        let open = Arc::new(open);
        let ledger = Arc::new(Ledger::new(open.address(), options));
        let options = &ledger.options;
        // Waiting and creating are timed here: an error needs the numbers, and a try its pause.
        let timeouts = Timeouts { recycle: options.recycle_timeout, ..Timeouts::new() };
        let stock = Stock { open: Arc::clone(&open), ledger: Arc::clone(&ledger) };
        let stock = managed::Pool::builder(stock)
            .max_size(options.max_size)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with a runtime can be built");
        Self { stock, open, ledger }
    }

    /// A connection that nobody else has; it waits for one up to [`PoolOptions::wait_timeout`].
    ///
    /// Where none lies idle and there is a place, one is opened. While that fails it is tried again, with pauses that
    /// all of the pool's users share. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`PoolError::TimedOut`] with the pool's numbers; [`PoolError::Open`] at once where trying again cannot help.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives its place back. A connection that was being opened for it is given up.
    pub async fn get(&self) -> Result<Loan<O>, PoolError> {
        let limit = self.ledger.options.wait_timeout;
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        self.get_until(deadline).await
    }

    /// As [`get`](Self::get), but waits until `deadline`; `None`: for ever.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Self::get).
    pub async fn get_until(&self, deadline: Option<Instant>) -> Result<Loan<O>, PoolError> {
        let begun = Instant::now();
        let waiting = Waiting::enter(&self.ledger);
        let trying = async {
            loop {
                match self.lend().await {
                    Err(PoolError::Open(error)) if !error.is_permanent() => {}
                    ended => return ended,
                }
            }
        };
        match deadline {
            None => trying.await,
            Some(deadline) => match timeout_at(deadline, trying).await {
                Ok(ended) => ended,
                Err(_elapsed) => Err(waiting.timed_out(deadline.saturating_duration_since(begun))),
            },
        }
    }

    /// A connection that nobody else has, after one try for one at most. It waits as long as it takes for a place, and
    /// for the pause that is due.
    ///
    /// # Errors
    ///
    /// [`PoolError::Open`] when the try failed.
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Self::get).
    pub async fn get_once(&self) -> Result<Loan<O>, PoolError> {
        let _waiting = Waiting::enter(&self.ledger);
        self.lend().await
    }

    async fn lend(&self) -> Result<Loan<O>, PoolError> {
        match self.stock.get().await {
            Ok(object) if self.stock.is_closed() => drop(managed::Object::take(object)),
            Ok(object) => return Ok(Loan::new(object, &self.open, &self.ledger)),
            Err(managed::PoolError::Backend(error)) => return Err(PoolError::Open(error)),
            // Nothing else is left: what deadpool times does not fail a loan, and there are no hooks.
            Err(_closed) => {}
        }
        Err(PoolError::Closed { address: Arc::clone(&self.ledger.address) })
    }

    /// Takes out those that are too old or were idle for too long, and returns them; dropping closes them.
    ///
    /// Whoever wants that in time calls it every now and then: without it, they stay until they would be lent next.
    pub fn sweep(&self) -> Vec<O::Connection> {
        let now = Instant::now();
        let swept = self.stock.retain(|item, _| !item.is_over(now));
        swept.removed.into_iter().map(|item| item.connection).collect()
    }

    /// Closes the pool: who waits fails, nothing is lent any more, and what is on loan ends with its return. Those
    /// that lay idle are returned; dropping closes them.
    pub fn close(&self) -> Vec<O::Connection> {
        // First, as deadpool would drop them under its lock.
        let swept = self.stock.retain(|_, _| false);
        self.stock.close();
        swept.removed.into_iter().map(|item| item.connection).collect()
    }

    /// The pool's numbers.
    pub fn status(&self) -> PoolStatus {
        self.ledger.status()
    }

    /// Rounds of tries that have failed in a row; 0 once a connection is [proven](Proof).
    pub fn failures(&self) -> u32 {
        self.ledger.backoff.failures()
    }

    /// What the last try failed with, until a connection is [proven](Proof).
    pub fn last_error(&self) -> Option<Arc<ConnectError>> {
        self.ledger.last_error()
    }

    /// The settings.
    pub fn options(&self) -> &PoolOptions {
        &self.ledger.options
    }

    /// Where the connections lead to.
    pub fn address(&self) -> &Arc<str> {
        &self.ledger.address
    }
}

impl<O: Open> Clone for Pool<O> {
    fn clone(&self) -> Self {
        let (open, ledger) = (Arc::clone(&self.open), Arc::clone(&self.ledger));
        Self { stock: self.stock.clone(), open, ledger }
    }
}

impl<O: Open> fmt::Debug for Pool<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("address", &self.ledger.address)
            .field("options", &self.ledger.options)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
