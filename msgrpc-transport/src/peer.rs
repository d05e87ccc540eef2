//! Who is at the other end of a stream.
//!
//! Used for logs, error messages and a service's context. A socket address authenticates nobody: it is where bytes came
//! from, not who sent them. Credentials come from the kernel, certificates from a TLS handshake.

use std::{fmt, net::SocketAddr, sync::Arc};

use crate::UnixAddress;

/// The other end of a [`Stream`](crate::Stream).
///
/// Prints as `127.0.0.1:54321`, `unix peer (pid 4711)`, `unix:///run/app.sock`, `memory`, or the name that a custom
/// transport gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    kind: Kind,
    proof: Option<Arc<Proof>>,
}

/// With what the peer has proved who it is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Proof {
    certificates: Vec<Vec<u8>>,
    subject: String,
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
        Self::from(Kind::Unix { address: None, credentials: None })
    }

    /// A peer behind a Unix socket; `address`: where a server listens.
    #[cfg(unix)]
    pub(crate) fn unix_at(address: Option<UnixAddress>, credentials: Option<Credentials>) -> Self {
        Self::from(Kind::Unix { address, credentials })
    }

    /// A peer within this process.
    pub fn memory() -> Self {
        Self::from(Kind::Memory)
    }

    /// A peer that a custom transport names itself, as in `child 4711`.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self::from(Kind::Named(name.into()))
    }

    /// The same peer, who has proved to be the one of these certificates; `chain` and `subject` are as
    /// [`certificates`](Self::certificates) and [`subject`](Self::subject) return them.
    ///
    /// For transports that do so: TLS does, and tests that pretend to.
    #[must_use]
    pub fn with_certificates(mut self, chain: Vec<Vec<u8>>, subject: impl Into<String>) -> Self {
        self.proof = Some(Arc::new(Proof { certificates: chain, subject: subject.into() }));
        self
    }

    /// The certificates that the peer showed over TLS, each in DER: its own, then its issuers' in the peer's order.
    /// Empty when it showed none, or does not speak TLS.
    ///
    /// The first one was checked, and the peer has its key, unless the settings of this side check nothing.
    pub fn certificates(&self) -> &[Vec<u8>] {
        self.proof.as_ref().map_or(&[], |proof| &proof.certificates)
    }

    /// The subject of the peer's own certificate, such as `CN=robot 7, O=Example`; `None` without a certificate.
    ///
    /// It may be empty: many certificates name their owner only in the extension for alternative names. Characters that
    /// have a meaning in it, and control characters, are escaped as RFC 4514 does, so that two subjects never read alike.
    pub fn subject(&self) -> Option<&str> {
        self.proof.as_ref().map(|proof| proof.subject.as_str())
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

impl From<Kind> for Peer {
    fn from(kind: Kind) -> Self {
        Self { kind, proof: None }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::from(Kind::Socket(address))
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
