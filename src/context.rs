//! `Context`: what a method learns about who called it, and its way back to that peer.
//!
//! Filled in by the connection; a method that wants it takes `ctx: &Context` first. It is no argument on
//! the wire.

use std::fmt;
use std::sync::Arc;

use msgrpc_transport::{Address, Peer};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::connection::Connection;

/// The surroundings of a request.
#[derive(Clone)]
pub struct Context {
    connection: Arc<Connection>,
    /// Bounds the blocking methods of the whole server.
    blocking: Arc<Semaphore>,
}

impl Context {
    pub(crate) fn new(connection: Arc<Connection>, blocking: Arc<Semaphore>) -> Self {
        Self { connection, blocking }
    }

    /// Who called: the other end of the connection.
    pub fn peer(&self) -> &Peer {
        self.connection.peer()
    }

    /// The address of this side that the peer is connected to.
    pub fn local(&self) -> &Address {
        self.connection.local()
    }

    /// Ends when nothing can be answered any more: the peer is gone, or the server is.
    ///
    /// The method itself is dropped then; this tells work that it has spawned.
    pub async fn cancelled(&self) {
        self.connection.gone().cancelled().await;
    }

    /// Whether nothing can be answered any more.
    pub fn is_cancelled(&self) -> bool {
        self.connection.gone().is_cancelled()
    }

    /// A client of whoever called, over the same connection (W14).
    ///
    /// It does not keep the connection open. A peer that serves nothing answers with a fault.
    pub fn client(&self) -> Client {
        Client::borrowed(&self.connection)
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        self.connection.tasks()
    }

    pub(crate) fn blocking(&self) -> &Arc<Semaphore> {
        &self.blocking
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("peer", &format_args!("{}", self.peer()))
            .field("local", &format_args!("{}", self.local()))
            .finish_non_exhaustive()
    }
}
