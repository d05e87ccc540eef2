//! `Pool`: several connections to one server, as one caller.
//!
//! Used through generated clients, or untyped. It counts, lends and replaces; what a connection does is the client's.
//!
//! - `builder.rs` settings · `status.rs` numbers · `attempt.rs` one call, over as many connections as it takes
//! - `shared.rs` many calls on each connection: `keeper.rs` the task that keeps one, `member.rs` one in use
//! - `isolated.rs` one call at a time on each

pub(crate) mod attempt;
mod builder;
mod isolated;
mod keeper;
pub(crate) mod member;
pub(crate) mod shared;
pub(crate) mod status;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use msgrpc_transport::{BoxFuture, Connect};
use serde::Serialize;
use tokio::time::Instant;

use crate::budget::RetryBudget;
use crate::call::{Call, Notify};
use crate::caller::{Answer, Caller, Outgoing};
use crate::client::{Client, encode_params};
use crate::error::{CallError, NoError};
use attempt::{Attempt, Calling, End, Lease, Lend, Notifying, Shortage};
use isolated::{Checkout, Isolated};
use member::Passage;
use shared::Shared;

pub use builder::{BuildPoolError, PoolBuilder};
pub use status::PoolStatus;

/// Several connections to one server. Clones share them; they close when the last one is dropped and no call of theirs
/// is under way.
///
/// Each connection carries many calls at once, and a call takes the least busy one;
/// [`isolated(true)`](PoolBuilder::isolated) gives each call a connection of its own instead, and makes it wait until
/// there is one. A notification goes with the calls: it is ready when it is queued on a connection.
///
/// # When a connection ends
///
/// It is replaced in the background, after a pause that grows while tries fail; a server that accepts and closes is not
/// tried hot. Meanwhile calls take the other connections. While there are none they wait, as long as
/// [`PoolBuilder::wait_timeout`] and their own timeout allow, and then fail with [`CallError::NotConnected`], which has
/// the numbers and the reason.
///
/// One on which call after call is not answered in time, while its peer sends nothing, is closed; see
/// [`Reconnect::silent_timeouts`](crate::Reconnect::silent_timeouts).
///
/// Calls that were on it and of which no byte can have left are tried on another one by themselves. Others fail with
/// [`CallError::Closed`], unless they are [marked idempotent](crate::Call::idempotent): then they are sent once more, within
/// [a budget](PoolBuilder::retry_budget).
///
/// Connections that are [too old](PoolBuilder::max_lifetime) or [idle for too long](PoolBuilder::max_idle) are replaced
/// as well. The new one takes over first, then the old one closes when its calls have ended: so there may be more
/// connections than the pool's size for a while.
///
/// # Isolated
///
/// A connection goes back to the pool when its call was answered. If the call was dropped, or timed out after it was
/// sent, the connection is closed instead: the answer may still come, and the server may still be at work on it. A
/// notification has no answer; the connection goes back when it is queued.
///
/// # Examples
///
/// ```
/// # #[msgrpc::service] pub trait Adder { async fn add(&self, a: i64, b: i64) -> i64; }
/// # struct Calc; impl Adder for Calc { async fn add(&self, a: i64, b: i64) -> i64 { a + b } }
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = msgrpc::Server::new(AdderService::new(Calc)).listen("memory://pool-page").bind().await?;
/// # tokio::spawn(server.run());
/// # let address = "memory://pool-page";
/// use msgrpc::Pool;
///
/// let pool = Pool::builder(address).max_size(4).build().await?;
/// let adder = AdderClient::new(pool.clone());
/// assert_eq!(adder.add(2, 3).await?, 5);
/// assert_eq!(pool.status().open, 4);
/// pool.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Pool {
    handle: Arc<Handle>,
}

/// What the clones share; its end is that of the last of them and of its calls.
struct Handle {
    mode: Mode,
    budget: RetryBudget,
}

/// How the connections are lent.
enum Mode {
    Shared(Arc<Shared>),
    Isolated(Arc<Isolated>),
}

impl Drop for Handle {
    fn drop(&mut self) {
        match &self.mode {
            Mode::Shared(shared) => shared.leave(),
            Mode::Isolated(isolated) => isolated.leave(),
        }
    }
}

