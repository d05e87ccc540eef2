//! One request that came in a datagram, as its [`Context`](crate::Context) sees it.
//!
//! Made by the server of datagrams for each request.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use msgrpc_core::{FaultFormat, Limits};
use msgrpc_transport::{Address, HostPort, Peer, Received, Stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::DatagramServer;
use crate::connection::{Connection, Manners};
use crate::error::CloseReason;

/// Who asked whom.
pub(crate) struct Asked {
    server: Arc<DatagramServer>,
    peer: Peer,
    /// The address that was asked, where the system tells it.
    to: Option<IpAddr>,
    local: OnceLock<Address>,
    /// Whom methods call that call back.
    nobody: OnceLock<Arc<Connection>>,
}

impl Asked {
    pub(super) fn new(server: &Arc<DatagramServer>, received: &Received) -> Self {
        Self {
            server: Arc::clone(server),
            peer: received.from.into(),
            to: received.to,
            local: OnceLock::new(),
            nobody: OnceLock::new(),
        }
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn local(&self) -> &Address {
        self.local.get_or_init(|| {
            let bound = self.server.address();
            match (bound, self.to) {
                (Address::Udp(host), Some(to)) => {
                    Address::Udp(HostPort::from(SocketAddr::new(to.to_canonical(), host.port())))
                }
                _ => bound.clone(),
            }
        })
    }

    /// Cancelled when the server ends at once: nobody tells when a peer is gone.
    pub(crate) fn gone(&self) -> &CancellationToken {
        self.server.gone()
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        self.server.tasks()
    }

    /// A connection through which nobody can be called: there is none.
    pub(crate) fn nobody(&self) -> &Arc<Connection> {
        self.nobody.get_or_init(|| {
            let stream = Stream::new(tokio::io::empty(), self.peer.clone(), self.local().clone());
            let manners = Manners::new(Limits::client(), FaultFormat::default());
            let connection = Connection::new(&stream, &manners, TaskTracker::new());
            connection.refuse(CloseReason::Datagram);
            Arc::new(connection)
        })
    }
}
