//! `Client`: one connection to a server at a time, any number of calls at once.
//!
//! Made by [`Client::connect`] or [`Client::builder`]; used through generated clients, or untyped.

mod builder;
mod exchange;
mod keeper;
mod link;
mod opener;
mod reconnect;
mod state;
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_core::value::{self, EncodeError, Style};
use msgrpc_core::{FaultFormat, Limits, Payload, PayloadBuffer};
use msgrpc_transport::{Connect, Stream};
use serde::Serialize;
use serde::ser::Error as _;

use crate::call::{Call, Notify};
use crate::caller::{Caller, Outgoing};
use crate::connection::{Connection, Manners};
use crate::datagram::{DatagramCounters, DatagramExchange, DatagramLink, DatagramPosting};
use crate::error::{CallError, CloseReason, NoError, TooLarge};
use crate::router::Router;

pub use builder::{ClientBuilder, ConnectError};
pub use exchange::{Exchange, Posting};
use exchange::{ExchangeKind, PostingKind};
use link::{Plan, StreamLink};
pub(crate) use opener::{Alike, Opener};
pub use reconnect::Reconnect;
pub use state::{ConnectionState, ConnectionStates};
use stream::{StreamExchange, StreamPosting};

/// How long a call waits for its answer unless told otherwise.
///
/// 30 s: long enough for a slow method, short enough that a lost answer is noticed.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one server, over one connection at a time. Clones share it; it closes when the last one is
/// dropped and no call of theirs is under way, after what was queued is written.
///
/// # When the connection ends
///
/// Another one takes its place, as [`Reconnect`] says: by default after a pause of 50 ms at most, then again
/// and again, with growing pauses, for ever. Meanwhile:
///
/// - Calls and notifications that have not left wait for the next connection and are sent on it, first come,
///   first served: a call as long as its timeout, a notification as long as the client's, and then they fail
///   with [`CallError::NotConnected`], which tells what became of the tries.
///   [`wait_for_connection(false)`](ClientBuilder::wait_for_connection) makes them fail at once.
/// - Calls of which a byte may have left fail at once with [`CallError::Closed`]: they may have been executed.
///   Those that are [marked idempotent](Call::idempotent) are sent again as well, within
///   [a budget](ClientBuilder::retry_budget).
///
/// A notification is ready when it is queued; one that was queued when the connection ended is lost.
#[derive(Clone)]
pub struct Client {
    link: Link,
    timeout: Option<Duration>,
}

/// What a client calls over; shared by its clones and calls.
#[derive(Clone, Debug)]
enum Link {
    /// The connection of a stream.
    Stream(Arc<StreamLink>),
    /// A socket for datagrams.
    Datagram(Arc<DatagramLink>),
}

