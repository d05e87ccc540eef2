//! `ClientBuilder`: the settings of a client, and why one could not be made.
//!
//! Used by [`Client::builder`]; it connects, and leaves calling to the client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_core::{FaultFormat, Limits};
use msgrpc_transport::{Address, AddressError, Connect, DialOptions, Dialer, KeepAlive, dial};

use super::{CALL_TIMEOUT, Client, Opener};
use crate::connection::Manners;
use crate::router::Router;
use crate::server::ServeError;
use crate::service::Service;

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
    pub(super) fn new(address: Result<Address, AddressError>) -> Self {
        Self {
            address,
            dial: DialOptions::default(),
            limits: Limits::client(),
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

    /// Settings for clients of which it is said later where they connect to.
    pub(crate) fn nowhere() -> Self {
        Self::new("".parse())
    }

    /// What opens many connections with these settings: by `connector`, or to the address.
    pub(crate) fn opener(
        self,
        connector: Option<Arc<dyn Connect>>,
    ) -> Result<Opener, ConnectError> {
        let connector = match connector {
            Some(connector) => connector,
            None => Arc::new(Dialer::new(self.address?).options(self.dial)),
        };
        let router = Arc::new(Router::new(self.services)?);
        let manners = Manners { limits: Arc::new(self.limits), faults: self.faults };
        Ok(Opener { connector, manners, router, timeout: self.timeout })
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
