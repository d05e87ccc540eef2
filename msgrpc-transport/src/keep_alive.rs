//! TCP keep-alive: noticing that a silent peer is gone without a word.
//!
//! Used by dialing and listening; the kernel does the rest, and no message is ever sent for it.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// When the kernel asks a silent peer whether it is still there, and when it gives it up.
///
/// A peer whose machine lost its power, or whose network was cut, says nothing, and whoever only waits for it waits for
/// ever. After [`idle`](Self::idle) of silence the kernel sends an empty segment, which a peer that lives answers; after
/// [`probes`](Self::probes) unanswered ones, [`interval`](Self::interval) apart, the connection ends with
/// [`TimedOut`](std::io::ErrorKind::TimedOut). The default notices a dead peer within two minutes, for one small segment
/// a minute on a connection that is otherwise silent, which keeps its entry in routers alive too.
///
/// Systems other than Linux, Windows, macOS, iOS, Android and FreeBSD know only the first of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// Silence before the first probe; whole seconds. Default: 60 s.
    pub idle: Duration,
    /// Time between probes that are not answered; whole seconds. Default: 15 s.
    pub interval: Duration,
    /// Unanswered probes after which the connection ends. Default: 4.
    pub probes: u32,
}

impl KeepAlive {
    /// Probes that begin after so much silence.
    pub fn after(idle: Duration) -> Self {
        Self { idle, ..Self::default() }
    }

    /// Sets [`interval`](Self#structfield.interval).
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets [`probes`](Self#structfield.probes).
    #[must_use]
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes;
        self
    }

    /// Asks the kernel for it. A system that refuses is lived with: the connection works all the same.
    pub(crate) fn apply(keep_alive: Option<Self>, socket: &TcpStream) {
        if let Some(keep_alive) = keep_alive
            && let Err(error) = SockRef::from(socket).set_tcp_keepalive(&keep_alive.params())
        {
            tracing::debug!(%error, "no keep-alive for this connection");
        }
    }

    fn params(self) -> TcpKeepalive {
        let params = TcpKeepalive::new().with_time(self.idle);
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            windows,
        ))]
        let params = params.with_interval(self.interval).with_retries(self.probes);
        params
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), interval: Duration::from_secs(15), probes: 4 }
    }
}
