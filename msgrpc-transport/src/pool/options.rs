//! The settings of a pool.
//!
//! Used by [`Pool`](crate::Pool); they never name what is pooled.

use std::time::Duration;

/// How many connections a pool has, how long it waits, and when it replaces them.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use msgrpc_transport::PoolOptions;
///
/// let options = PoolOptions::default().max_size(4).wait_timeout(Duration::from_secs(1));
/// assert_eq!(options.max_size, 4);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Most connections that are open at once, from 1 to 1 024; what lies outside is moved to the nearer end.
    ///
    /// Default: 8: as many as keep the cores of a usual server busy, few enough that a hundred such pools are nothing
    /// to it.
    pub max_size: usize,
    /// Longest time for a loan, from asking for it to having it: a place, a connection, and the tries it takes.
    ///
    /// Beyond it: [`PoolError::TimedOut`](crate::PoolError::TimedOut). `None`: for ever. Default: 15 s: longer than the
    /// longest pause between two tries, so that whoever waits sees one; and half of the 30 s of a call.
    pub wait_timeout: Option<Duration>,
    /// Longest time to open one connection.
    ///
    /// Beyond it the try has failed. `None`: as long as it takes. Default: 15 s: 5 s to connect, and 10 s for the
    /// handshake of TLS.
    pub create_timeout: Option<Duration>,
    /// Longest time for [`Open::check`](crate::Open::check).
    ///
    /// Beyond it the connection is dropped and another one taken. `None`: as long as it takes. Default: 5 s.
    pub recycle_timeout: Option<Duration>,
    /// Connections that were idle for this long are dropped. Each draws its own time, up to a tenth less.
    ///
    /// `None`: they are kept. Default: 3 minutes: many routers forget a silent connection after 4, and what is sent
    /// on it then is lost without a word.
    pub max_idle: Option<Duration>,
    /// Connections that are this old are dropped when nobody uses them. Each draws its own time, up to a tenth less,
    /// so that those opened together do not all end together.
    ///
    /// `None`: they are kept. Default: 30 minutes: names are looked up anew and load moves to new servers, at no cost
    /// that is noticed.
    pub max_lifetime: Option<Duration>,
    /// Longest pause before the first try that follows a failed one; doubled after each further failure.
    ///
    /// The pause is drawn between nothing and this, so that many clients do not come at once. Default: 50 ms.
    pub min_interval: Duration,
    /// Longest pause between two tries, however many have failed. Default: 12 s, as txmsgpackrpc.
    pub max_interval: Duration,
}

impl PoolOptions {
    /// Sets [`max_size`](Self#structfield.max_size).
    #[must_use]
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.max_size = max_size.clamp(1, MOST);
        self
    }

    /// Sets [`wait_timeout`](Self#structfield.wait_timeout).
    #[must_use]
    pub fn wait_timeout(mut self, wait_timeout: impl Into<Option<Duration>>) -> Self {
        self.wait_timeout = wait_timeout.into();
        self
    }

    /// Sets [`create_timeout`](Self#structfield.create_timeout).
    #[must_use]
    pub fn create_timeout(mut self, create_timeout: impl Into<Option<Duration>>) -> Self {
        self.create_timeout = create_timeout.into();
        self
    }

    /// Sets [`recycle_timeout`](Self#structfield.recycle_timeout).
    #[must_use]
    pub fn recycle_timeout(mut self, recycle_timeout: impl Into<Option<Duration>>) -> Self {
        self.recycle_timeout = recycle_timeout.into();
        self
    }

    /// Sets [`max_idle`](Self#structfield.max_idle).
    #[must_use]
    pub fn max_idle(mut self, max_idle: impl Into<Option<Duration>>) -> Self {
        self.max_idle = max_idle.into();
        self
    }

    /// Sets [`max_lifetime`](Self#structfield.max_lifetime).
    #[must_use]
    pub fn max_lifetime(mut self, max_lifetime: impl Into<Option<Duration>>) -> Self {
        self.max_lifetime = max_lifetime.into();
        self
    }

    /// Sets [`min_interval`](Self#structfield.min_interval).
    #[must_use]
    pub fn min_interval(mut self, min_interval: Duration) -> Self {
        self.min_interval = min_interval;
        self
    }

    /// Sets [`max_interval`](Self#structfield.max_interval).
    #[must_use]
    pub fn max_interval(mut self, max_interval: Duration) -> Self {
        self.max_interval = max_interval;
        self
    }
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_size: 8,
            wait_timeout: Some(Duration::from_secs(15)),
            create_timeout: Some(Duration::from_secs(15)),
            recycle_timeout: Some(Duration::from_secs(5)),
            max_idle: Some(Duration::from_secs(180)),
            max_lifetime: Some(Duration::from_secs(1800)),
            min_interval: Duration::from_millis(50),
            max_interval: Duration::from_secs(12),
        }
    }
}

/// Far above what one program needs to one server, far below what a system has of ports.
const MOST: usize = 1024;
