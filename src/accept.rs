//! The accept loop: one task a listener, one task a connection.
//!
//! Used by the server. It takes a place for a connection before it accepts one, so that too many wait in
//! the system's backlog.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use msgrpc_transport::{Listener, Stream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Closing, Connection, Driver, Manners, Services};
use crate::context::Context;
use crate::datagram::DatagramServer;
use crate::router::Router;

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

    /// Requests and notifications at work on all connections and in datagrams.
    pub(crate) fn at_work(&self) -> usize {
        let state = self.lock();
        let connections = state.connections.values().filter_map(Weak::upgrade);
        let datagrams = state.datagrams.iter().filter_map(Weak::upgrade);
        connections.map(|connection| connection.at_work()).sum::<usize>()
            + datagrams.map(|server| server.at_work()).sum::<usize>()
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

    fn remove(&self, key: u64) {
        self.lock().connections.remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections until the server ends.
pub(crate) async fn accept_all(acceptor: Acceptor, mut listener: Listener) {
    let connections = Arc::clone(&acceptor.connections);
    let accepting = async {
        while let Ok(place) = Arc::clone(&acceptor.places).acquire_owned().await {
            let stream = listener.accept().await;
            let connection = serve(acceptor.clone(), stream);
            acceptor.tasks.spawn(async move {
                connection.await;
                drop(place);
            });
        }
    };
    connections.closing.run_until_cancelled(accepting).await;
}

/// Serves one connection to its end.
async fn serve(acceptor: Acceptor, stream: Stream) {
    let Acceptor { router, blocking, manners, tasks, connections, .. } = acceptor;
    let connection = Arc::new(Connection::new(&stream, &manners, tasks));
    tracing::debug!(peer = %connection.peer_name(), "connection accepted");
    let context = Context::new(Arc::clone(&connection), blocking);
    let driver = Driver::new(&connection, stream, Services { router, context });
    let key = connections.add(&connection);
    driver.await;
    connections.remove(key);
}
