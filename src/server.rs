//! `Server`: services on listeners, until it is told to stop.
//!
//! Built with services and addresses, then bound, then run. Each connection has its own task; all tasks
//! are tracked, and only a blocking method that does not end outlives the server.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, pending, select};
use msgrpc_core::{FaultFormat, Limits};
use msgrpc_transport::{
    Address, AddressError, BindError, DatagramSocket, KeepAlive, ListenOptions, Listener,
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::accept::{Acceptor, Connections, accept_all};
use crate::connection::{Closing, Manners, require_clock};
use crate::datagram::{Answering, DatagramCounters, DatagramOptions, DatagramServer, Listening};
use crate::method_timeouts::MethodTimeouts;
use crate::router::Router;
use crate::service::Service;
use crate::shutdown::{Owner, ServerHandle, Stopped, add};

/// How long tasks have to end after they were told to end at once.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// Services and addresses, before they are bound.
///
/// ```no_run
/// # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
/// # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// msgrpc::Server::new(HelloService::new(Hi))
///     .listen("tcp://127.0.0.1:8000")
///     .run_until(tokio::signal::ctrl_c())
///     .await?;
/// # Ok(()) }
/// ```
#[must_use = "a server does nothing until it runs"]
pub struct Server {
    services: Vec<Arc<dyn Service>>,
    addresses: Vec<Result<Address, AddressError>>,
    listeners: Vec<Listener>,
    /// Where further listeners come from, if any are handed over.
    pub(crate) inherit: Option<HandedOver>,
    pub(crate) timeouts: MethodTimeouts,
    options: Options,
    owner: Owner,
}

/// Takes the sockets that were handed over to this process.
pub(crate) struct HandedOver(pub(crate) fn(&ListenOptions) -> Result<Vec<Listener>, BindError>);

#[derive(Clone, Debug)]
struct Options {
    limits: Limits,
    faults: FaultFormat,
    listen: ListenOptions,
    datagrams: DatagramOptions,
    answer_delay: Option<Duration>,
}

impl Server {
    /// A server of this service, with the limits of [`Limits::server`].
    pub fn new(service: impl Service) -> Self {
        Self {
            services: vec![Arc::new(service)],
            addresses: Vec::new(),
            listeners: Vec::new(),
            inherit: None,
            timeouts: MethodTimeouts::default(),
            options: Options {
                limits: Limits::server(),
                faults: FaultFormat::default(),
                listen: ListenOptions::default(),
                datagrams: DatagramOptions::default(),
                answer_delay: None,
            },
            owner: Owner::new(),
        }
    }

    /// Serves another service as well. Two with a method of the same name fail at [`bind`](Self::bind).
    pub fn service(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// Listens on `address` as well, such as `tcp://127.0.0.1:8000`; port 0 picks a free one. A bad
    /// address fails at [`bind`](Self::bind).
    pub fn listen<A>(mut self, address: A) -> Self
    where
        A: TryInto<Address, Error: Into<AddressError>>,
    {
        self.addresses.push(address.try_into().map_err(Into::into));
        self
    }

    /// Accepts from a listener that is bound already.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// All limits. Default: [`Limits::server`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// How datagrams are answered. Default: [`DatagramOptions::default`].
    pub fn datagrams(mut self, options: DatagramOptions) -> Self {
        self.options.datagrams = options;
        self
    }

    /// Answers on multicast addresses wait for a random time up to this one, so that those of many servers do not come
    /// to the client all at once. Default: none, as a group of a few servers needs none.
    pub fn answer_delay(mut self, longest: impl Into<Option<Duration>>) -> Self {
        self.options.answer_delay = longest.into();
        self
    }

    /// How faults are written (W8). Default: as text, which every known peer reads.
    pub fn fault_format(mut self, format: FaultFormat) -> Self {
        self.options.faults = format;
        self
    }

    /// How long a connection may be idle before it is closed, `None` for as long as it likes: as
    /// [`Limits::idle_timeout`]. Default: `None`.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.limits.idle_timeout = timeout.into();
        self
    }

    /// The certificate that is shown at `tls://` addresses, and whether clients must show one.
    #[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
    pub fn tls(mut self, tls: crate::tls::ServerTls) -> Self {
        self.options.listen = self.options.listen.tls(tls);
        self
    }

    /// How long a client's TLS handshake may take. Default: 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.listen = self.options.listen.handshake_timeout(timeout);
        self
    }

    /// TLS handshakes at once, of each address; more wait until one is over, or its client has been silent for half a
    /// second. Default: 256.
    pub fn handshakes(mut self, handshakes: usize) -> Self {
        self.options.listen = self.options.listen.handshakes(handshakes);
        self
    }

    /// TCP keep-alive of the connections, `None` for none. Default: a client that has died without a word is noticed
    /// within two minutes; see [`KeepAlive`].
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.options.listen = self.options.listen.keep_alive(keep_alive);
        self
    }

    /// How long requests at work have after the server was told to stop. Default: 30 s, as long as a client
    /// waits for an answer by default.
    pub fn shutdown_grace(self, grace: Duration) -> Self {
        self.owner.set_grace(grace);
        self
    }

    /// What ends this server from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.owner.handle().clone()
    }

    /// Binds every address. Connections queue in the system's backlog until the server runs.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: a bad address, one that cannot be bound, or two services with one method.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future unbinds what was bound.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one without a clock or sockets: build it with `enable_all`.
    pub async fn bind(self) -> Result<BoundServer, ServeError> {
        require_clock();
        let router = Arc::new(Router::new(self.services)?.with_timeouts(self.timeouts)?);
        let mut listeners = self.listeners;
        if let Some(HandedOver(take)) = self.inherit {
            listeners.extend(take(&self.options.listen)?);
        }
        let mut places: Vec<_> = listeners.into_iter().map(Bound::Streams).collect();
        for address in self.addresses {
            places.push(Bound::new(&address?, &self.options).await?);
        }
        if places.is_empty() {
            return Err(ServeError::NoAddress);
        }
        let counters = DatagramCounters::default();
        Ok(BoundServer { router, places, counters, options: self.options, owner: self.owner })
    }

    /// Binds and serves for ever.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); a server that runs does not fail.
    pub async fn run(self) -> Result<(), ServeError> {
        self.bind().await?.run().await
    }

    /// Binds and serves until `stop` is ready, then shuts down as [`BoundServer::run_until`] says.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); a server that runs does not fail.
    pub async fn run_until<F: Future>(self, stop: F) -> Result<Stopped, ServeError> {
        self.bind().await?.run_until(stop).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A server whose addresses are bound.
#[derive(Debug)]
#[must_use = "a server does nothing until it runs"]
pub struct BoundServer {
    router: Arc<Router>,
    places: Vec<Bound>,
    counters: DatagramCounters,
    options: Options,
    owner: Owner,
}

/// One address that is bound.
#[derive(Debug)]
enum Bound {
    Streams(Listener),
    Datagrams(Listening),
}

impl Bound {
    async fn new(address: &Address, options: &Options) -> Result<Self, BindError> {
        Ok(match address {
            Address::Udp(_) => {
                let socket = DatagramSocket::bind(address).await?;
                Self::Datagrams(Listening { socket, answering: Answering::default() })
            }
            Address::Multicast(_) => {
                let member = DatagramSocket::member(address)?;
                let socket = Some(Arc::new(member.answering));
                let answering = Answering { silent: true, socket, delay: options.answer_delay };
                Self::Datagrams(Listening { socket: member.hearing, answering })
            }
            _ => Self::Streams(Listener::bind(address, &options.listen).await?),
        })
    }

    fn address(&self) -> &Address {
        match self {
            Self::Streams(listener) => listener.address(),
            Self::Datagrams(listening) => listening.socket.address(),
        }
    }
}

impl BoundServer {
    /// Where it listens, with the ports that the system picked.
    pub fn addresses(&self) -> Vec<Address> {
        self.places.iter().map(|place| place.address().clone()).collect()
    }

    /// Counts what becomes of datagrams, while the server runs.
    pub fn datagram_counters(&self) -> DatagramCounters {
        self.counters.clone()
    }

    /// What ends this server from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.owner.handle().clone()
    }

    /// Serves until a [`handle`](Self::handle) tells it to end.
    ///
    /// # Errors
    ///
    /// None so far: a server that runs does not fail. The type is that of [`Server::run`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes every connection at once.
    pub async fn run(self) -> Result<(), ServeError> {
        self.run_until(pending::<()>()).await.map(drop)
    }

    /// Serves until `stop` is ready, or a [`handle`](Self::handle) says so, then ends in order:
    ///
    /// 1. No connection is accepted any more, and the addresses are free.
    /// 2. Requests and notifications at work go on, and calls that they make of their peers are answered. A request that
    ///    is read now is refused with -32003, "the server is shutting down": the caller knows that it was not run. A
    ///    notification that had been read, or is read at once, is run; one that comes later is discarded and counted.
    /// 3. A connection is closed as soon as it has nothing at work and its answers are written.
    /// 4. When the grace of [`Server::shutdown_grace`] is over, what is left is dropped, and tasks have one second to
    ///    end.
    ///
    /// # Errors
    ///
    /// None so far: a server that runs does not fail. The type is that of [`Server::run_until`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes every connection at once.
    pub async fn run_until<F: Future>(self, stop: F) -> Result<Stopped, ServeError> {
        let Options { limits, faults, datagrams, .. } = self.options;
        let tasks = TaskTracker::new();
        let connections = Arc::new(Connections::default());
        let blocking = Arc::new(Semaphore::new(limits.blocking));
        let acceptor = Acceptor {
            router: self.router,
            blocking: Arc::clone(&blocking),
            places: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            manners: Manners::new(limits, faults),
            tasks: tasks.clone(),
            connections: Arc::clone(&connections),
            server: self.owner.handle().clone(),
        };
        // Whatever ends this future ends the connections.
        let run = Run { connections: Arc::clone(&connections), owner: self.owner };
        for place in self.places {
            match place {
                Bound::Streams(listener) => tasks.spawn(accept_all(acceptor.clone(), listener)),
                Bound::Datagrams(listening) => {
                    let counters = self.counters.clone();
                    let server = DatagramServer::new(listening, &acceptor, &datagrams, counters);
                    connections.add_datagrams(&server);
                    tasks.spawn(server.run())
                }
            };
        }
        let most_blocking = acceptor.manners.limits.blocking;
        drop(acceptor);
        select(pin!(stop), pin!(run.owner.ordered())).await;
        run.drain(&tasks).await;
        run.abort();
        // A blocking method cannot be stopped, nor one that never waits; the server does not wait for them.
        if tokio::time::timeout(ABORT_GRACE, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "tasks are left that do not end");
        }
        let stopped = run.count(most_blocking - blocking.available_permits());
        tracing::info!(%stopped, "the server has ended");
        run.owner.end(stopped);
        Ok(stopped)
    }
}

