//! Signals that end a program: SIGTERM and SIGINT; on Windows Ctrl-C.
//!
//! Used by servers that are a program of their own: [`Server::run_until_signal`] does it all. It ends nothing itself:
//! the program ends when its `main` returns.
//!
//! Waiting for a signal replaces what it does by itself, for the rest of the program: one that nobody waits for any more
//! does nothing.
//!
//! # Reading the configuration anew
//!
//! SIGHUP is left to the program, where it has something to read anew:
//!
//! ```no_run
//! # #[cfg(unix)] {
//! # async fn example(read_anew: impl Fn()) -> std::io::Result<()> {
//! use tokio::signal::unix::{SignalKind, signal};
//!
//! let mut hangups = signal(SignalKind::hangup())?;
//! while hangups.recv().await.is_some() {
//!     read_anew();
//! }
//! # Ok(()) }
//! # }
//! ```

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::pin;

use futures::future::{Either, select};

use crate::server::{BoundServer, ServeError, Server};
use crate::shutdown::{ServerHandle, Stopped};

/// Waits for SIGTERM or SIGINT; on Windows for Ctrl-C.
///
/// To end several servers, or more than a server: `server.run_until(msgrpc::signal::shutdown())`. A second signal does
/// nothing; [`Server::run_until_signal`] ends at once then.
///
/// # Errors
///
/// When the system does not let the program listen for signals.
///
/// # Cancel safety
///
/// Dropping the future loses no signal that comes later, but does not give it back its own effect either.
pub async fn shutdown() -> io::Result<()> {
    let signal = Signals::listen()?.next().await;
    tracing::info!(signal, "told to end");
    Ok(())
}

impl Server {
    /// Binds, and serves until SIGTERM or SIGINT comes, on Windows Ctrl-C; then ends in order, as
    /// [`BoundServer::run_until`] says. A second signal ends it at once.
    ///
    /// ```no_run
    /// # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
    /// # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
    /// #[tokio::main]
    /// async fn main() -> Result<(), msgrpc::ServeError> {
    ///     let server = msgrpc::Server::new(HelloService::new(Hi)).listen("tcp://127.0.0.1:8000");
    ///     println!("{}", server.run_until_signal().await?);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), and [`ServeError::Signal`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes every connection at once.
    pub async fn run_until_signal(self) -> Result<Stopped, ServeError> {
        self.bind().await?.run_until_signal().await
    }
}

impl BoundServer {
    /// Serves until SIGTERM or SIGINT comes, as [`Server::run_until_signal`] says.
    ///
    /// # Errors
    ///
    /// [`ServeError::Signal`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes every connection at once.
    pub async fn run_until_signal(self) -> Result<Stopped, ServeError> {
        let signals = Signals::listen().map_err(ServeError::Signal)?;
        let orders = pin!(give_orders(signals, self.handle()));
        match select(pin!(self.run_until(pending::<()>())), orders).await {
            Either::Left((stopped, _)) => stopped,
            Either::Right((never, _)) => match never {},
        }
    }
}

/// The first signal ends the server in order, the second one at once.
async fn give_orders(mut signals: Signals, server: ServerHandle) -> Infallible {
    let first = signals.next().await;
    tracing::info!(signal = first, "told to end");
    server.shutdown();
    let second = signals.next().await;
    tracing::warn!(signal = second, "told to end at once");
    server.abort();
    pending().await
}

/// The signals, from the moment that it is made.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(not(unix))]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(not(unix))]
    fn listen() -> io::Result<Self> {
        Ok(Self { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    /// The next one's name.
    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        let (terminate, interrupt) = (pin!(self.terminate.recv()), pin!(self.interrupt.recv()));
        match select(terminate, interrupt).await {
            Either::Left(_) => "SIGTERM",
            Either::Right(_) => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        self.ctrl_c.recv().await;
        "Ctrl-C"
    }
}
