//! Why connecting or listening failed, in words that say what to do.
//!
//! Made by dialing and binding. Each names the address; none is retried here.

use std::{error::Error, fmt, io, net::SocketAddr, time::Duration};

use crate::{Address, MulticastError, backoff::is_out_of_descriptors, tls};

/// No connection came about.
///
/// Prints, for example, `could not connect to tcp://localhost:1: 127.0.0.1:1: connection refused; [::1]:1: connection
/// refused. Is the server running?`
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Every address of the host failed.
    #[error("could not connect to {address}: {}{}", Reasons(attempts), hint(attempts))]
    Failed {
        /// Where to.
        address: Address,
        /// Each address tried, in the order of the tries.
        attempts: Vec<Attempt>,
    },
    /// The host's name was not found.
    #[error("could not connect to {address}: the host name cannot be resolved: {}", reason(cause))]
    Resolve {
        /// Where to.
        address: Address,
        /// What the system's resolver said.
        cause: io::Error,
    },
    /// It took longer than [`DialOptions::connect_timeout`](crate::DialOptions::connect_timeout).
    #[error(
        "could not connect to {address} within {timeout:?} (connect_timeout): {}",
        delay(address, attempts)
    )]
    TimedOut {
        /// Where to.
        address: Address,
        /// The setting.
        timeout: Duration,
        /// Each address tried so far; those without an error had not answered.
        attempts: Vec<Attempt>,
    },
    /// The system refused; for addresses that are no internet addresses.
    #[error("could not connect to {address}: {}", no_connection(cause))]
    Io {
        /// Where to.
        address: Address,
        /// What the system said.
        cause: io::Error,
    },
    /// Nobody in this process listens on the name.
    #[error("could not connect to {address}: nobody listens there. Is the server running?")]
    Refused {
        /// Where to.
        address: Address,
    },
    /// The host was reached, but TLS did not come about.
    ///
    /// Prints, for example, `could not connect to tls://db:8443: the TLS handshake with "db" failed: invalid peer
    /// certificate: UnknownIssuer`, and what may help.
    #[error("could not connect to {address}: {}", tls::explain(address, server_name, cause))]
    Tls {
        /// Where to.
        address: Address,
        /// The name that the server's certificate must be valid for.
        server_name: String,
        /// What went wrong: an error of rustls within, an error of the settings, or of the socket.
        cause: io::Error,
    },
    /// This version, or this system, has no such transport.
    #[error("could not connect to {address}: {}", unsupported(address))]
    Unsupported {
        /// Where to.
        address: Address,
    },
    /// A transport of the user's own failed; made by [`ConnectError::custom`].
    #[error("could not connect to {address}: {cause}")]
    Custom {
        /// Where to, in the transport's words.
        address: String,
        /// What it said.
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl ConnectError {
    /// The error of a transport of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use msgrpc_transport::ConnectError;
    ///
    /// let error = ConnectError::custom("child 4711", "it has ended");
    /// assert_eq!(error.to_string(), "could not connect to child 4711: it has ended");
    /// ```
    pub fn custom(
        address: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Custom { address: address.into(), cause: cause.into() }
    }

    /// Whether trying again cannot help, because the program or its configuration must change.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unsupported { .. } => true,
            Self::Tls { cause, .. } => tls::is_permanent(cause),
            _ => false,
        }
    }
}

/// Whether a new connection would end as the one did whose reading or writing failed with `error`, until the program
/// or its configuration changes.
///
/// So it is when the server rejects our certificate: by TLS 1.3 that is known only at the first read.
pub fn is_permanent(error: &io::Error) -> bool {
    tls::is_rejection(error)
}

/// One socket address that was tried.
#[derive(Debug)]
pub struct Attempt {
    address: SocketAddr,
    error: Option<io::Error>,
}

impl Attempt {
    pub(crate) fn begun(address: SocketAddr) -> Self {
        Self { address, error: None }
    }

    pub(crate) fn fail(&mut self, error: io::Error) {
        self.error = Some(error);
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why it failed; `None` when it had not answered in time.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "{}: {}", self.address, reason(error)),
            None => write!(f, "{}: no answer", self.address),
        }
    }
}