impl Client {
    /// Connects to `address`, such as `tcp://127.0.0.1:8000`, with the default settings: five tries, of 5 s
    /// each at most.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names what is wrong with the address, or each address tried and why it failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(address: &str) -> Result<Self, ConnectError> {
        Self::builder(address).connect().await
    }

    /// Sets limits, timeouts and services before connecting to `address`.
    pub fn builder(address: &str) -> ClientBuilder {
        ClientBuilder::new(address.parse())
    }

    /// Sets limits, timeouts and services before connecting by `connector`: over a transport of one's own.
    pub fn builder_with(connector: impl Connect) -> ClientBuilder {
        ClientBuilder::with(Arc::new(connector))
    }

    /// A client over a stream that is connected already, with the default limits. When the stream ends, the
    /// client is closed.
    ///
    /// Must be called within a tokio runtime.
    pub fn over(stream: Stream) -> Self {
        let manners = Manners::new(Limits::client(), FaultFormat::default());
        let plan = Plan::of_one(&stream, manners, Arc::new(Router::default()));
        let link = StreamLink::start(plan, Some(stream));
        Self { link: Link::Stream(link), timeout: Some(CALL_TIMEOUT) }
    }

    /// Calls `method` with `params`, which must encode as an array: a tuple, a slice, a `Vec`, or `()`
    /// for none.
    ///
    /// For servers whose methods are known only by name; types are inferred: `let sum: i64 =
    /// client.call("add", (1, 2)).await?`. Errors of the method come as [`CallError::Remote`].
    pub fn call<T>(&self, method: &str, params: impl Serialize) -> Call<T, NoError, Self> {
        Call::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// Sends the notification `method` with `params`, as [`call`](Self::call) takes them.
    pub fn notify(&self, method: &str, params: impl Serialize) -> Notify<Self> {
        Notify::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// Closes the client, for its clones too: what is queued is written, the connection is closed, and no
    /// other is opened. Waits until that is done and its own tasks have ended.
    ///
    /// Calls that wait, for an answer or for a connection, fail with [`CallError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the connection closing.
    pub async fn close(self) {
        match self.link {
            Link::Stream(link) => link.close().await,
            Link::Datagram(link) => link.close().await,
        }
    }

    /// Why there will be no connection any more: the client was closed, has no tries left, or may not
    /// reconnect and its one connection has ended. `None` as long as calls may succeed, now or later;
    /// [`state`](Self::state) tells which.
    pub fn closed(&self) -> Option<Arc<CloseReason>> {
        match &self.link {
            Link::Stream(link) => link.closed(),
            Link::Datagram(link) => link.closed(),
        }
    }

    /// Counts what becomes of datagrams; `None` over streams.
    pub fn datagram_counters(&self) -> Option<DatagramCounters> {
        match &self.link {
            Link::Stream(_) => None,
            Link::Datagram(link) => Some(link.counters().clone()),
        }
    }

    /// Whether there is a connection now, or what is done to have one. A client over datagrams counts as connected
    /// until it is closed, whoever may be there.
    pub fn state(&self) -> ConnectionState {
        match &self.link {
            Link::Stream(link) => link.state(),
            Link::Datagram(link) => link.state(),
        }
    }

    /// Follows [`state`](Self::state) as it changes.
    pub fn watch(&self) -> ConnectionStates {
        match &self.link {
            Link::Stream(link) => link.watch(),
            Link::Datagram(link) => ConnectionStates::of_datagrams(link),
        }
    }

    /// A client over a connection that somebody else owns.
    pub(crate) fn borrowed(connection: &Arc<Connection>) -> Self {
        let link = Arc::new(StreamLink::borrowed(connection));
        Self { link: Link::Stream(link), timeout: Some(CALL_TIMEOUT) }
    }

    /// The peer in error texts.
    fn peer_name(&self) -> Arc<str> {
        match &self.link {
            Link::Stream(link) => link.peer_name(),
            Link::Datagram(link) => Arc::clone(link.peer_name()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &self.peer_name())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Encodes the arguments of an untyped call: an array, or nothing (W3).
pub(crate) fn encode_params(params: &impl Serialize) -> Result<Payload, EncodeError> {
    let mut bytes = PayloadBuffer::default();
    value::encode(params, Style::Named, &mut bytes)?;
    match bytes.first() {
        Some(0x90..=0x9f | 0xdc | 0xdd) => Ok(bytes.finish()),
        Some(0xc0) => Ok(Payload::copy(&[0x90])),
        // A tuple or list of nothing but `u8` encodes as bytes; as params it is a list of integers.
        Some(0xc4..=0xc6) => {
            let arguments: Vec<u16> = value::decode(&bytes).map_err(EncodeError::custom)?;
            Payload::encode(&arguments, Style::Named)
        }
        _ => Err(EncodeError::custom(
            "the params of a call are a tuple or a list; for one argument write `(argument,)`",
        )),
    }
}

impl Caller for Client {
    type Exchange = Exchange;
    type Posting = Posting;

    fn call(self, call: Outgoing) -> Exchange {
        let timeout = call.timeout.or(self.timeout);
        Exchange(match self.link {
            Link::Stream(link) => ExchangeKind::Stream(StreamExchange::new(link, call, timeout)),
            Link::Datagram(link) => {
                ExchangeKind::Datagram(DatagramExchange::new(link, call, timeout))
            }
        })
    }

    fn notify(self, notification: Outgoing) -> Posting {
        let timeout = notification.timeout.or(self.timeout);
        Posting(match self.link {
            Link::Stream(link) => {
                PostingKind::Stream(StreamPosting::new(link, notification, timeout))
            }
            Link::Datagram(link) => PostingKind::Datagram(DatagramPosting::new(link, notification)),
        })
    }
}

/// Refuses what is larger than may be sent.
fn check_size(limits: &Limits, message: &Outgoing) -> Result<(), CallError> {
    let limit = limits.outbound_message_bytes;
    let bytes = message.message_bytes();
    if bytes <= limit {
        return Ok(());
    }
    Err(CallError::TooLarge(TooLarge::new(message.method.clone(), bytes, limit)))
}
