//! `ClientBuilder`: the settings of a client, and why one could not be made.
//!
//! Used by [`Client::builder`]; it connects, and leaves calling to the client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_core::{FaultFormat, Limits};
use msgrpc_transport::{Address, AddressError, DialOptions, dial};

use super::{CALL_TIMEOUT, Client, Link};
use crate::connection::Manners;
use crate::datagram::{CallOptions, DatagramLink, Retransmit};
use crate::router::Router;
use crate::server::ServeError;
use crate::service::Service;

/// Settings of a [`Client`], before it connects.
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    address: Result<Address, AddressError>,
    dial: DialOptions,
    limits: Limits,
    datagrams: CallOptions,
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
    pub(super) fn new(address: Result<Address, AddressError>) -> Self {
        Self {
            address,
            dial: DialOptions::default(),
            limits: Limits::client(),
            datagrams: CallOptions::default(),
            faults: FaultFormat::default(),
            timeout: Some(CALL_TIMEOUT),
            services: Vec::new(),
        }
    }

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
        if let Address::Udp(_) = address {
            if !self.services.is_empty() {
                return Err(ConnectError::CannotServe { address });
            }
            let link =
                DatagramLink::open(&address, &self.dial, self.limits, self.datagrams).await?;
            return Ok(Client { link: Link::Datagram(Arc::new(link)), timeout: self.timeout });
        }
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
    /// The client has services, but nobody can call it.
    #[error(
        "a client of {address} cannot serve: datagrams have no connection that the server could call \
         back over; leave `.serve(…)` out, or use tcp://"
    )]
    CannotServe {
        /// Where to.
        address: Address,
    },
}
