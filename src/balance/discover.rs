//! `Discover`: which servers there are, now and later.
//!
//! Asked by a balancer's own task. It finds servers; whether they are up is seen by connecting.

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::sync::Arc;

use msgrpc_transport::{Address, BoxFuture, Connect};

/// Tells which servers there are.
///
/// A fixed list and [`Dns`](super::Dns) are there; implement it for a registry of your own.
///
/// # Examples
///
/// ```
/// use msgrpc::transport::BoxFuture;
/// use msgrpc::{Discover, DiscoverError, Endpoint};
/// use tokio::sync::watch;
///
/// /// Servers that another part of the program keeps a list of.
/// struct Listed(watch::Receiver<Vec<Endpoint>>);
///
/// impl Discover for Listed {
///     fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
///         Box::pin(async {
///             // Whoever made the receiver has called `mark_changed`, so that the first list comes at once.
///             self.0.changed().await.map_err(|error| DiscoverError::new("the list", error))?;
///             Ok(self.0.borrow_and_update().clone())
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell which servers there are",
    label = "this is no `Discover`",
    note = "for a fixed list of addresses, use `Balance::builder([\"tcp://10.0.0.1:8000\", \"tcp://10.0.0.2:8000\"])`",
    note = "for all addresses of a name, use `Dns::new(\"tcp://calc.internal:8000\")?`",
    note = "for a registry of your own, implement `Discover`: `discover(&mut self)` returns a boxed future of a list"
)]
pub trait Discover: Send + 'static {
    /// All servers there are: the first time at once, then when the list may have changed. Called again after each
    /// answer, for as long as the balancer lives; one that has no more to say never ends.
    ///
    /// Calls under way on a server that is no longer in the list are finished there.
    ///
    /// # Errors
    ///
    /// When the list is not to be had. The last one stays, and this is called again after a pause.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped only when the balancer is closed.
    fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>>;
}

/// One server.
#[derive(Clone)]
pub struct Endpoint {
    name: Arc<str>,
    pub(super) place: Place,
}

/// How a server is reached.
#[derive(Clone)]
pub(super) enum Place {
    Address(Address),
    Connector(Arc<dyn Connect>),
}

impl Endpoint {
    /// The server at `address`, which is also its name.
    pub fn new(address: Address) -> Self {
        Self { name: address.to_string().into(), place: Place::Address(address) }
    }

    /// The server that `connector` leads to, by a transport of your own. Its name is the connector's address.
    pub fn with(connector: impl Connect) -> Self {
        let name = connector.address().into();
        Self { name, place: Place::Connector(Arc::new(connector)) }
    }

    /// The same under another name.
    ///
    /// Endpoints of the same name are the same server: as long as it is in the list, its connections stay.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }
}

impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        Self::new(address)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.name).finish()
    }
}

/// Why it is not known which servers there are.
#[derive(Debug, thiserror::Error)]
#[error("cannot discover the servers of {what}: {cause}")]
pub struct DiscoverError {
    what: String,
    cause: Box<dyn Error + Send + Sync>,
}

impl DiscoverError {
    /// The servers of `what`, such as a name or a registry, are not to be had because of `cause`.
    pub fn new(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), cause: cause.into() }
    }
}

/// Servers that are known beforehand.
pub(super) struct Fixed(pub(super) Option<Vec<Endpoint>>);

impl Discover for Fixed {
    fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
        let list = self.0.take();
        Box::pin(async {
            match list {
                Some(list) => Ok(list),
                None => pending().await,
            }
        })
    }
}
