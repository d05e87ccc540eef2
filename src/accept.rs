//! The accept loop: one task a listener, one task a connection.
//!
//! Used by the server. A listener accepts one connection for which there is no place yet; those after it wait in
//! the system's backlog.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{self, Poll};

use msgrpc_transport::{Listener, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Closing, Connection, Driver, Manners, Services};
use crate::context::Context;
use crate::datagram::DatagramServer;
use crate::router::Router;
use crate::shutdown::ServerHandle;

/// What every connection of a server gets.
#[derive(Clone, Debug)]
pub(crate) struct Acceptor {
    pub(crate) router: Arc<Router>,
    /// Bounds blocking methods over all connections.
    pub(crate) blocking: Arc<Semaphore>,
    /// Bounds connections.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) manners: Manners,
    pub(crate) tasks: TaskTracker,
    pub(crate) connections: Arc<Connections>,
    pub(crate) server: ServerHandle,
}

/// The live connections of a server, so that it can end them.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    state: Mutex<Live>,
    /// Cancelled when no more connections are accepted.
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct Live {
    next: u64,
    connections: HashMap<u64, Weak<Connection>>,
    /// One for each socket that datagrams are served on.
    datagrams: Vec<Weak<DatagramServer>>,
    /// How those that come now end at once.
    closing: Option<Closing>,
}

impl Connections {
    /// Ends all connections in this way, also those that are about to begin.
    pub(crate) fn close(&self, closing: Closing) {
        self.closing.cancel();
        let mut state = self.lock();
        state.closing = Some(closing);
        let connections: Vec<_> = state.connections.values().filter_map(Weak::upgrade).collect();
        let datagrams: Vec<_> = state.datagrams.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        for server in datagrams {
            server.close(closing);
        }
        for connection in connections {
            connection.close(closing);
        }
    }

    /// Serves datagrams as well, until all connections end.
    pub(crate) fn add_datagrams(&self, server: &Arc<DatagramServer>) {
        self.lock().datagrams.push(Arc::downgrade(server));
    }

    /// Connections that have not ended, and requests and notifications at work on any, or in datagrams.
    pub(crate) fn left(&self) -> (usize, usize) {
        let state = self.lock();
        let datagrams = state.datagrams.iter().filter_map(Weak::upgrade);
        let at_work = datagrams.map(|server| server.at_work()).sum();
        let left = state.connections.values().filter_map(Weak::upgrade);
        left.fold((0, at_work), |(connections, at_work), connection| {
            let live = usize::from(!connection.gone().is_cancelled());
            (connections + live, at_work + connection.at_work())
        })
    }

    fn add(&self, connection: &Arc<Connection>) -> u64 {
        let mut state = self.lock();
        let key = state.next;
        state.next += 1;
        state.connections.insert(key, Arc::downgrade(connection));
        let closing = state.closing;
        drop(state);
        if let Some(closing) = closing {
            connection.close(closing);
        }
        key
    }

    /// While the server ends none is removed: a method that does not end may keep it.
    fn remove(&self, key: u64) {
        let mut state = self.lock();
        if state.closing.is_none() {
            state.connections.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections until the server ends.
pub(crate) async fn accept_all(acceptor: Acceptor, mut listener: Listener) {
    let connections = Arc::clone(&acceptor.connections);
    let accepting = async {
        loop {
            // A place that is taken before would be kept from the other listeners while nobody comes here.
            let stream = listener.accept().await;
            let Ok(place) = Arc::clone(&acceptor.places).acquire_owned().await else { return };
            acceptor.tasks.spawn(Serving::new(&acceptor, stream, place));
        }
    };
    connections.closing.run_until_cancelled(accepting).await;
}

/// Serves one connection to its end.
///
/// Written by hand since it is most of what an idle connection costs: an `async fn` keeps its arguments
/// beside what it made of them.
struct Serving {
    driver: Driver,
    connections: Arc<Connections>,
    key: u64,
    _place: OwnedSemaphorePermit,
}

impl Serving {
    fn new(acceptor: &Acceptor, stream: Stream, place: OwnedSemaphorePermit) -> Self {
        let Acceptor { router, blocking, manners, tasks, connections, server, .. } = acceptor;
        let connection = Connection::new(&stream, manners, tasks.clone()).counted(server.tally());
        let connection = Arc::new(connection);
        tracing::debug!(peer = %connection.peer_name(), "connection accepted");
        let blocking = Arc::clone(blocking);
        let context = Context::of_server(Arc::clone(&connection), blocking, server.clone());
        let services = Services { router: Arc::clone(router), context };
        let driver = Driver::new(&connection, stream, services);
        let key = connections.add(&connection);
        Self { driver, connections: Arc::clone(connections), key, _place: place }
    }
}

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        Pin::new(&mut self.driver).poll(cx)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.connections.remove(self.key);
    }
}
