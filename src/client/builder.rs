//! `ClientBuilder`: the settings of a client, and why one could not be made.
//!
//! Used by [`Client::builder`]; it connects, and leaves calling to the client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_core::{FaultFormat, Limits};
use msgrpc_transport::{
    Address, AddressError, Connect, DialOptions, Dialer, KeepAlive, Peer, Stream,
};
use tokio::time::sleep;

use super::link::{Absence, Plan, StreamLink};
use super::reconnect::{Reconnect, Tries};
use super::state::{Hook, Hooks};
use super::{Alike, CALL_TIMEOUT, Client, Link, Opener};
use crate::budget;
use crate::connection::Manners;
use crate::datagram::{CallOptions, DatagramLink, Retransmit};
use crate::error::{self, CloseReason};
use crate::router::Router;
use crate::server::ServeError;
use crate::service::Service;

/// Settings of a [`Client`], before it connects.
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    place: Result<Place, AddressError>,
    dial: DialOptions,
    limits: Limits,
    datagrams: CallOptions,
    faults: FaultFormat,
    timeout: Option<Duration>,
    services: Vec<Arc<dyn Service>>,
    reconnect: Reconnect,
    waits: bool,
    retry_percent: u32,
    hooks: Hooks,
}

/// Where to connect.
enum Place {
    Address(Address),
    /// To where a transport of the user's own leads.
    Connector(Arc<dyn Connect>),
}

impl Place {
    fn connector(self, options: DialOptions) -> Arc<dyn Connect> {
        match self {
            Self::Address(address) => Arc::new(Dialer::new(address).options(options)),
            Self::Connector(connector) => connector,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Connector(connector) => f.write_str(&connector.address()),
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.as_ref().map(ToString::to_string);
        f.debug_struct("ClientBuilder")
            .field("place", &place)
            .field("dial", &self.dial)
            .field("limits", &self.limits)
            .field("timeout", &self.timeout)
            .field("reconnect", &self.reconnect)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(super) fn new(address: Result<Address, AddressError>) -> Self {
        Self::at(address.map(Place::Address))
    }

    pub(super) fn with(connector: Arc<dyn Connect>) -> Self {
        Self::at(Ok(Place::Connector(connector)))
    }

    fn at(place: Result<Place, AddressError>) -> Self {
        Self {
            place,
            dial: DialOptions::default(),
            limits: Limits::client(),
            datagrams: CallOptions::default(),
            faults: FaultFormat::default(),
            timeout: Some(CALL_TIMEOUT),
            services: Vec::new(),
            reconnect: Reconnect::default(),
            waits: true,
            retry_percent: budget::PERCENT,
            hooks: Hooks::default(),
        }
    }

    /// How long calls wait for their answer by default. `None`: for ever. Default: 30 s.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How long one try of connecting may take, name resolution included. Default: 5 s. A transport of one's
    /// own takes as long as it likes.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.dial = self.dial.connect_timeout(timeout);
        self
    }

    /// How long the connection may be idle before it is closed, `None` for as long as it likes: as
    /// [`Limits::idle_timeout`]. Default: `None`.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.limits.idle_timeout = timeout.into();
        self
    }

