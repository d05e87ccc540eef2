//! `Context`: what a method learns about who called it, and its way back to that peer.
//!
//! Filled in by the connection; a method that wants it takes `ctx: &Context` first. It is no argument on
//! the wire.

use std::fmt;
use std::sync::Arc;

use msgrpc_transport::{Address, Peer};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::connection::Connection;
use crate::datagram::Asked;
use crate::in_process::Work;

/// The surroundings of a request.
#[derive(Clone)]
pub struct Context(Arc<Surroundings>);

/// What all requests of one connection share.
struct Surroundings {
    origin: Origin,
    /// Bounds the blocking methods of the whole server.
    blocking: Arc<Semaphore>,
}

/// Where a request came from.
enum Origin {
    Connection(Arc<Connection>),
    InProcess(Arc<Work>),
    Datagram(Asked),
}

impl Context {
    pub(crate) fn new(connection: Arc<Connection>, blocking: Arc<Semaphore>) -> Self {
        Self(Arc::new(Surroundings { origin: Origin::Connection(connection), blocking }))
    }

    pub(crate) fn in_process(work: Arc<Work>, blocking: Arc<Semaphore>) -> Self {
        Self(Arc::new(Surroundings { origin: Origin::InProcess(work), blocking }))
    }

    pub(crate) fn asked(asked: Asked, blocking: Arc<Semaphore>) -> Self {
        Self(Arc::new(Surroundings { origin: Origin::Datagram(asked), blocking }))
    }

    /// Who called: the other end of the connection, with its [credentials](Peer::credentials) where it is a Unix
    /// socket. A call in process has a peer that prints as `in process`; that of a datagram is what its header says, which nothing
    /// proves.
    pub fn peer(&self) -> &Peer {
        match &self.0.origin {
            Origin::Connection(connection) => connection.peer(),
            Origin::InProcess(work) => work.peer(),
            Origin::Datagram(asked) => asked.peer(),
        }
    }

    /// The address of this side that the peer is connected to.
    pub fn local(&self) -> &Address {
        match &self.0.origin {
            Origin::Connection(connection) => connection.local(),
            Origin::InProcess(work) => work.local(),
            Origin::Datagram(asked) => asked.local(),
        }
    }

    /// Ends when nothing can be answered any more: the peer is gone, or the server is; in process, when the caller has
    /// given up. Nobody tells that the sender of a datagram is gone.
    ///
    /// The method itself is dropped then; this tells work that it has spawned.
    pub async fn cancelled(&self) {
        self.gone().cancelled().await;
    }

    /// Whether nothing can be answered any more.
    pub fn is_cancelled(&self) -> bool {
        self.gone().is_cancelled()
    }

    /// A client of whoever called, over the same connection (W14).
    ///
    /// It does not keep the connection open. A peer that serves nothing answers with a fault; callers in process and by
    /// datagram serve nothing, and calling them is [`CallError::Closed`](crate::CallError::Closed).
    pub fn client(&self) -> Client {
        Client::borrowed(match &self.0.origin {
            Origin::Connection(connection) => connection,
            Origin::InProcess(work) => work.nobody(),
            Origin::Datagram(asked) => asked.nobody(),
        })
    }

    fn gone(&self) -> &CancellationToken {
        match &self.0.origin {
            Origin::Connection(connection) => connection.gone(),
            Origin::InProcess(work) => work.gone(),
            Origin::Datagram(asked) => asked.gone(),
        }
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        match &self.0.origin {
            Origin::Connection(connection) => connection.tasks(),
            Origin::InProcess(work) => work.tasks(),
            Origin::Datagram(asked) => asked.tasks(),
        }
    }

    pub(crate) fn blocking(&self) -> &Arc<Semaphore> {
        &self.0.blocking
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
