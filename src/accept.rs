//! The accept loop: one task a listener, one task a connection.
//!
//! Used by the server. It takes a place for a connection before it accepts one, so that too many wait in
//! the system's backlog.

use std::sync::Arc;

use msgrpc_transport::{Listener, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Closing, Connection, Driver, Manners, Services};
use crate::context::Context;
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
    /// Cancelled when the server is to end in order.
    pub(crate) drain: CancellationToken,
    /// Cancelled when it is to end at once.
    pub(crate) abort: CancellationToken,
}

/// Accepts connections until the server ends.
pub(crate) async fn accept_all(acceptor: Acceptor, mut listener: Listener) {
    let drain = acceptor.drain.clone();
    let accepting = async {
        while let Ok(place) = Arc::clone(&acceptor.places).acquire_owned().await {
            let stream = listener.accept().await;
            acceptor.tasks.spawn(serve(acceptor.clone(), stream, place));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = drain.cancelled() => {}
        () = acceptor.abort.cancelled() => {}
    }
}

/// Serves one connection to its end.
async fn serve(acceptor: Acceptor, stream: Stream, place: OwnedSemaphorePermit) {
    let connection = Arc::new(Connection::new(&stream, &acceptor.manners, acceptor.tasks));
    tracing::debug!(peer = %connection.peer_name(), "connection accepted");
    let context = Context::new(Arc::clone(&connection), acceptor.blocking);
    let services = Services { router: acceptor.router, context };
    let mut driver = Driver::new(&connection, stream, services);
    tokio::select! {
        biased;
        () = &mut driver => return drop(place),
        () = acceptor.drain.cancelled() => connection.close(Closing::Drain),
        () = acceptor.abort.cancelled() => connection.close(Closing::Abort),
    }
    tokio::select! {
        biased;
        () = &mut driver => {}
        () = acceptor.abort.cancelled() => {
            // Closes at once; its handlers see that nobody waits any more.
            connection.close(Closing::Abort);
            driver.await;
        }
    }
    drop(place);
}