/// Listening failed.
///
/// Prints, for example, `cannot listen on tcp://127.0.0.1:80: permission denied; ports below 1024 need privileges, try
/// tcp://127.0.0.1:8000`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The system refused.
    #[error("cannot listen on {address}: {}", refusal(address, cause))]
    Io {
        /// Where.
        address: Address,
        /// What the system said.
        cause: io::Error,
    },
    /// The host's name was not found.
    #[error("cannot listen on {address}: the host name cannot be resolved: {}", reason(cause))]
    Resolve {
        /// Where.
        address: Address,
        /// What the system's resolver said.
        cause: io::Error,
    },
    /// Another listener of this process has the name.
    #[error("cannot listen on {address}: the name is taken by another listener of this process")]
    NameTaken {
        /// Where.
        address: Address,
    },
    /// Something that is not a socket is at the path of a Unix socket; it is left alone.
    #[error("cannot listen on {address}: something else is there already, which is not a socket")]
    NotASocket {
        /// Where.
        address: Address,
    },
    /// A socket that was made elsewhere cannot be listened on.
    #[error("cannot listen on the socket handed over: {}", reason(cause))]
    Handed {
        /// What is wrong with it.
        cause: io::Error,
    },
    /// The service manager has handed over no sockets, or they were taken before. With the feature `listenfd`.
    #[error(
        "no sockets were handed over: LISTEN_FDS is not set for this process. Start it by a systemd \
         socket unit, or try: systemd-socket-activate -l 8000 <program>"
    )]
    NoneInherited,
    /// The service manager has handed over something that cannot be listened on. With the feature `listenfd`.
    #[error(
        "cannot listen on socket {index} of those handed over in LISTEN_FDS: {}",
        reason(cause)
    )]
    Inherited {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong with it.
        cause: io::Error,
    },
    /// TLS wants a certificate, and the options have none.
    #[error(
        "cannot listen on {address}: no certificate is set; give it one, such as \
         .tls(ServerTls::from_files(\"server.pem\", \"server.key\")?)"
    )]
    NoCertificate {
        /// Where.
        address: Address,
    },
    /// A multicast group cannot be joined.
    #[error(transparent)]
    Multicast(#[from] MulticastError),
    /// This version, or this system, has no such transport.
    #[error("cannot listen on {address}: {}", unsupported(address))]
    Unsupported {
        /// Where.
        address: Address,
    },
}

/// The attempts, separated by semicolons.
struct Reasons<'a>(&'a [Attempt]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{attempt}")?;
        }
        Ok(())
    }
}

fn hint(attempts: &[Attempt]) -> &'static str {
    let any = |is: fn(&io::Error) -> bool| attempts.iter().filter_map(Attempt::error).any(is);
    if any(is_out_of_descriptors) {
        ". Raise the limit of open files (ulimit -n)"
    } else if any(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        ". Is the server running?"
    } else {
        ""
    }
}

fn delay(address: &Address, attempts: &[Attempt]) -> String {
    match address {
        _ if !attempts.is_empty() => Reasons(attempts).to_string(),
        Address::Memory(_) | Address::Unix(_) => "the listener accepts no connections".to_owned(),
        _ => "the host name was not resolved".to_owned(),
    }
}

/// Why there is no connection to a Unix socket.
fn no_connection(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file. Is the server running?".to_owned(),
        io::ErrorKind::ConnectionRefused => {
            "connection refused: nobody listens there. Is the server running?".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied: this user may not write to the socket, or not enter its directory"
                .to_owned()
        }
        _ if is_out_of_descriptors(error) => {
            format!("{}; raise the limit of open files (ulimit -n)", reason(error))
        }
        _ => reason(error),
    }
}