    /// TCP keep-alive, `None` for none. Default: a server that has died without a word is noticed within two minutes; see
    /// [`KeepAlive`].
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.dial = self.dial.keep_alive(keep_alive);
        self
    }

    /// How long the TLS handshake may take, once the socket is connected. Default: 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.dial = self.dial.handshake_timeout(timeout);
        self
    }

    /// Whom to trust at a `tls://` address, and what to show there. Default: whom the system trusts, and nothing.
    #[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
    pub fn tls(mut self, tls: crate::tls::ClientTls) -> Self {
        self.dial = self.dial.tls(tls);
        self
    }

    /// Calls that may wait for an answer at once; more wait their turn. Default: 1 024. With 1, peers
    /// that break on a second request in one segment are served. Over datagrams the default is 64, as many as a
    /// server works on for one source.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.limits.max_in_flight = calls;
        self.datagrams.max_in_flight = calls;
        self
    }

    /// All limits. Default: [`Limits::client`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Longest request over `udp://`, in bytes, at most 65 507. A longer one fails before it is sent, with
    /// [`CallError::TooLarge`](crate::CallError::TooLarge). Default: 8 192, since txmsgpackrpc cuts what is longer.
    pub fn max_datagram(mut self, bytes: usize) -> Self {
        self.datagrams.max_datagram = bytes;
        self
    }

    /// How often calls of idempotent methods over `udp://` are sent again while their answer has not come.
    /// Default: up to 5 times, see [`Retransmit`].
    pub fn retransmit(mut self, retransmit: Retransmit) -> Self {
        self.datagrams.retransmit = retransmit;
        self
    }

    /// How faults are written to the peer (W8). Default: as text.
    pub fn fault_format(mut self, format: FaultFormat) -> Self {
        self.faults = format;
        self
    }

    /// Serves the server's own calls over the same connection (W14). May be given several times. Over datagrams there
    /// is no connection, and connecting fails.
    pub fn serve(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// What to do when the connection ends. Default: [`Reconnect::default`], which tries for ever.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = policy;
        self
    }

    /// Whether calls and notifications that find no connection wait for one. Default: they do, as long as
    /// their timeout; otherwise they fail at once with [`CallError::NotConnected`](crate::CallError::NotConnected).
    pub fn wait_for_connection(mut self, wait: bool) -> Self {
        self.waits = wait;
        self
    }

    /// How many calls of a hundred may be sent again by themselves, if they are
    /// [marked idempotent](crate::Call::idempotent) and were lost with their connection. Default: 20, so that a
    /// server that is in trouble does not get every call twice; the first ten of a client are free, and no
    /// more than 200 can be saved up. With 0 nothing is repeated.
    ///
    /// Calls of which no byte has left are not counted: they are always sent again.
    pub fn retry_budget(mut self, percent: u32) -> Self {
        self.retry_percent = percent;
        self
    }

    /// Calls `hook` with the peer of each new connection, before calls are made on it.
    ///
    /// It runs on the task that connects: it must be quick and not block. If it panics, that is logged and
    /// nothing else. To wait for a state, or for many, use [`Client::watch`].
    pub fn on_connected(mut self, hook: impl Fn(&Peer) + Send + Sync + 'static) -> Self {
        self.hooks.connected = Some(Hook::new(hook));
        self
    }

    /// Calls `hook` with the reason when a connection has ended, as [`on_connected`](Self::on_connected) does.
    pub fn on_disconnected(mut self, hook: impl Fn(&CloseReason) + Send + Sync + 'static) -> Self {
        self.hooks.disconnected = Some(Hook::new(hook));
        self
    }

    /// Connects: five tries at most, or those of [`reconnect`](Self::reconnect) if they are fewer, with the
    /// pauses that it sets between them. An error that only the program can help ends them at once.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names what is wrong with the address, how often was tried with each address and why
    /// it failed, or the methods that two services share.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let timeout = self.timeout;
        if let Ok(Place::Address(address @ Address::Udp(_))) = &self.place {
            let address = address.clone();
            return self.open_datagrams(address).await;
        }
        let (mut plan, connector) = self.plan()?;
        let stream = first_stream(&mut plan.tries, &*connector).await?;
        Ok(Client { link: Link::Stream(StreamLink::start(plan, Some(stream))), timeout })
    }

    /// A client that connects in the background, beginning now, and tries as [`reconnect`](Self::reconnect)
    /// says; calls wait meanwhile.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names what is wrong with the address, or the methods that two services share. That
    /// nobody is there is what calls find out, or [`Client::state`] tells.
    pub fn connect_lazy(self) -> Result<Client, ConnectError> {
        let timeout = self.timeout;
        if let Ok(Place::Address(address @ Address::Udp(_))) = self.place {
            return Err(ConnectError::NotLazy { address });
        }
        let (plan, _) = self.plan()?;
        Ok(Client { link: Link::Stream(StreamLink::start(plan, None)), timeout })
    }

    /// A client over datagrams, which connects to nobody.
    async fn open_datagrams(self, address: Address) -> Result<Client, ConnectError> {
        if !self.services.is_empty() {
            return Err(ConnectError::CannotServe { address });
        }
        let link = DatagramLink::open(&address, &self.dial, self.limits, self.datagrams).await?;
        Ok(Client { link: Link::Datagram(Arc::new(link)), timeout: self.timeout })
    }

    fn plan(self) -> Result<(Plan, Arc<dyn Connect>), ConnectError> {
        let connector = self.place?.connector(self.dial);
        let absence = match self.waits {
            _ if self.reconnect.is_never() => Absence::Ends,
            true => Absence::Waits,
            false => Absence::Fails,
        };
        let plan = Plan {
            name: connector.address().into(),
            connector: Some(Arc::clone(&connector)),
            silent_timeouts: self.reconnect.most_silent_timeouts(),
            tries: Tries::new(self.reconnect),
            absence,
            retry_percent: self.retry_percent,
            manners: Manners::new(self.limits, self.faults),
            router: Arc::new(Router::new(self.services)?),
            hooks: Arc::new(self.hooks),
        };
        Ok((plan, connector))
    }

    /// Settings for clients of which it is said later where they connect to.
    pub(crate) fn nowhere() -> Self {
        Self::new("".parse())
    }

    /// Many connections with these settings, wherever to.
    pub(crate) fn alike(self) -> Result<Alike, ConnectError> {
        Ok(Alike {
            dial: self.dial,
            silent_timeouts: self.reconnect.most_silent_timeouts(),
            retry_percent: self.retry_percent,
            manners: Manners::new(self.limits, self.faults),
            router: Arc::new(Router::new(self.services)?),
            hooks: Arc::new(self.hooks),
            timeout: self.timeout,
        })
    }

    /// Many connections with these settings, to where this client would connect.
    pub(crate) fn opener(mut self) -> Result<Opener, ConnectError> {
        let place = std::mem::replace(&mut self.place, "".parse().map(Place::Address));
        let alike = self.alike()?;
        Ok(match place? {
            Place::Address(address) => alike.to(address),
            Place::Connector(connector) => alike.by(connector),
        })
    }
}

