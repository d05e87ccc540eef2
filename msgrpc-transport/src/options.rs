//! The settings of dialing and of listening.
//!
//! Used by [`dial`](crate::dial()) and [`Listener::bind`](crate::Listener::bind). They never name an address: the
//! same settings serve many.

use std::time::Duration;

use crate::KeepAlive;
use crate::lookup::Lookups;
use crate::tls::{ClientTls, ServerTls};

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
    /// Longest time for the TLS handshake, once the socket is connected; for `tls://` addresses.
    ///
    /// Beyond it: [`ConnectError::Tls`](crate::ConnectError::Tls). `None` waits for ever. Default: 10 s: some round trips
    /// to the other side of the world, and a server that is busy with many handshakes.
    pub handshake_timeout: Option<Duration>,
    /// Whom to trust and what to show over TLS.
    pub(crate) tls: ClientTls,
    /// Shared by clones, so that tries of one place do not collect look-ups.
    pub(crate) lookups: Lookups,
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

    /// Sets [`handshake_timeout`](Self#structfield.handshake_timeout).
    #[must_use]
    pub fn handshake_timeout(mut self, handshake_timeout: impl Into<Option<Duration>>) -> Self {
        self.handshake_timeout = handshake_timeout.into();
        self
    }

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
            handshake_timeout: Some(HANDSHAKE_TIMEOUT),
            tls: ClientTls::default(),
            lookups: Lookups::default(),
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
    /// Longest time for a client's TLS handshake; for `tls://` addresses.
    ///
    /// Beyond it the connection is closed. `None` lets a client take for ever, until others want its place:
    /// see [`handshakes`](Self#structfield.handshakes). Default: 10 s.
    pub handshake_timeout: Option<Duration>,
    /// Most TLS handshakes at once, of one listener. At least 1.
    ///
    /// Beyond it clients wait to be accepted, until a handshake is over or its client has been silent for half a second.
    /// Default: 256: a client that is quick waits for a moment at most, and those who only hold a place cost little.
    pub handshakes: usize,
    /// What to show to clients, and whether they must show something; none listens on no `tls://` address.
    pub(crate) tls: Option<ServerTls>,
}

impl ListenOptions {
    /// Sets [`backlog`](Self#structfield.backlog).
    #[must_use]
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Sets [`handshake_timeout`](Self#structfield.handshake_timeout).
    #[must_use]
    pub fn handshake_timeout(mut self, handshake_timeout: impl Into<Option<Duration>>) -> Self {
        self.handshake_timeout = handshake_timeout.into();
        self
    }

    /// Sets [`handshakes`](Self#structfield.handshakes).
    #[must_use]
    pub fn handshakes(mut self, handshakes: usize) -> Self {
        self.handshakes = handshakes;
        self
    }

    /// Sets [`keep_alive`](Self#structfield.keep_alive).
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.keep_alive = keep_alive.into();
        self
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            keep_alive: Some(KeepAlive::default()),
            handshake_timeout: Some(HANDSHAKE_TIMEOUT),
            handshakes: 256,
            tls: None,
        }
    }
}

/// What either side has for a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
