//! `Opener`: single connections as clients, for whoever keeps several: pools and balancers.
//!
//! Made by [`ClientBuilder::opener`](super::ClientBuilder::opener). A client that comes from here never connects anew:
//! whoever keeps it replaces it. This is the one place that says so.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_transport::{BoxFuture, Connect, ConnectError, Open};
use tokio_util::sync::CancellationToken;

use super::link::{Plan, StreamLink};
use super::{Client, Link};
use crate::connection::Manners;
use crate::router::Router;

/// Opens connections that are all alike.
pub(crate) struct Opener {
    pub(super) connector: Arc<dyn Connect>,
    pub(super) manners: Manners,
    pub(super) router: Arc<Router>,
    pub(super) timeout: Option<Duration>,
}

impl Opener {
    /// How long calls wait for their answer by default.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
}

impl Open for Opener {
    type Connection = Client;

    fn open(&self) -> BoxFuture<'_, Result<Client, ConnectError>> {
        Box::pin(async {
            let stream = self.connector.connect().await?;
            let plan = Plan::of_one(&stream, self.manners.clone(), Arc::clone(&self.router));
            let link = Link::Stream(StreamLink::start(plan, Some(stream)));
            Ok(Client { link, timeout: self.timeout })
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
        }
    }
}
