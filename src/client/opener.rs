//! `Opener`: single connections as clients, for whoever keeps several: pools and balancers.
//!
//! Made by [`ClientBuilder::alike`](super::ClientBuilder::alike). A client that comes from here never connects anew:
//! whoever keeps it replaces it. This is the one place that says so.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_transport::{Address, BoxFuture, Connect, ConnectError, DialOptions, Dialer, Open};
use tokio_util::sync::CancellationToken;

use super::link::{Plan, StreamLink};
use super::state::Hooks;
use super::{Client, Link};
use crate::budget::RetryBudget;
use crate::connection::Manners;
use crate::router::Router;

/// What connections have in common, wherever they lead to.
#[derive(Clone)]
pub(crate) struct Alike {
    pub(super) dial: DialOptions,
    /// See [`Reconnect::silent_timeouts`](super::Reconnect::silent_timeouts).
    pub(super) silent_timeouts: u32,
    /// Calls of a hundred that may be repeated.
    pub(super) retry_percent: u32,
    pub(super) manners: Manners,
    pub(super) router: Arc<Router>,
    pub(super) hooks: Arc<Hooks>,
    pub(super) timeout: Option<Duration>,
}

impl Alike {
    /// Connections to `address`.
    pub(crate) fn to(&self, address: Address) -> Opener {
        self.by(Arc::new(Dialer::new(address).options(self.dial.clone())))
    }

    /// Connections by `connector`.
    pub(crate) fn by(&self, connector: Arc<dyn Connect>) -> Opener {
        Opener { connector, alike: self.clone() }
    }

    /// How long calls wait for their answer by default.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What of the calls may be sent again.
    pub(crate) fn budget(&self) -> RetryBudget {
        RetryBudget::new(self.retry_percent)
    }
}

/// Opens connections to one place.
pub(crate) struct Opener {
    connector: Arc<dyn Connect>,
    alike: Alike,
}

impl Opener {
    /// How long calls wait for their answer by default.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.alike.timeout
    }

    /// What of the calls may be sent again.
    pub(crate) fn budget(&self) -> RetryBudget {
        self.alike.budget()
    }
}

impl Open for Opener {
    type Connection = Client;

    fn open(&self) -> BoxFuture<'_, Result<Client, ConnectError>> {
        Box::pin(async {
            let stream = self.connector.connect().await?;
            let Alike { manners, router, hooks, silent_timeouts, timeout, .. } = &self.alike;
            let plan = Plan {
                silent_timeouts: *silent_timeouts,
                hooks: Arc::clone(hooks),
                ..Plan::of_one(&stream, manners.clone(), Arc::clone(router))
            };
            let link = Link::Stream(StreamLink::start(plan, Some(stream)));
            Ok(Client { link, timeout: *timeout })
        })
    }

    fn closed(&self, client: &Client) -> Option<Box<dyn Error + Send + Sync>> {
        client.closed().map(|reason| reason.to_string().into())
    }

    fn address(&self) -> String {
        self.connector.address()
    }
}

impl Client {
    /// Cancelled when its connection has ended.
    pub(crate) fn gone(&self) -> CancellationToken {
        match &self.link {
            Link::Stream(link) => link.current().gone().clone(),
            Link::Datagram(link) => link.closing().clone(),
        }
    }
}
