//! A client and a server, connected in memory.
//!
//! Used by tests that want everything but a network: encoding, limits, timeouts, shutdown. The bytes are those that
//! would go over a socket.

use std::sync::atomic::{AtomicU64, Ordering};

use msgrpc_transport::Address;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Client, Reconnect};
use crate::server::{ServeError, Server};
use crate::service::Service;
use crate::shutdown::Stopped;

/// Serves `service` at an address in memory of its own, and connects a client to it.
///
/// Must be called within a tokio runtime. The server ends, in order, when its handle is dropped.
///
/// ```
/// # #[msgrpc::service] pub trait Adder { async fn add(&self, a: i64, b: i64) -> i64; }
/// # struct Calc; impl Adder for Calc { async fn add(&self, a: i64, b: i64) -> i64 { a + b } }
/// # #[tokio::main] async fn main() -> Result<(), msgrpc::CallError> {
/// let (client, server) = msgrpc::testing::pair(AdderService::new(Calc)).await;
/// let adder = AdderClient::new(client);
/// assert_eq!(adder.add(2, 3).await?, 5);
/// assert_eq!(server.stop().await.aborted, 0);
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// When the service cannot be served, which is a defect of a [`Service`] written by hand.
///
/// # Cancel safety
///
/// Dropping the future ends the server.
pub async fn pair(service: impl Service) -> (Client, TestServer) {
    let server = TestServer::start(Server::new(service)).await.expect("one service can be served");
    let client = server.client().await;
    (client, server)
}

/// A server in memory, for as long as this handle lives.
#[derive(Debug)]
pub struct TestServer {
    address: Address,
    /// Dropping it tells the server to end.
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Stopped, ServeError>>,
}

impl TestServer {
    /// Runs `server`, with settings of its own, at an address in memory that no other has.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what was begun.
    pub async fn start(server: Server) -> Result<Self, ServeError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("memory://msgrpc-testing/{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let address: Address = name.parse()?;
        let server = server.listen(&address).bind().await?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { address, stop, task: tokio::spawn(server.run_until(stopped)) })
    }

    /// Where it listens, for clients with settings of their own: `Client::builder(&server.address().to_string())`.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Connects another client. It does not reconnect: when this server has ended, its calls fail at once.
    ///
    /// # Panics
    ///
    /// When the server has ended, by a panic of its own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn client(&self) -> Client {
        let builder = Client::builder(&self.address.to_string()).reconnect(Reconnect::never());
        builder.connect().await.expect("the server listens")
    }

    /// Shuts the server down as [`BoundServer::run_until`](crate::BoundServer::run_until) says, and waits for its end.
    ///
    /// # Panics
    ///
    /// When the server has panicked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the server ending.
    pub async fn stop(self) -> Stopped {
        drop(self.stop);
        let ended = self.task.await.expect("the server does not panic");
        ended.expect("a server that runs does not fail")
    }
}
