//! How a client stands to its server at the moment, and who wants to know when that changes.
//!
//! Written by the task that keeps the client connected, read by its users; nothing in the crate acts on it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use msgrpc_transport::Peer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::datagram::DatagramLink;
use crate::error::{CloseReason, Tries};

/// How a client stands to its server.
///
/// ```text
///            ┌────────── the pause is over ─────────┐
///            ▼                                      │
///       Connecting ──── the try has failed ────▶ Waiting ◀─┐
///            │                                             │ the connection ended
///            ├──────── connected ──▶ Connected ────────────┘
///            │                           │ it was idle for too long
///            └──── there is a call ─── Idle
///
///       any ── closed on this side, or no tries are left ──▶ Closed
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectionState {
    /// A connection is being opened.
    Connecting {
        /// Tries that have failed since the last good connection.
        tries: u32,
        /// What became of the last one, or of the last connection.
        error: Option<Arc<str>>,
    },
    /// There is a connection.
    Connected {
        /// Who is at the other end.
        peer: Peer,
    },
    /// There is none, as it was [idle](crate::Limits::idle_timeout) for too long; the next call opens one.
    Idle,
    /// There is none, and the next try begins after a pause.
    Waiting {
        /// Tries made since the last good connection.
        tries: u32,
        /// What became of the last one, or of the last connection.
        error: Arc<str>,
        /// How long the pause is in all.
        pause: Duration,
    },
    /// There will be none any more.
    Closed {
        /// Why.
        reason: Arc<CloseReason>,
    },
}

impl ConnectionState {
    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }

    /// Whether there will be none any more.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// The tries that led to nothing, and what became of the last one.
    pub(super) fn failure(&self) -> Option<(u32, Arc<str>)> {
        match self {
            Self::Connecting { tries, error: Some(error) } | Self::Waiting { tries, error, .. } => {
                Some((*tries, Arc::clone(error)))
            }
            Self::Closed { reason } => match &**reason {
                CloseReason::Unreachable { tries, reason } => Some((*tries, Arc::clone(reason))),
                _ => None,
            },
            Self::Connecting { error: None, .. } | Self::Connected { .. } | Self::Idle => None,
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { error: None, .. } => f.write_str("connecting"),
            Self::Connecting { tries: 0, error: Some(error) } => write!(f, "connecting: {error}"),
            Self::Connecting { tries, error: Some(error) } => {
                write!(f, "connecting after {}: {error}", Tries(*tries))
            }
            Self::Connected { peer } => write!(f, "connected to {peer}"),
            Self::Idle => f.write_str("idle"),
            Self::Waiting { tries, error, pause } => {
                write!(f, "waiting {} ms", pause.as_millis())?;
                match tries {
                    0 => write!(f, ": {error}"),
                    tries => write!(f, " after {}: {error}", Tries(*tries)),
                }
            }
            Self::Closed { reason } => write!(f, "closed: {reason}"),
        }
    }
}

/// The states of a client as they change; made by [`Client::watch`](crate::Client::watch).
///
/// It does not keep the client alive. A state that was over before it was looked at is not seen: what
/// counts is the newest.
#[derive(Clone, Debug)]
pub struct ConnectionStates(Source);

#[derive(Clone, Debug)]
enum Source {
    Own(watch::Receiver<ConnectionState>),
    /// A connection that was lent: there is one change, its end.
    Lent {
        connection: Arc<Connection>,
        told: bool,
    },
    /// A socket for datagrams: there is one change, its end.
    Datagrams {
        peer: Peer,
        closing: CancellationToken,
        told: bool,
    },
}

impl ConnectionStates {
    pub(super) fn own(states: &watch::Sender<ConnectionState>) -> Self {
        Self(Source::Own(states.subscribe()))
    }

    pub(super) fn lent(connection: &Arc<Connection>) -> Self {
        let connection = Arc::clone(connection);
        Self(Source::Lent { told: connection.closed().is_some(), connection })
    }

    pub(super) fn of_datagrams(link: &DatagramLink) -> Self {
        let closing = link.closing().clone();
        let told = closing.is_cancelled();
        Self(Source::Datagrams { peer: link.peer(), closing, told })
    }

    /// The state now.
    pub fn current(&self) -> ConnectionState {
        match &self.0 {
            Source::Own(states) => states.borrow().clone(),
            Source::Lent { connection, .. } => state_of(connection),
            Source::Datagrams { peer, closing, .. } if !closing.is_cancelled() => {
                ConnectionState::Connected { peer: peer.clone() }
            }
            Source::Datagrams { .. } => closed_here(),
        }
    }

    /// The next state, once there is another one than when this was last called. `None` after the last one,
    /// which is [`ConnectionState::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses nothing.
    pub async fn changed(&mut self) -> Option<ConnectionState> {
        match &mut self.0 {
            Source::Own(states) => {
                if !states.has_changed().ok()? && states.borrow().is_closed() {
                    return None;
                }
                states.changed().await.ok()?;
                Some(states.borrow_and_update().clone())
            }
            Source::Lent { told: true, .. } | Source::Datagrams { told: true, .. } => None,
            Source::Lent { connection, told } => {
                connection.gone().cancelled().await;
                *told = true;
                Some(state_of(connection))
            }
            Source::Datagrams { closing, told, .. } => {
                closing.cancelled().await;
                *told = true;
                Some(closed_here())
            }
        }
    }
}

fn closed_here() -> ConnectionState {
    ConnectionState::Closed { reason: Arc::new(CloseReason::Local) }
}

/// The state of a connection that nobody replaces.
pub(super) fn state_of(connection: &Connection) -> ConnectionState {
    match connection.closed() {
        Some(reason) => ConnectionState::Closed { reason },
        None => ConnectionState::Connected { peer: connection.peer().clone() },
    }
}

/// What a user wants to be told of at once.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) connected: Option<Hook<Peer>>,
    pub(super) disconnected: Option<Hook<CloseReason>>,
}

impl Hooks {
    pub(super) fn connected(&self, peer: &Peer) {
        self.connected.iter().for_each(|hook| hook.tell(peer));
    }

    pub(super) fn disconnected(&self, reason: &CloseReason) {
        self.disconnected.iter().for_each(|hook| hook.tell(reason));
    }
}

/// One closure of the user's.
pub(super) struct Hook<T>(Box<dyn Fn(&T) + Send + Sync>);

impl<T> Hook<T> {
    pub(super) fn new(hook: impl Fn(&T) + Send + Sync + 'static) -> Self {
        Self(Box::new(hook))
    }

    /// A panic of the user's code must not end the task that connects.
    fn tell(&self, news: &T) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(news))).is_err() {
            tracing::error!("a hook of a client has panicked; the client goes on");
        }
    }
}

impl<T> fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
