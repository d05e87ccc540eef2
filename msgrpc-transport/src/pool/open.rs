//! `Open`: what a pool keeps, and how one more of it comes about.
//!
//! Implemented by the crate `msgrpc` for its clients, and by whoever pools something else. It knows nothing of
//! numbers and times: those are the pool's.

use std::error::Error;

use futures::future::ready;

use crate::{BoxFuture, ConnectError};

/// Opens the connections of a [`Pool`](crate::Pool), and tells which of them have ended.
///
/// A connection is closed by dropping it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot open the connections of a pool",
    label = "this is no `Open`",
    note = "a pool of clients of msgrpc is `msgrpc::Pool::builder(\"tcp://127.0.0.1:8000\")`",
    note = "for connections of your own, implement `Open`: `open(&self)` returns a boxed future of one"
)]
pub trait Open: Send + Sync + 'static {
    /// What is pooled.
    type Connection: Send + Sync + 'static;

    /// Opens one connection. Called for each connection of a pool, perhaps for several at once.
    ///
    /// # Errors
    ///
    /// Where there is none to be had. [`ConnectError::custom`] makes errors of your own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must give up the attempt.
    fn open(&self) -> BoxFuture<'_, Result<Self::Connection, ConnectError>>;

    /// Why `connection` can no longer be used; `None` while it can. Must be quick: it is asked before and after each
    /// loan.
    fn closed(&self, connection: &Self::Connection) -> Option<Box<dyn Error + Send + Sync>>;

    /// Whether another connection would end as `connection` has, until the program or its settings change. Default: no.
    fn is_permanent(&self, connection: &Self::Connection) -> bool {
        let _ = connection;
        false
    }

    /// Whether `connection`, which has lain idle and is not [`closed`](Self::closed), still works: a place for a
    /// question to the peer. Default: yes, without asking.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when [`PoolOptions::recycle_timeout`](crate::PoolOptions::recycle_timeout) is over, and
    /// the connection with it.
    fn check<'a>(&'a self, connection: &'a Self::Connection) -> BoxFuture<'a, bool> {
        Box::pin(ready(self.closed(connection).is_none()))
    }

    /// Where the connections lead to, for messages and logs.
    fn address(&self) -> String;
}