/// The first stream of a client, in one round of tries.
async fn first_stream(tries: &mut Tries, connector: &dyn Connect) -> Result<Stream, ConnectError> {
    loop {
        tries.begin();
        let error = match connector.connect().await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let made = tries.made();
        if error.is_permanent() || made >= FIRST_TRIES || tries.are_used_up() {
            return Err(match made {
                1 => ConnectError::Dial(error),
                tries => ConnectError::NotConnected { tries, error },
            });
        }
        tracing::debug!(%error, "no connection yet");
        sleep(tries.wait()).await;
    }
}

/// Tries that [`ClientBuilder::connect`] makes: a server that is being restarted is back by then, and with
/// nobody there the caller is told within a second.
const FIRST_TRIES: u32 = 5;

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not one.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no connection to be had, and only one try was made: trying again cannot help, or was not
    /// wanted.
    #[error(transparent)]
    Dial(#[from] msgrpc_transport::ConnectError),
    /// There is no connection to be had.
    #[error("no connection after {}: {error}", error::Tries(*tries))]
    NotConnected {
        /// How often was tried.
        tries: u32,
        /// Why the last try failed.
        error: msgrpc_transport::ConnectError,
    },
    /// The client's own services do not go together.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The client has services, but nobody can call it.
    #[error(
        "a client of {address} cannot serve: datagrams have no connection that the server could call \
         back over; leave `.serve(…)` out, or use tcp://"
    )]
    CannotServe {
        /// Where to.
        address: Address,
    },
    /// There is no connection that could come later.
    #[error(
        "a client of {address} has no connection to wait for: datagrams go to whoever is there; use \
         `.connect()`, which only looks the name up"
    )]
    NotLazy {
        /// Where to.
        address: Address,
    },
}
