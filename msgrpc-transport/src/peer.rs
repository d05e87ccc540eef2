//! Who is at the other end of a stream.
//!
//! Used for logs, error messages and a service's context. A socket address authenticates nobody: it is where bytes came
//! from, not who sent them. Credentials come from the kernel.

use std::{fmt, net::SocketAddr, sync::Arc};

use crate::UnixAddress;

/// The other end of a [`Stream`](crate::Stream).
///
/// Prints as `127.0.0.1:54321`, `unix peer (pid 4711)`, `unix:///run/app.sock`, `memory`, or the name that a custom
/// transport gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Socket(SocketAddr),
    Unix { address: Option<UnixAddress>, credentials: Option<Credentials> },
    Memory,
    Named(Arc<str>),
}

impl Peer {
    /// A peer behind a Unix socket; such sockets of clients have no address.
    pub fn unix() -> Self {
        Self { kind: Kind::Unix { address: None, credentials: None } }
    }

    /// A peer behind a Unix socket; `address`: where a server listens.
    #[cfg(unix)]
    pub(crate) fn unix_at(address: Option<UnixAddress>, credentials: Option<Credentials>) -> Self {
        Self { kind: Kind::Unix { address, credentials } }
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
            Kind::Unix { .. } | Kind::Memory | Kind::Named(_) => None,
        }
    }

    /// As whom the peer's process ran when it connected or began to listen; `None` unless it is a Unix socket.
    ///
    /// The kernel says so, not the peer: they may decide what it is allowed to do.
    pub fn credentials(&self) -> Option<Credentials> {
        match self.kind {
            Kind::Unix { credentials, .. } => credentials,
            Kind::Socket(_) | Kind::Memory | Kind::Named(_) => None,
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
            Kind::Unix { address: Some(address), .. } => write!(f, "unix:{address}"),
            Kind::Unix { credentials: Some(Credentials { pid: Some(pid), .. }), .. } => {
                write!(f, "unix peer (pid {pid})")
            }
            Kind::Unix { .. } => f.write_str("unix peer"),
            Kind::Memory => f.write_str("memory"),
            Kind::Named(name) => f.write_str(name),
        }
    }
}

/// The user, group and process at the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    uid: u32,
    gid: u32,
    pid: Option<u32>,
}

impl Credentials {
    /// These, as the kernel has them.
    #[cfg(unix)]
    pub(crate) fn new(uid: u32, gid: u32, pid: Option<u32>) -> Self {
        Self { uid, gid, pid }
    }

    /// The user's number.
    pub fn uid(self) -> u32 {
        self.uid
    }

    /// The number of the user's group.
    pub fn gid(self) -> u32 {
        self.gid
    }

    /// The process's number, where the system tells it (Linux, macOS and some BSDs).
    ///
    /// For logs: the process may have ended since, and its number may be another's.
    pub fn pid(self) -> Option<u32> {
        self.pid
    }
}
