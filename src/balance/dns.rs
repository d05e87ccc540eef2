//! `Dns`: all addresses of a name are servers, looked up again and again.
//!
//! Used by balancers of services whose name has several addresses. It knows nothing of the time that the name's own
//! records may be kept: the system's resolver does not tell.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use msgrpc_transport::{self as transport, Address, BoxFuture, HostPort};
use tokio::time::{Instant, sleep_until};

use super::discover::{Discover, DiscoverError, Endpoint};

/// Every address of a name as a server.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use msgrpc::{Balance, Dns};
///
/// let dns = Dns::new("tcp://calc.internal:8000")?.ttl(Duration::from_secs(10));
/// let balance = Balance::discover(dns).build().await?;
/// # Ok(()) }
/// ```
pub struct Dns {
    host: HostPort,
    ttl: Duration,
    resolver: Box<Resolver>,
    /// When to look it up next; `None`: at once.
    due: Option<Instant>,
}

/// Looks a name up.
type Resolver = dyn Fn(HostPort) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

impl Dns {
    /// The servers at all addresses of the name in `address`, a `tcp://name:port`.
    ///
    /// # Errors
    ///
    /// When it is no address, or none of TCP: others are more than a name.
    pub fn new(address: &str) -> Result<Self, DiscoverError> {
        let parsed: Address =
            address.parse().map_err(|error| DiscoverError::new(address, error))?;
        let Address::Tcp(host) = parsed else {
            let why = "only a name of TCP is looked up, such as tcp://calc.internal:8000";
            return Err(DiscoverError::new(address, why));
        };
        let resolver = Box::new(|host| -> BoxFuture<'static, _> {
            Box::pin(async move { transport::resolve(&host).await })
        });
        Ok(Self { host, ttl: TTL, resolver, due: None })
    }

    /// How long an answer is good for; then the name is looked up again. At least a second. Default: 30 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.max(SHORTEST_TTL);
        self
    }

    /// Looks names up with `resolver` instead of the system's.
    #[must_use]
    pub fn resolver<R, F>(mut self, resolver: R) -> Self
    where
        R: Fn(HostPort) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Box::new(move |host| Box::pin(resolver(host)));
        self
    }
}

impl Discover for Dns {
    fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
        Box::pin(async {
            if let Some(due) = self.due {
                sleep_until(due).await;
            }
            let looked_up = (self.resolver)(self.host.clone()).await;
            let addresses = looked_up.map_err(|error| {
                // Who asks again after an error has paused already.
                self.due = None;
                DiscoverError::new(Address::Tcp(self.host.clone()).to_string(), error)
            })?;
            self.due = Instant::now().checked_add(self.ttl);
            let endpoint = |address| Endpoint::new(Address::Tcp(HostPort::from(address)));
            Ok(addresses.into_iter().map(endpoint).collect())
        })
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns")
            .field("host", &self.host)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// Short enough that a server that is gone is forgotten soon, long enough to be no burden.
const TTL: Duration = Duration::from_secs(30);
const SHORTEST_TTL: Duration = Duration::from_secs(1);
