//! `BalanceBuilder`: the settings of a balancer, and why one could not be made.
//!
//! Used by [`Balance::builder`]; it finds and connects, and leaves calling to the balancer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use msgrpc_core::Limits;
use msgrpc_transport::{AddressError, PoolOptions};

use super::discover::{Discover, Fixed};
use super::fleet::{Beginning, Fleet};
use super::{Balance, Handle};
use crate::client::{ClientBuilder, ConnectError};

/// Settings of a [`Balance`], before it connects.
#[must_use = "a builder does nothing until it builds"]
pub struct BalanceBuilder {
    discover: Result<Box<dyn Discover>, AddressError>,
    client: ClientBuilder,
    options: PoolOptions,
}

impl fmt::Debug for BalanceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceBuilder")
            .field("client", &self.client)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl BalanceBuilder {
    pub(super) fn new(discover: Result<Box<dyn Discover>, AddressError>) -> Self {
        Self {
            discover,
            client: ClientBuilder::nowhere(),
            options: PoolOptions::default().max_size(1),
        }
    }

    pub(super) fn fixed<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> Self {
        let parse = |address: A| Ok(super::Endpoint::new(address.as_ref().parse()?));
        let list: Result<Vec<_>, AddressError> = addresses.into_iter().map(parse).collect();
        Self::new(list.map(|list| Box::new(Fixed(Some(list))) as Box<dyn Discover>))
    }

    /// Connections to each server, from 1 to 1 024. Default: 1, since one carries many calls.
    pub fn connections(mut self, connections: usize) -> Self {
        self.options = self.options.max_size(connections);
        self
    }

    /// How long a call waits while no server is up. `None`: as long as its own timeout. Default: 15 s.
    pub fn wait_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options = self.options.wait_timeout(timeout);
        self
    }

    /// All settings of the pool that each server has, in place of those made so far; its
    /// [`max_size`](PoolOptions::max_size) is that of [`connections`](Self::connections).
    pub fn options(mut self, options: PoolOptions) -> Self {
        self.options = options;
        self
    }

    /// How many calls of a hundred may be sent again by themselves, if they are
    /// [marked idempotent](crate::Call::idempotent) and were lost with their connection. Default: 20; the first ten are
    /// free, and no more than 200 can be saved up. With 0 nothing is repeated.
    pub fn retry_budget(mut self, percent: u32) -> Self {
        self.client = self.client.retry_budget(percent);
        self
    }

    /// How long calls wait for their answer by default, the wait for a server included. `None`: for ever.
    /// Default: 30 s.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.client = self.client.timeout(timeout);
        self
    }

    /// The limits of each connection. Default: [`Limits::client`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.client = self.client.limits(limits);
        self
    }

    /// Makes all other settings of the connections: `.client(|client| client.connect_timeout(second))`.
    ///
    /// Those of a client's own reconnecting have no effect, as lost connections are opened again anyway; but for
    /// [`Reconnect::silent_timeouts`](crate::Reconnect::silent_timeouts), after which a connection counts as ended.
    pub fn client(mut self, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        self.client = set(self.client);
        self
    }

    /// Finds the servers, connects to all of them side by side, and waits until one is up; the others follow in the
    /// background.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BuildBalanceError`] when the first try at each server has failed, with the reasons.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn build(self) -> Result<Balance, BuildBalanceError> {
        let (balance, beginning) = self.start()?;
        match beginning.await {
            Ok(Ok(sites)) => first_up(sites).await?,
            Ok(Err(reason)) => return Err(BuildBalanceError::Discover { reason }),
            // The task is gone with its runtime.
            Err(_gone) => {}
        }
        Ok(balance)
    }

    /// A balancer that finds its servers and connects in the background; calls wait meanwhile.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BuildBalanceError`] when something is wrong with the settings. That nobody is there is what calls find out.
    pub fn build_lazy(self) -> Result<Balance, BuildBalanceError> {
        self.start().map(|(balance, _)| balance)
    }

    fn start(
        self,
    ) -> Result<(Balance, tokio::sync::oneshot::Receiver<Beginning>), BuildBalanceError> {
        let discover = self.discover.map_err(ConnectError::from)?;
        let alike = self.client.alike()?;
        let budget = alike.budget();
        let (fleet, beginning) = Fleet::start(discover, alike, self.options);
        let handle = Handle { fleet, budget };
        Ok((Balance { handle: Arc::new(handle) }, beginning))
    }
}

/// Waits until one of them is up, or none is.
async fn first_up(
    sites: Vec<(super::fleet::Site, crate::pool::shared::FirstTries)>,
) -> Result<(), BuildBalanceError> {
    if sites.is_empty() {
        return Err(BuildBalanceError::Nobody);
    }
    let (sites, first): (Vec<_>, Vec<_>) = sites.into_iter().unzip();
    let mut tries: FuturesUnordered<_> = first.into_iter().flatten().collect();
    while let Some(tried) = tries.next().await {
        if matches!(tried, Ok(Ok(()))) {
            return Ok(());
        }
    }
    let reasons = sites.iter().map(super::fleet::Site::why_down).collect();
    Err(BuildBalanceError::Down { reasons })
}

/// Why a balancer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildBalanceError {
    /// An address is none, or the services of the client's side do not go together.
    #[error(transparent)]
    Settings(#[from] ConnectError),
    /// The list of servers is not to be had.
    #[error("{reason}")]
    Discover {
        /// Why.
        reason: String,
    },
    /// The list of servers is empty.
    #[error("there is no server to balance between: name one, such as tcp://127.0.0.1:8000")]
    Nobody,
    /// None of the servers can be connected to.
    #[error("none of the servers could be reached: {}", reasons.join("; "))]
    Down {
        /// Why each of them could not.
        reasons: Vec<String>,
    },
}
