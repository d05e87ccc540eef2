//! `Client`: one connection to a server, any number of calls at once.
//!
//! Made by [`Client::connect`] or [`Client::builder`]; used through generated clients, or untyped.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use msgrpc_core::connection::Ticket;
use msgrpc_core::value::{self, EncodeError, Style};
use msgrpc_core::{Deadline, FaultFormat, Limits, MsgId, Payload};
use msgrpc_transport::{Address, AddressError, DialOptions, Stream, dial};
use serde::Serialize;
use serde::ser::Error as _;
use smallvec::SmallVec;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::call::{Call, Notify};
use crate::caller::{Answer, Caller, Outgoing};
use crate::connection::{Closing, Connection, Driver, Manners, Services, Settled, now};
use crate::context;
use crate::error::{CallError, CloseReason, Closed, NoError, TimedOut, TooLarge};
use crate::router::Router;
use crate::server::ServeError;
use crate::service::Service;

/// How long a call waits for its answer unless told otherwise.
///
/// 30 s: long enough for a slow method, short enough that a lost answer is noticed.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a server. Clones share it; it closes when the last one is dropped and no call of
/// theirs is under way, after what was queued is written.
#[derive(Clone)]
pub struct Client {
    link: Arc<Link>,
    timeout: Option<Duration>,
}

/// A client's hold on its connection, shared by its clones and calls.
struct Link {
    connection: Arc<Connection>,
    /// It closes with the last hold; one that was lent does not.
    owned: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.owned {
            self.connection.close(Closing::Flush);
        }
    }
}