fn refusal(address: &Address, error: &io::Error) -> String {
    let reason = reason(error);
    match error.kind() {
        io::ErrorKind::AddrInUse if matches!(address, Address::Unix(_)) => {
            format!("{reason}: another server listens there")
        }
        io::ErrorKind::NotFound if matches!(address, Address::Unix(_)) => {
            "the directory does not exist".to_owned()
        }
        io::ErrorKind::PermissionDenied if matches!(address, Address::Unix(_)) => {
            format!("{reason}: this user may not make the socket's file, or not replace it")
        }
        io::ErrorKind::AddrInUse => {
            format!("{reason}: another process listens there; port 0 picks a free one")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{reason}: this machine does not have it; 0.0.0.0 listens on all that it has")
        }
        io::ErrorKind::PermissionDenied if address.port().is_some_and(|port| port < 1024) => {
            let text = address.to_string();
            let place = text.rsplit_once(':').map_or(text.as_str(), |(place, _)| place);
            format!("{reason}; ports below 1024 need privileges, try {place}:8000")
        }
        _ if is_out_of_descriptors(error) => {
            format!("{reason}; raise the limit of open files (ulimit -n)")
        }
        _ => reason,
    }
}

fn unsupported(address: &Address) -> String {
    let what = match address {
        Address::Tls(_) => {
            return "TLS is not in this build; switch on the feature `tls` or `tls-aws-lc` of \
                    msgrpc, or use tcp://"
                .to_owned();
        }
        Address::Unix(unix) => {
            let what = if unix.path().is_some() { "unix sockets" } else { "abstract unix sockets" };
            return format!("{what} are not supported on this system; use tcp:// or memory://");
        }
        Address::Udp(_) => {
            return "UDP has no connections to open or to accept: a `Client` calls over it and a \
                    `Server` listens on it without; where streams are needed, use tcp://"
                .to_owned();
        }
        Address::Multicast(_) => {
            return "multicast has no connections: servers join a group by listening on it, and a \
                    `Group` asks it"
                .to_owned();
        }
        Address::Tcp(_) | Address::Memory(_) => "this is",
    };
    format!("{what} not supported by this version yet; use tcp:// or memory://")
}

/// The reason in words, the same on every system where it is one of the common ones.
pub(crate) fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use",
        io::ErrorKind::AddrNotAvailable => "address not available",
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkDown => "network down",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::TimedOut => "timed out",
        _ => return in_lower_case(&error.to_string()),
    };
    words.to_owned()
}

/// The system's own words begin with a capital; ours stand within a sentence.
fn in_lower_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(errors: Vec<io::Error>) -> String {
        let attempts = (1..).zip(errors).map(|(port, error)| Attempt {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            error: Some(error),
        });
        let address = "tcp://localhost:1".parse().unwrap();
        ConnectError::Failed { address, attempts: attempts.collect() }.to_string()
    }

    fn refused(address: &str, kind: io::ErrorKind) -> String {
        BindError::Io { address: address.parse().unwrap(), cause: kind.into() }.to_string()
    }

    #[test]
    fn each_address_is_named_with_its_reason() {
        use io::ErrorKind as Kind;
        let two = failed(vec![Kind::ConnectionRefused.into(), Kind::NetworkUnreachable.into()]);
        let expected = "could not connect to tcp://localhost:1: 127.0.0.1:1: connection refused; \
                        127.0.0.1:2: network unreachable. Is the server running?";
        assert_eq!(two, expected);
        let none = failed(vec![Kind::HostUnreachable.into()]);
        assert_eq!(none, "could not connect to tcp://localhost:1: 127.0.0.1:1: host unreachable");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn want_of_descriptors_says_what_to_raise() {
        assert_eq!(
            failed(vec![io::Error::from_raw_os_error(24)]),
            "could not connect to tcp://localhost:1: 127.0.0.1:1: too many open files (os error \
             24). Raise the limit of open files (ulimit -n)"
        );
    }

    #[test]
    fn a_refusal_to_bind_shows_the_way_out() {
        assert_eq!(
            refused("tcp://[::1]:80", io::ErrorKind::PermissionDenied),
            "cannot listen on tcp://[::1]:80: permission denied; ports below 1024 need privileges, \
             try tcp://[::1]:8000"
        );
        assert_eq!(
            refused("tcp://192.0.2.1:80", io::ErrorKind::AddrNotAvailable),
            "cannot listen on tcp://192.0.2.1:80: address not available: this machine does not \
             have it; 0.0.0.0 listens on all that it has"
        );
    }
}
