//! Who is at the other end of a stream.
//!
//! Used for logs, error messages and a service's context. It never authenticates anyone: a socket address is where
//! bytes came from, not who sent them.

use std::{fmt, net::SocketAddr, sync::Arc};

/// The other end of a [`Stream`](crate::Stream).
///
/// Prints as `127.0.0.1:54321`, `unix peer`, `memory`, or the name that a custom transport gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Socket(SocketAddr),
    Unix,
    Memory,
    Named(Arc<str>),
}

impl Peer {
    /// A peer behind a Unix socket; such sockets of clients have no address.
    pub fn unix() -> Self {
        Self { kind: Kind::Unix }
    }

    /// A peer within this process.
    pub fn memory() -> Self {
        Self { kind: Kind::Memory }
    }

    /// A peer that a custom transport names itself, as in `child 4711`.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { kind: Kind::Named(name.into()) }
    }

    /// The address and port of the peer; `None` unless it is an internet socket.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.kind {
            Kind::Socket(address) => Some(address),
            Kind::Unix | Kind::Memory | Kind::Named(_) => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { kind: Kind::Socket(address) }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Socket(address) => address.fmt(f),
            Kind::Unix => f.write_str("unix peer"),
            Kind::Memory => f.write_str("memory"),
            Kind::Named(name) => f.write_str(name),
        }
    }
}
