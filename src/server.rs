//! `Server`: services on listeners, until it is told to stop.
//!
//! Built with services and addresses, then bound, then run. Each connection has its own task; all tasks
//! are tracked, and only a blocking method that does not end outlives the server.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::pending;
use msgrpc_core::{FaultFormat, Limits};
use msgrpc_transport::{Address, AddressError, BindError, DatagramSocket, ListenOptions, Listener};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::accept::{Acceptor, Connections, accept_all};
use crate::connection::{Closing, Manners};
use crate::datagram::{Answering, DatagramCounters, DatagramOptions, DatagramServer, Listening};
use crate::router::Router;
use crate::service::Service;

/// How long requests at work have after the server was told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

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
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    limits: Limits,
    faults: FaultFormat,
    listen: ListenOptions,
    datagrams: DatagramOptions,
    answer_delay: Option<Duration>,
    shutdown_grace: Duration,
}

impl Server {
    /// A server of this service, with the limits of [`Limits::server`].
    pub fn new(service: impl Service) -> Self {
        Self {
            services: vec![Arc::new(service)],
            addresses: Vec::new(),
            listeners: Vec::new(),
            options: Options {
                limits: Limits::server(),
                faults: FaultFormat::default(),
                listen: ListenOptions::default(),
                datagrams: DatagramOptions::default(),
                answer_delay: None,
                shutdown_grace: SHUTDOWN_GRACE,
            },
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

    /// How long requests at work have after the server was told to stop. Default: 30 s.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.options.shutdown_grace = grace;
        self
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
    pub async fn bind(self) -> Result<BoundServer, ServeError> {
        let router = Arc::new(Router::new(self.services)?);
        let mut places: Vec<_> = self.listeners.into_iter().map(Bound::Streams).collect();
        for address in self.addresses {
            places.push(Bound::new(&address?, &self.options).await?);
        }
        if places.is_empty() {
            return Err(ServeError::NoAddress);
        }
        let counters = DatagramCounters::default();
        Ok(BoundServer { router, places, counters, options: self.options })
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
                let socket = DatagramSocket::bind(address, &options.listen).await?;
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

    /// Serves for ever.
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

    /// Serves until `stop` is ready, then ends in order: no more connections, no more requests; those
    /// at work are answered, and what the grace of [`Server::shutdown_grace`] does not suffice for is
    /// dropped.
    ///
    /// # Errors
    ///
    /// None so far: a server that runs does not fail. The type is that of [`Server::run_until`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes every connection at once.
    pub async fn run_until<F: Future>(self, stop: F) -> Result<Stopped, ServeError> {
        let Options { limits, faults, datagrams, shutdown_grace, .. } = self.options;
        let tasks = TaskTracker::new();
        let connections = Arc::new(Connections::default());
        let acceptor = Acceptor {
            router: self.router,
            blocking: Arc::new(Semaphore::new(limits.blocking)),
            places: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            manners: Manners { limits: Arc::new(limits), faults },
            tasks: tasks.clone(),
            connections: Arc::clone(&connections),
        };
        // Whatever ends this future ends the connections.
        let abort = AbortOnDrop(Arc::clone(&connections));
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
        drop(acceptor);
        stop.await;
        tracing::info!("shutting down");
        connections.close(Closing::Drain);
        tasks.close();
        let in_time = tokio::time::timeout(shutdown_grace, tasks.wait()).await.is_ok();
        let aborted = if in_time { 0 } else { connections.at_work() };
        drop(abort);
        // A blocking method cannot be stopped; the server does not wait for it.
        if tokio::time::timeout(ABORT_GRACE, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "tasks are left that do not end");
        }
        Ok(Stopped { aborted })
    }
}

/// Closes every connection of a server at once when it is dropped.
struct AbortOnDrop(Arc<Connections>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.close(Closing::Abort);
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Requests and notifications at work that the grace did not suffice for.
    pub aborted: usize,
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
    /// Two services take any name.
    #[error("the services `{first}` and `{second}` both take methods of any name; only one can")]
    TwoFallbacks {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}