/// What a server runs; it is ended at once when this is dropped.
struct Run {
    connections: Arc<Connections>,
    owner: Owner,
}

impl Run {
    /// Ends in order, as far as the time allows.
    async fn drain(&self, tasks: &TaskTracker) {
        tracing::info!("shutting down");
        if !self.owner.handle().is_stopping() {
            self.owner.handle().shutdown();
        }
        self.connections.close(Closing::Drain);
        tasks.close();
        if let Either::Right(_) = select(pin!(tasks.wait()), pin!(self.owner.due())).await {
            tracing::debug!("the grace is over");
        }
    }

    fn abort(&self) {
        self.connections.close(Closing::Abort);
        self.owner.handle().aborted().cancel();
    }

    /// How it ended, with this many blocking methods left.
    fn count(&self, blocking: usize) -> Stopped {
        let tally = self.owner.handle().tally();
        let (connections, at_work) = self.connections.left();
        add(&tally.connections_aborted, connections);
        add(&tally.aborted, at_work);
        let mut stopped = tally.count();
        stopped.blocking = blocking;
        stopped
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address is not one.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is nothing to listen on.
    #[error("the server has no address; give it one, such as .listen(\"tcp://127.0.0.1:8000\")")]
    NoAddress,
    /// The system does not let the program listen for signals.
    #[error("cannot listen for signals: {0}")]
    Signal(std::io::Error),
    /// Two services have a method of the same name on the wire.
    #[error(
        "the services `{first}` and `{second}` both have a method `{method}`; give one of them a \
         namespace, #[msgrpc::service(namespace = \"…\")], or the method another name"
    )]
    DuplicateMethod {
        /// The name.
        method: &'static str,
        /// The service that has it.
        first: &'static str,
        /// The service that has it as well.
        second: &'static str,
    },
    /// A timeout was set for a method that no service has.
    #[error(
        "no service has a method `{method}`, for which a timeout is set; what counts is the name on \
         the wire, with its namespace"
    )]
    NoSuchMethod {
        /// The name.
        method: Box<str>,
    },
    /// Two services take any name.
    #[error("the services `{first}` and `{second}` both take methods of any name; only one can")]
    TwoFallbacks {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}
