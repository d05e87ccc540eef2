//! Addresses: where to listen and where to connect, as one value that is printed and parsed both ways.
//!
//! Used by everyone who names an endpoint. An address in hand is valid by its grammar; it never resolves a name and
//! never opens a socket.

mod error;
mod parse;
#[cfg(test)]
mod tests;

pub use error::{AddressError, AddressPart};

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::Path,
    str::FromStr,
};

/// Where to listen or to connect.
///
/// | text | meaning |
/// |---|---|
/// | `tcp://host:port` | TCP; the host is a name, an IPv4 address, or an IPv6 address in brackets |
/// | `tls://host:port` | TLS over TCP |
/// | `unix:///path` | Unix socket in the file system; the path is absolute and taken as it stands |
/// | `unix:@name` | Unix socket in Linux's abstract namespace |
/// | `udp://host:port` | UDP datagrams |
/// | `multicast://group:port?ttl=5&interface=eth0&loop=true` | UDP multicast; all parameters may be left out |
/// | `memory://name` | within this process |
///
/// Port 0 binds any free port; the listener's own address then has the real one. Parsing what [`Display`] printed
/// gives the same address again. Host names are kept in lower case, IPv6 addresses in their shortest form.
///
/// [`Display`]: fmt::Display
///
/// # Examples
///
/// ```
/// use msgrpc_transport::Address;
///
/// let address: Address = "tcp://[::1]:8000".parse()?;
/// assert_eq!(address.to_string(), "tcp://[::1]:8000");
/// let Address::Tcp(endpoint) = &address else { panic!("not TCP") };
/// assert_eq!((endpoint.host(), endpoint.port()), ("::1", 8000));
///
/// let error = "localhost:8000".parse::<Address>().unwrap_err();
/// assert_eq!(error.suggestion(), "tcp://localhost:8000");
/// # Ok::<(), msgrpc_transport::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// `tcp://host:port`
    Tcp(HostPort),
    /// `tls://host:port`
    Tls(HostPort),
    /// `unix:///path` or `unix:@name`
    Unix(UnixAddress),
    /// `udp://host:port`
    Udp(HostPort),
    /// `multicast://group:port?ttl=5&interface=eth0&loop=true`
    Multicast(MulticastAddress),
    /// `memory://name`
    Memory(MemoryName),
}

impl Address {
    /// The scheme, without `://`: `tcp`, `tls`, `unix`, `udp`, `multicast` or `memory`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Tls(_) => "tls",
            Self::Unix(_) => "unix",
            Self::Udp(_) => "udp",
            Self::Multicast(_) => "multicast",
            Self::Memory(_) => "memory",
        }
    }

    /// The port; `None` where addresses have none (Unix, memory).
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(endpoint) | Self::Tls(endpoint) | Self::Udp(endpoint) => Some(endpoint.port),
            Self::Multicast(multicast) => Some(multicast.port),
            Self::Unix(_) | Self::Memory(_) => None,
        }
    }

    /// The same multicast group at another port; other addresses as they are.
    pub(crate) fn with_port(&self, port: u16) -> Self {
        let mut address = self.clone();
        if let Self::Multicast(multicast) = &mut address {
            multicast.port = port;
        }
        address
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => write!(f, "tcp://{endpoint}"),
            Self::Tls(endpoint) => write!(f, "tls://{endpoint}"),
            Self::Unix(unix) => write!(f, "unix:{unix}"),
            Self::Udp(endpoint) => write!(f, "udp://{endpoint}"),
            Self::Multicast(multicast) => write!(f, "multicast://{multicast}"),
            Self::Memory(name) => write!(f, "memory://{name}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse::address(text)
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        parse::address(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        parse::address(&text)
    }
}

impl TryFrom<&String> for Address {
    type Error = AddressError;

    fn try_from(text: &String) -> Result<Self, AddressError> {
        parse::address(text)
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

/// A host and a port: `localhost:8000`, `127.0.0.1:8000`, `[::1]:8000`.
///
/// # Examples
///
/// ```
/// use msgrpc_transport::{Address, HostPort};
///
/// let address = Address::Tcp(HostPort::new("::1", 8000)?);
/// assert_eq!(address.to_string(), "tcp://[::1]:8000");
/// # Ok::<(), msgrpc_transport::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name in lower case, an IPv4 address, or an IPv6 address without brackets, perhaps with `%zone`.
    host: String,
    port: u16,
}

impl HostPort {
    /// Joins `host` – a name, an IPv4 or an IPv6 address, the last with or without brackets – and `port`.
    ///
    /// # Errors
    ///
    /// [`AddressError`] when `host` is none of these.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        parse::bare_host(host).map(|host| Self { host, port })
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 means any free one.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        Self { host, port: address.port() }
    }
}

/// A Unix socket: a path in the file system, or a name in Linux's abstract namespace.
///
/// At most 107 bytes, without control characters or white space at its ends. Paths are absolute and UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixAddress {
    /// `/path`, or `@name`: as the text of the address has it, less `unix:` and the two slashes.
    text: String,
}

impl UnixAddress {
    /// The path of the socket file; `None` for an abstract name.
    pub fn path(&self) -> Option<&Path> {
        self.text.starts_with('/').then(|| Path::new(&self.text))
    }

    /// The abstract name, without `@`; `None` for a path.
    pub fn abstract_name(&self) -> Option<&str> {
        self.text.strip_prefix('@')
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.starts_with('/') {
            write!(f, "//{}", self.text)
        } else {
            f.write_str(&self.text)
        }
    }
}

/// A multicast group, its port, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MulticastAddress {
    group: IpAddr,
    port: u16,
    /// These three are `None` where the address left them out, so that it prints as it was written.
    ttl: Option<u8>,
    interface: Option<String>,
    loopback: Option<bool>,
}

impl MulticastAddress {
    /// The group: 224.0.0.0 to 239.255.255.255, or within `ff00::/8`.
    pub fn group(&self) -> IpAddr {
        self.group
    }

    /// The port that all members of the group listen on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many networks a datagram may cross. 0 stays on this machine. Default: 1, the local network, as the systems
    /// have it: a question should not leave the building by accident.
    pub fn ttl(&self) -> u8 {
        self.ttl.unwrap_or(1)
    }

    /// The network interface, by its name (`eth0`) or by an address that it has. Default: the system chooses.
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// Whether members on this machine hear what is sent from it. Default: yes, as the systems have it.
    pub fn loopback(&self) -> bool {
        self.loopback.unwrap_or(true)
    }
}

impl fmt::Display for MulticastAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SocketAddr::new(self.group, self.port))?;
        let mut mark = '?';
        let mut parameter = |name: &str, value: Option<&dyn fmt::Display>| {
            let Some(value) = value else { return Ok(()) };
            write!(f, "{mark}{name}={value}")?;
            mark = '&';
            Ok(())
        };
        parameter("ttl", self.ttl.as_ref().map(|ttl| ttl as _))?;
        parameter("interface", self.interface.as_ref().map(|name| name as _))?;
        parameter("loop", self.loopback.as_ref().map(|loopback| loopback as _))
    }
}

/// The name of an endpoint within this process: 1 to 255 letters, digits, and `-`, `_`, `.`, `:`, `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemoryName {
    name: String,
}

impl MemoryName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for MemoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
