//! Connecting as a value: the open trait behind clients, pools and simulated networks.
//!
//! Used by whoever connects more than once. [`Dialer`] is the one for addresses.

use std::sync::Arc;

use crate::lookup::Lookups;
use crate::{Address, BoxFuture, ConnectError, DialOptions, Stream, dial};

/// Opens connections to one place, as often as asked.
///
/// Implement it for a transport of your own: a tunnel, a child process, a simulated network.
///
/// # Examples
///
/// ```
/// use msgrpc_transport::{BoxFuture, Connect, ConnectError, Peer, Stream};
///
/// /// Both ends in one process, the far one echoing.
/// struct Echo;
///
/// impl Connect for Echo {
///     fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
///         Box::pin(async {
///             let (near, far) = tokio::io::duplex(1024);
///             tokio::spawn(async move {
///                 let (mut read, mut write) = tokio::io::split(far);
///                 tokio::io::copy(&mut read, &mut write).await
///             });
///             let local = "memory://echo".parse().expect("this is an address");
///             Ok(Stream::new(near, Peer::named("echo"), local))
///         })
///     }
///
///     fn address(&self) -> String {
///         "echo".to_owned()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot open connections",
    label = "this is no `Connect`",
    note = "for an address, use `Dialer::new(\"tcp://127.0.0.1:8000\".parse()?)`",
    note = "for a transport of your own, implement `Connect`: `connect(&self)` returns a boxed future of a `Stream`"
)]
pub trait Connect: Send + Sync + 'static {
    /// Opens one connection. Called again after it was lost, and for each connection of a pool, perhaps at once.
    ///
    /// # Errors
    ///
    /// A transport of your own makes its errors with [`ConnectError::custom`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must give up the attempt.
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>>;

    /// Where this connects to, for messages and logs.
    fn address(&self) -> String;
}

impl<C: Connect + ?Sized> Connect for Arc<C> {
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
        (**self).connect()
    }

    fn address(&self) -> String {
        (**self).address()
    }
}

impl<C: Connect + ?Sized> Connect for Box<C> {
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
        (**self).connect()
    }

    fn address(&self) -> String {
        (**self).address()
    }
}

/// Connects to an [`Address`], by [`dial`](dial()).
///
/// A host name is looked up for each connection. While a look-up hangs no other is begun: the next try waits for it, or
/// after a second uses the addresses that the last one found.
#[derive(Clone, Debug)]
pub struct Dialer {
    address: Address,
    options: DialOptions,
}

impl Dialer {
    /// Connects to `address` with the default options.
    pub fn new(address: Address) -> Self {
        Self { address, options: DialOptions::default() }
    }

    /// Connects with these options.
    #[must_use]
    pub fn options(mut self, options: DialOptions) -> Self {
        // Its place is its own.
        self.options = DialOptions { lookups: Lookups::default(), ..options };
        self
    }
}

impl Connect for Dialer {
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
        Box::pin(dial(&self.address, &self.options))
    }

    fn address(&self) -> String {
        self.address.to_string()
    }
}
