//! `Context`: what a method learns about who called it, and its way back to that peer.
//!
//! Filled in by the connection; a method that wants it takes `ctx: &Context` first. It is no argument on
//! the wire.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use msgrpc_transport::{Address, Peer};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::connection::Connection;
use crate::datagram::Asked;
use crate::in_process::Work;
use crate::shutdown::{ServerHandle, add};

/// The surroundings of a request.
#[derive(Clone)]
pub struct Context(
    Arc<Surroundings>,
    /// When its method is due.
    Option<Instant>,
);

/// What all requests of one connection share.
struct Surroundings {
    origin: Origin,
    /// Bounds the blocking methods of the whole server.
    blocking: Arc<Semaphore>,
    server: Option<ServerHandle>,
}

/// Where a request came from.
enum Origin {
    Connection(Arc<Connection>),
    InProcess(Arc<Work>),
    Datagram(Asked),
}

impl Context {
    pub(crate) fn new(connection: Arc<Connection>, blocking: Arc<Semaphore>) -> Self {
        Self::made(Origin::Connection(connection), blocking, None)
    }

    pub(crate) fn of_server(
        connection: Arc<Connection>,
        blocking: Arc<Semaphore>,
        server: ServerHandle,
    ) -> Self {
        Self::made(Origin::Connection(connection), blocking, Some(server))
    }

    pub(crate) fn in_process(work: Arc<Work>, blocking: Arc<Semaphore>) -> Self {
        Self::made(Origin::InProcess(work), blocking, None)
    }

    fn made(origin: Origin, blocking: Arc<Semaphore>, server: Option<ServerHandle>) -> Self {
        Self(Arc::new(Surroundings { origin, blocking, server }), None)
    }

    /// The same surroundings, for a request that is due then.
    pub(crate) fn due_at(&self, deadline: Instant) -> Self {
        Self(Arc::clone(&self.0), Some(deadline))
    }

    pub(crate) fn asked(asked: Asked, blocking: Arc<Semaphore>, server: ServerHandle) -> Self {
        Self::made(Origin::Datagram(asked), blocking, Some(server))
    }

    /// Who called: the other end of the connection, with its [credentials](Peer::credentials) where it is a Unix
    /// socket. A call in process has a peer that prints as `in process`. That of a datagram is what its header says, which
    /// nothing proves.
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
    /// The method itself is dropped then; this tells work that it has spawned. See [`spawn`](Self::spawn) for work that is
    /// to go on.
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

    /// What ends the server that runs this method; `None` in a client that serves, and in process.
    pub fn server(&self) -> Option<&ServerHandle> {
        self.0.server.as_ref()
    }

    /// When the method is to be done: after that it is dropped. `None` unless the server has a
    /// [timeout for it](crate::Server::method_timeout).
    ///
    /// The caller's own timeout is not known here; it does not travel.
    pub fn deadline(&self) -> Option<Instant> {
        self.1
    }

    /// Runs `work` to its end on a task of its own, even when whoever called is gone.
    ///
    /// A method is dropped when its caller's connection ends; this is the way out for work that must not be cut in half.
    /// The server waits for it when it ends, until its grace is over; then the work is dropped, and its result is `None`.
    /// [`Client::close`] waits for what a client's own service has spawned.
    ///
    /// ```
    /// use msgrpc::Context;
    ///
    /// #[msgrpc::service]
    /// pub trait Bank {
    ///     async fn transfer(&self, ctx: &Context, cents: u64) -> bool;
    /// }
    ///
    /// struct Vault;
    ///
    /// impl Bank for Vault {
    ///     async fn transfer(&self, ctx: &Context, cents: u64) -> bool {
    ///         let both_accounts = async move { cents > 0 };
    ///         matches!(ctx.spawn(both_accounts).await, Ok(Some(true)))
    ///     }
    /// }
    /// ```
    pub fn spawn<F>(&self, work: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let server = self.0.server.clone();
        self.tasks().spawn(async move {
            let Some(server) = server else { return Some(work.await) };
            let ended = server.aborted().run_until_cancelled(work).await;
            if ended.is_none() {
                add(&server.tally().tasks_aborted, 1);
            }
            ended
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