impl Client {
    /// Connects to `address`, such as `tcp://127.0.0.1:8000`, within 5 s and with the default limits.
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
        ClientBuilder {
            address: address.parse(),
            dial: DialOptions::default(),
            limits: Limits::client(),
            faults: FaultFormat::default(),
            timeout: Some(CALL_TIMEOUT),
            services: Vec::new(),
        }
    }

    /// A client over a stream that is connected already, with the default limits.
    ///
    /// Must be called within a tokio runtime.
    pub fn over(stream: Stream) -> Self {
        let manners =
            Manners { limits: Arc::new(Limits::client()), faults: FaultFormat::default() };
        Self::start(stream, &manners, Arc::new(Router::default()), Some(CALL_TIMEOUT))
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

    /// Closes the connection after what is queued is written, and waits until it is closed and its own
    /// tasks have ended.
    ///
    /// Calls that wait for an answer fail with [`CallError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the connection closing.
    pub async fn close(self) {
        let connection = Arc::clone(self.connection());
        connection.close(Closing::Flush);
        if self.link.owned {
            drop(self);
            connection.tasks().wait().await;
        } else if connection.closed().is_none() {
            // The tasks of a connection that was lent are its server's.
            connection.gone().cancelled().await;
        }
    }

    /// Whether the connection has ended, and why.
    pub fn closed(&self) -> Option<Arc<CloseReason>> {
        self.connection().closed()
    }

    fn connection(&self) -> &Arc<Connection> {
        &self.link.connection
    }

    /// A client over a connection that somebody else owns.
    pub(crate) fn borrowed(connection: &Arc<Connection>) -> Self {
        let link = Link { connection: Arc::clone(connection), owned: false };
        Self { link: Arc::new(link), timeout: Some(CALL_TIMEOUT) }
    }

    fn start(
        stream: Stream,
        manners: &Manners,
        router: Arc<Router>,
        timeout: Option<Duration>,
    ) -> Self {
        let tasks = TaskTracker::new();
        tasks.close();
        let connection = Arc::new(Connection::new(&stream, manners, tasks.clone()));
        let blocking = Arc::new(Semaphore::new(manners.limits.blocking));
        let context = context::Context::new(Arc::clone(&connection), blocking);
        let services = Services { router, context };
        tasks.spawn(Driver::new(&connection, stream, services));
        Self { link: Arc::new(Link { connection, owned: true }), timeout }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", self.connection().peer_name())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Encodes the arguments of an untyped call: an array, or nothing (W3).
pub(crate) fn encode_params(params: &impl Serialize) -> Result<Payload, EncodeError> {
    let mut bytes = SmallVec::new();
    value::encode(params, Style::Named, &mut bytes)?;
    match bytes.first() {
        Some(0x90..=0x9f | 0xdc | 0xdd) => Ok(Payload::from_buffer(bytes)),
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

/// Settings of a [`Client`], before it connects.
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    address: Result<Address, AddressError>,
    dial: DialOptions,
    limits: Limits,
    faults: FaultFormat,
    timeout: Option<Duration>,
    services: Vec<Arc<dyn Service>>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("address", &self.address)
            .field("dial", &self.dial)
            .field("limits", &self.limits)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// How long calls wait for their answer by default. `None`: for ever. Default: 30 s.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How long connecting may take, name resolution included. Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.dial = self.dial.connect_timeout(timeout);
        self
    }

    /// Calls that may wait for an answer at once; more wait their turn. Default: 1 024. With 1, peers
    /// that break on a second request in one segment are served.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.limits.max_in_flight = calls;
        self
    }

    /// All limits. Default: [`Limits::client`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How faults are written to the peer (W8). Default: as text.
    pub fn fault_format(mut self, format: FaultFormat) -> Self {
        self.faults = format;
        self
    }

    /// Serves the server's own calls over the same connection (W14). May be given several times.
    pub fn serve(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names what is wrong with the address, each address tried and why it failed, or
    /// the methods that two services share.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let address = self.address?;
        let router = Arc::new(Router::new(self.services)?);
        let stream = dial(&address, &self.dial).await?;
        let manners = Manners { limits: Arc::new(self.limits), faults: self.faults };
        Ok(Client::start(stream, &manners, router, self.timeout))
    }
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not one.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no connection to be had.
    #[error(transparent)]
    Dial(#[from] msgrpc_transport::ConnectError),
    /// The client's own services do not go together.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl Caller for Client {
    type Exchange = Exchange;
    type Posting = Posting;

    fn call(self, call: Outgoing) -> Exchange {
        Exchange {
            timeout: call.timeout.or(self.timeout),
            client: self,
            call,
            deadline: None,
            step: Step::Prepared,
        }
    }

    fn notify(self, notification: Outgoing) -> Posting {
        Posting { client: self, notification, ticket: None }
    }
}

/// One call over a [`Client`]'s connection: a future of its answer.
///
/// # Cancel safety
///
/// Dropping it forgets the call; see [`Call`].
#[derive(Debug)]
pub struct Exchange {
    client: Client,
    call: Outgoing,
    timeout: Option<Duration>,
    deadline: Option<Deadline>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Not polled yet.
    Prepared,
    /// Waiting for its turn.
    Waiting(Ticket),
    /// Queued or sent.
    Sent(MsgId),
    /// Its outcome was given.
    Ended,
}

impl Exchange {
    /// Queues the call when its turn has come.
    fn poll_send(&mut self, cx: &Context<'_>) -> Poll<Result<MsgId, CallError>> {
        let connection = self.client.connection();
        let mut ticket = None;
        if let Step::Waiting(place) = self.step {
            ticket = Some(place);
        } else {
            check_size(connection.limits(), &self.call)?;
            self.deadline = self.timeout.and_then(|timeout| Deadline::after(now(), timeout));
        }
        let polled = connection.poll_call(&self.call, &mut ticket, self.deadline, cx.waker());
        // From here on the drop of this future knows what to give back.
        self.step = ticket.map_or(Step::Prepared, Step::Waiting);
        match polled {
            Poll::Ready(Ok(msgid)) => {
                self.step = Step::Sent(msgid);
                Poll::Ready(Ok(msgid))
            }
            Poll::Ready(Err(reason)) => Poll::Ready(Err(self.closed(reason, false))),
            Poll::Pending if self.deadline.is_some_and(|deadline| deadline.is_over(now())) => {
                Poll::Ready(Err(self.timed_out(false)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn closed(&self, reason: Arc<CloseReason>, sent: bool) -> CallError {
        closed(&self.client, &self.call, reason, sent)
    }

    fn timed_out(&self, sent: bool) -> CallError {
        CallError::TimedOut(TimedOut {
            method: self.call.method.clone(),
            peer: Arc::clone(self.client.connection().peer_name()),
            after: self.timeout.unwrap_or_default(),
            sent,
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
    Err(CallError::TooLarge(TooLarge { method: message.method.clone(), bytes, limit }))
}

fn closed(client: &Client, call: &Outgoing, reason: Arc<CloseReason>, sent: bool) -> CallError {
    let peer = Arc::clone(client.connection().peer_name());
    CallError::Closed(Closed { method: call.method.clone(), peer, reason, sent })
}

impl Future for Exchange {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let msgid = match this.step {
            Step::Sent(msgid) => msgid,
            Step::Ended => return Poll::Pending,
            Step::Prepared | Step::Waiting(_) => match ready!(this.poll_send(cx)) {
                Ok(_) => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            },
        };
        let settled = ready!(this.client.connection().poll_settled(msgid, cx.waker()));
        this.step = Step::Ended;
        Poll::Ready(match settled {
            Settled::Answered(outcome) => Ok(Answer::new(outcome)),
            Settled::TimedOut { sent } => Err(this.timed_out(sent)),
            Settled::Closed { sent } => {
                let reason = this.client.connection().closed();
                Err(this.closed(reason.unwrap_or_else(|| Arc::new(CloseReason::Local)), sent))
            }
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        match self.step {
            Step::Sent(msgid) => self.client.connection().forget(msgid, now()),
            Step::Waiting(ticket) => self.client.connection().leave(ticket),
            Step::Prepared | Step::Ended => {}
        }
    }
}

/// One notification over a [`Client`]'s connection: ready when it is queued.
///
/// # Cancel safety
///
/// Dropping it before it is ready sends nothing.
#[derive(Debug)]
pub struct Posting {
    client: Client,
    notification: Outgoing,
    ticket: Option<Ticket>,
}

impl Future for Posting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { client, notification, ticket } = &mut *self;
        check_size(client.connection().limits(), notification)?;
        let queued = ready!(client.connection().poll_notify(notification, ticket, cx.waker()));
        Poll::Ready(queued.map_err(|reason| closed(client, notification, reason, false)))
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.client.connection().leave(ticket);
        }
    }
}