impl Pool {
    /// Opens `connections` connections to `address`, such as `tcp://127.0.0.1:8000`, with the default settings.
    ///
    /// # Errors
    ///
    /// [`BuildPoolError`] names what is wrong with the address, or why none of the connections could be opened.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(address: &str, connections: usize) -> Result<Self, BuildPoolError> {
        Self::builder(address).max_size(connections).build().await
    }

    /// Makes settings before connecting to `address`.
    pub fn builder(address: &str) -> PoolBuilder {
        PoolBuilder::new(Client::builder(address))
    }

    /// Makes settings before connecting by `connector`: over a transport of one's own, or a simulated network.
    pub fn builder_with(connector: impl Connect) -> PoolBuilder {
        PoolBuilder::new(Client::builder_with(connector))
    }

    /// Calls `method` with `params`, as [`Client::call`] does.
    pub fn call<T>(&self, method: &str, params: impl Serialize) -> Call<T, NoError, Self> {
        Call::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// Sends the notification `method` with `params`, as [`Client::notify`] does.
    pub fn notify(&self, method: &str, params: impl Serialize) -> Notify<Self> {
        Notify::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// The numbers of the pool, now.
    pub fn status(&self) -> PoolStatus {
        match &self.handle.mode {
            Mode::Shared(shared) => shared.status(),
            Mode::Isolated(isolated) => isolated.status(),
        }
    }

    /// Closes the pool, for its clones too: what is queued is written, then all connections are closed and no others are
    /// opened. Waits until that is done and its own tasks have ended.
    ///
    /// Calls that wait, for an answer or for a connection, fail with [`CallError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the pool closing.
    pub async fn close(self) {
        match &self.handle.mode {
            Mode::Shared(shared) => shared.close().await,
            Mode::Isolated(isolated) => isolated.close().await,
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, isolated) = match &self.handle.mode {
            Mode::Shared(shared) => (shared.address(), false),
            Mode::Isolated(isolated) => (isolated.address(), true),
        };
        f.debug_struct("Pool")
            .field("address", address)
            .field("isolated", &isolated)
            .field("status", &self.status())
            .finish()
    }
}

impl Caller for Pool {
    type Exchange = PoolExchange;
    type Posting = PoolPosting;

    fn call(self, call: Outgoing) -> PoolExchange {
        PoolExchange(Attempt::call(self, call))
    }

    fn notify(self, notification: Outgoing) -> PoolPosting {
        PoolPosting(Attempt::notify(self, notification))
    }
}

/// One call through a [`Pool`]: a future of its answer.
///
/// # Cancel safety
///
/// Dropping it forgets the call; see [`Call`]. In an [isolated](PoolBuilder::isolated) pool its connection is closed.
#[derive(Debug)]
pub struct PoolExchange(Attempt<Pool, Calling>);

impl Future for PoolExchange {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// One notification through a [`Pool`]: ready when it is queued on a connection.
///
/// # Cancel safety
///
/// Dropping it before it is ready sends nothing.
#[derive(Debug)]
pub struct PoolPosting(Attempt<Pool, Notifying>);

impl Future for PoolPosting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// A connection of a pool, on loan.
pub(crate) enum PoolLease {
    Passage(Passage),
    Checkout(Checkout),
}

impl Lend for Pool {
    type Lease = PoolLease;

    fn lend_now(&self) -> Option<PoolLease> {
        match &self.handle.mode {
            Mode::Shared(shared) => shared.lend_now().map(PoolLease::Passage),
            // Those who wait already come first.
            Mode::Isolated(_) => None,
        }
    }

    fn lend(&self, deadline: Option<Instant>) -> BoxFuture<'static, Result<PoolLease, Shortage>> {
        match &self.handle.mode {
            Mode::Shared(shared) => {
                let lending = Arc::clone(shared).lend(deadline);
                Box::pin(async { lending.await.map(PoolLease::Passage) })
            }
            Mode::Isolated(isolated) => {
                let lending = Arc::clone(isolated).lend(deadline);
                Box::pin(async { lending.await.map(PoolLease::Checkout) })
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        match &self.handle.mode {
            Mode::Shared(shared) => shared.timeout(),
            Mode::Isolated(isolated) => isolated.timeout(),
        }
    }

    fn repeats(&self) -> usize {
        // Each time one of its connections had ended and was not noticed.
        match &self.handle.mode {
            Mode::Shared(shared) => shared.size(),
            Mode::Isolated(isolated) => isolated.size(),
        }
    }

    fn budget(&self) -> &RetryBudget {
        &self.handle.budget
    }
}

impl Lease for PoolLease {
    fn client(&self) -> &Client {
        match self {
            Self::Passage(passage) => passage.client(),
            Self::Checkout(checkout) => checkout.client(),
        }
    }

    fn end(self, end: End<'_>) {
        match self {
            Self::Passage(passage) => passage.end(end),
            Self::Checkout(checkout) => checkout.end(end),
        }
    }
}
