//! The settings of dialing and of listening.
//!
//! Used by [`dial`](crate::dial()) and [`Listener::bind`](crate::Listener::bind). They never name an address: the
//! same settings serve many.

use std::time::Duration;

use crate::KeepAlive;

/// How to connect.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use msgrpc_transport::DialOptions;
///
/// let options = DialOptions::default().connect_timeout(Duration::from_secs(1));
/// let patient = DialOptions::default().connect_timeout(None);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DialOptions {
    /// Longest time for everything together: the look-up of the name and all its addresses.
    ///
    /// Beyond it: [`ConnectError::TimedOut`](crate::ConnectError::TimedOut). `None` waits as long as the system does,
    /// which is minutes. Default: 5 s: longer than any network takes that is worth waiting for, short enough for a
    /// person.
    pub connect_timeout: Option<Duration>,
    /// How long one address may keep silent before the next one is tried beside it.
    ///
    /// Default: 250 ms, as RFC 8305 recommends.
    pub attempt_delay: Duration,
    /// TCP keep-alive; `None` for none.
    ///
    /// Default: [`KeepAlive::default`], so that a server that has died without a word does not leave us waiting.
    pub keep_alive: Option<KeepAlive>,
}

impl DialOptions {
    /// Sets [`connect_timeout`](Self#structfield.connect_timeout).
    #[must_use]
    pub fn connect_timeout(mut self, connect_timeout: impl Into<Option<Duration>>) -> Self {
        self.connect_timeout = connect_timeout.into();
        self
    }

    /// Sets [`attempt_delay`](Self#structfield.attempt_delay).
    #[must_use]
    pub fn attempt_delay(mut self, attempt_delay: Duration) -> Self {
        self.attempt_delay = attempt_delay;
        self
    }
}

impl DialOptions {
    /// Sets [`keep_alive`](Self#structfield.keep_alive).
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.keep_alive = keep_alive.into();
        self
    }
}

impl Default for DialOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Some(Duration::from_secs(5)),
            attempt_delay: Duration::from_millis(250),
            keep_alive: Some(KeepAlive::default()),
        }
    }
}

/// How to listen.
///
/// # Examples
///
/// ```
/// use msgrpc_transport::ListenOptions;
///
/// let options = ListenOptions::default().backlog(64);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenOptions {
    /// Most connections that wait to be accepted. The system may have a lower bound of its own.
    ///
    /// Beyond it connecting clients wait, and time out at last. Default: 1 024: a burst of clients after a restart
    /// does not lose anyone.
    pub backlog: u32,
    /// TCP keep-alive of accepted connections; `None` for none.
    ///
    /// Default: [`KeepAlive::default`], so that clients that have died without a word do not fill the server.
    pub keep_alive: Option<KeepAlive>,
}

impl ListenOptions {
    /// Sets [`backlog`](Self#structfield.backlog).
    #[must_use]
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }
}

impl ListenOptions {
    /// Sets [`keep_alive`](Self#structfield.keep_alive).
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.keep_alive = keep_alive.into();
        self
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 1024, keep_alive: Some(KeepAlive::default()) }
    }
}
