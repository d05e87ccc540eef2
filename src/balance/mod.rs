//! `Balance`: several servers that do the same, as one caller.
//!
//! Used through generated clients, or untyped. It chooses a server for each call; its connections are those of a pool.
//!
//! - `builder.rs` settings · `fleet.rs` the servers, and which one a call goes to
//! - `discover.rs` which servers there are · `dns.rs` all addresses of a name

mod builder;
mod discover;
mod dns;
mod fleet;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use msgrpc_transport::BoxFuture;
use serde::Serialize;
use tokio::time::Instant;

use crate::budget::RetryBudget;
use crate::call::{Call, Notify};
use crate::caller::{Answer, Caller, Outgoing};
use crate::client::{Client, encode_params};
use crate::error::{CallError, NoError};
use crate::pool::attempt::{Attempt, Calling, Lend, Notifying, Shortage};
use crate::pool::member::Passage;
use fleet::Fleet;

pub use builder::{BalanceBuilder, BuildBalanceError};
pub use discover::{Discover, DiscoverError, Endpoint};
pub use dns::Dns;

/// Several servers that do the same. Clones share the connections to them; these close when the last clone is dropped
/// and no call of theirs is under way.
///
/// A call goes to the less busy of two servers that are drawn by lot. A server without a connection is passed over,
/// and tried for in the background, with pauses that grow; so a server that is down costs nothing but its share.
/// Servers may come and go while calls are made: see [`discover`](Self::discover).
///
/// # When a server is lost
///
/// Calls on their way to it of which no byte can have left go to another one by themselves. Others fail with
/// [`CallError::Closed`], unless they are [marked idempotent](crate::Call::idempotent): then they are sent once more, within
/// [a budget](BalanceBuilder::retry_budget). While no server is up calls wait, as long as
/// [`BalanceBuilder::wait_timeout`] and their own timeout allow, and then fail with [`CallError::NotConnected`], which
/// names each server and why it is down.
///
/// # Examples
///
/// ```
/// # #[msgrpc::service] pub trait Adder { async fn add(&self, a: i64, b: i64) -> i64; }
/// # struct Calc; impl Adder for Calc { async fn add(&self, a: i64, b: i64) -> i64 { a + b } }
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # for address in ["memory://balance-a", "memory://balance-b"] {
/// #     tokio::spawn(msgrpc::Server::new(AdderService::new(Calc)).listen(address).bind().await?.run());
/// # }
/// use msgrpc::Client;
///
/// let balance = Client::balance(["memory://balance-a", "memory://balance-b"]).await?;
/// let adder = AdderClient::new(balance.clone());
/// assert_eq!(adder.add(2, 3).await?, 5);
/// assert_eq!(balance.status().len(), 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Balance {
    handle: Arc<Handle>,
}

/// What the clones share; its end is that of the last of them and of its calls.
struct Handle {
    fleet: Arc<Fleet>,
    budget: RetryBudget,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.fleet.leave();
    }
}

impl Client {
    /// Spreads calls over the servers at `addresses`, with the default settings; [`Balance::builder`] has others.
    ///
    /// # Errors
    ///
    /// [`BuildBalanceError`] names each server and why it cannot be reached, if none can.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn balance<A: AsRef<str>>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Balance, BuildBalanceError> {
        BalanceBuilder::fixed(addresses).build().await
    }
}

impl Balance {
    /// Makes settings before connecting to the servers at `addresses`.
    pub fn builder<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> BalanceBuilder {
        BalanceBuilder::fixed(addresses)
    }

    /// Makes settings before connecting to the servers that `discover` finds, now and later.
    pub fn discover(discover: impl Discover) -> BalanceBuilder {
        BalanceBuilder::new(Ok(Box::new(discover)))
    }

    /// Calls `method` with `params`, as [`Client::call`] does.
    pub fn call<T>(&self, method: &str, params: impl Serialize) -> Call<T, NoError, Self> {
        Call::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// Sends the notification `method` with `params`, as [`Client::notify`] does.
    pub fn notify(&self, method: &str, params: impl Serialize) -> Notify<Self> {
        Notify::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// The servers, now.
    pub fn status(&self) -> Vec<ServerStatus> {
        let sites = self.handle.fleet.sites();
        let status = |site: &fleet::Site| {
            let pool = site.pool.status();
            ServerStatus {
                name: site.name.to_string(),
                open: pool.open,
                in_flight: pool.in_flight,
                last_error: site.pool.last_error().map(|error| error.to_string()),
            }
        };
        sites.iter().map(status).collect()
    }

    /// Closes all connections, for the clones too, after what is queued is written. Waits until that is done and its
    /// own tasks have ended.
    ///
    /// Calls that wait, for an answer or for a server, fail with [`CallError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the connections closing.
    pub async fn close(self) {
        self.handle.fleet.close().await;
    }
}

impl fmt::Debug for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance").field("status", &self.status()).finish()
    }
}

/// One server of a [`Balance`], at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Its [name](Endpoint::name): the address.
    pub name: String,
    /// Connections to it; without any, no call goes there.
    pub open: usize,
    /// Calls and notifications under way on it.
    pub in_flight: usize,
    /// What the last try to connect failed with, until the server has answered something.
    pub last_error: Option<String>,
}

impl Caller for Balance {
    type Exchange = BalanceExchange;
    type Posting = BalancePosting;

    fn call(self, call: Outgoing) -> BalanceExchange {
        BalanceExchange(Attempt::call(self, call))
    }

    fn notify(self, notification: Outgoing) -> BalancePosting {
        BalancePosting(Attempt::notify(self, notification))
    }
}

/// One call through a [`Balance`]: a future of its answer.
///
/// # Cancel safety
///
/// Dropping it forgets the call; see [`Call`].
#[derive(Debug)]
pub struct BalanceExchange(Attempt<Balance, Calling>);

impl Future for BalanceExchange {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// One notification through a [`Balance`]: ready when it is queued on a connection.
///
/// # Cancel safety
///
/// Dropping it before it is ready sends nothing.
#[derive(Debug)]
pub struct BalancePosting(Attempt<Balance, Notifying>);

impl Future for BalancePosting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Lend for Balance {
    type Lease = Passage;

    fn lend_now(&self) -> Option<Passage> {
        self.handle.fleet.lend_now()
    }

    fn lend(&self, deadline: Option<Instant>) -> BoxFuture<'static, Result<Passage, Shortage>> {
        Box::pin(Arc::clone(&self.handle.fleet).lend(deadline))
    }

    fn timeout(&self) -> Option<Duration> {
        self.handle.fleet.timeout()
    }

    fn repeats(&self) -> usize {
        // Each time a connection had ended and was not noticed.
        self.handle.fleet.size()
    }

    fn budget(&self) -> &RetryBudget {
        &self.handle.budget
    }
}
