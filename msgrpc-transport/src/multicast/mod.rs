//! UDP multicast: the sockets of a group's members, and of those who ask the group.
//!
//! Used by servers, which join the group and answer from a socket of their own, and by group clients, which send to the
//! group and are answered at their own address. It knows no messages, and never touches the routes of the system: an
//! interface that the address names needs none.

mod error;
mod interface;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{Address, DatagramSocket, HostPort, MulticastAddress};

pub use error::{Interfaces, MulticastError};
use interface::Interface;

impl DatagramSocket {
    /// Opens a socket to ask a multicast group with, and says where to send to. It is no member of the group: what it is
    /// answered comes to its own address.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`MulticastError`] when this machine has no way to the group, or `address` is not a `multicast://` one.
    pub fn asking(address: &Address) -> Result<(Self, SocketAddr), MulticastError> {
        let (socket, group) = asking(address)?;
        Ok((alone(socket, address)?, group))
    }

    /// Opens the sockets of a member of a multicast group: one that hears the group, and one to answer with, whose
    /// address is the member's alone. Port 0 takes any free one, which [`address`](Self::address) of the first then tells.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`MulticastError`] when the group cannot be joined, or `address` is not a `multicast://` one.
    pub fn member(address: &Address) -> Result<Member, MulticastError> {
        let socket = member(address)?;
        let answering = alone(answering(address)?, address)?;
        let failed = |cause| MulticastError::Io { address: address.clone(), cause };
        let port = socket.local_addr().map_err(failed)?.port();
        let hearing = Self::from_std(socket, address.with_port(port), None).map_err(failed)?;
        Ok(Member { hearing, answering })
    }
}

/// The two sockets of a member of a multicast group.
#[derive(Debug)]
#[non_exhaustive]
pub struct Member {
    /// Hears what is sent to the group. Other members on this machine hear it as well.
    pub hearing: DatagramSocket,
    /// Answers.
    pub answering: DatagramSocket,
}

/// A socket that is the owner's alone, bound to a port of its own.
fn alone(socket: UdpSocket, group: &Address) -> Result<DatagramSocket, MulticastError> {
    let open = || {
        let address = Address::Udp(HostPort::from(socket.local_addr()?));
        DatagramSocket::from_std(socket, address, None)
    };
    open().map_err(|cause| MulticastError::Io { address: group.clone(), cause })
}

/// A group, and the interface that leads to it.
struct Way<'a> {
    address: &'a Address,
    multicast: &'a MulticastAddress,
    by: By,
}

/// What names the interface to the system, in each family; where the address names none, the system chooses by its
/// routes.
#[derive(Clone, Copy)]
enum By {
    V4 { group: Ipv4Addr, interface: Option<Ipv4Addr> },
    V6 { group: Ipv6Addr, interface: Option<u32> },
}

/// The socket that a member of the group hears it with. Many on one machine may share the group and its port.
pub(crate) fn member(address: &Address) -> Result<UdpSocket, MulticastError> {
    let way = Way::find(address)?;
    let socket = way.socket().and_then(|socket| {
        socket.set_reuse_address(true)?;
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        socket.set_reuse_port(true)?;
        socket.bind(&way.heard_at().into())?;
        way.enter(&socket)?;
        Ok(socket)
    });
    socket.map(UdpSocket::from).map_err(|cause| way.failed(cause))
}

/// The socket that a member answers with: its address is the member's alone, which tells members apart.
pub(crate) fn answering(address: &Address) -> Result<UdpSocket, MulticastError> {
    let way = Way::find(address)?;
    let socket = way.socket().and_then(|socket| {
        socket.bind(&way.anywhere().into())?;
        Ok(socket)
    });
    socket.map(UdpSocket::from).map_err(|cause| way.failed(cause))
}

/// The socket of one who asks the group, and where to send to. It is no member: answers come to its own address.
pub(crate) fn asking(address: &Address) -> Result<(UdpSocket, SocketAddr), MulticastError> {
    let way = Way::find(address)?;
    let open = || {
        let socket = way.socket()?;
        way.set_outgoing(&socket)?;
        Ok(socket)
    };
    let socket = open().and_then(|socket| {
        // Nothing is sent by this; the system only looks for a way, now instead of at the first call.
        open()?.connect(&way.group().into())?;
        socket.bind(&way.anywhere().into())?;
        if way.multicast.ttl() == 0 {
            // Linux looks at the TTL only where this machine is a member: otherwise 0 would not hold a datagram back.
            way.join(&socket)?;
        }
        Ok(socket)
    });
    let socket = socket.map_err(|cause| way.failed(cause))?;
    Ok((socket.into(), way.group()))
}

impl<'a> Way<'a> {
    fn find(address: &'a Address) -> Result<Self, MulticastError> {
        let Address::Multicast(multicast) = address else {
            return Err(MulticastError::NotMulticast { address: address.clone() });
        };
        let by = match multicast.group() {
            IpAddr::V4(group) => {
                let interface = named(address, multicast, Interface::ipv4)?;
                By::V4 { group, interface }
            }
            IpAddr::V6(group) => {
                let interface = named(address, multicast, |found, _| found.ipv6())?;
                if interface.is_none() && is_within_one_network(group) {
                    let (address, available) = (address.clone(), available());
                    return Err(MulticastError::InterfaceNeeded { address, available });
                }
                By::V6 { group, interface }
            }
        };
        Ok(Self { address, multicast, by })
    }

    /// A socket that does not block, with no options set.
    fn socket(&self) -> io::Result<Socket> {
        let domain = match self.by {
            By::V4 { .. } => Domain::IPV4,
            By::V6 { .. } => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// The group as the place to send to.
    fn group(&self) -> SocketAddr {
        let port = self.multicast.port();
        match self.by {
            By::V4 { group, .. } => (group, port).into(),
            By::V6 { group, interface } => {
                SocketAddrV6::new(group, port, 0, interface.unwrap_or(0)).into()
            }
        }
    }

    /// Where a member is bound: to the group itself, so that it hears nothing else that comes to the port.
    #[cfg(not(windows))]
    fn heard_at(&self) -> SocketAddr {
        self.group()
    }

    /// Windows binds to no group.
    #[cfg(windows)]
    fn heard_at(&self) -> SocketAddr {
        let mut anywhere = self.anywhere();
        anywhere.set_port(self.multicast.port());
        anywhere
    }

    /// Any address of this machine and any port.
    fn anywhere(&self) -> SocketAddr {
        match self.by {
            By::V4 { .. } => (Ipv4Addr::UNSPECIFIED, 0).into(),
            By::V6 { .. } => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
    }

    /// Makes `socket` hear the group, by this interface and by no other.
    fn enter(&self, socket: &Socket) -> io::Result<()> {
        // Windows has the loopback option on the side that receives, the others on the side that sends. Linux would
        // deliver also what came in by another interface, where another socket has joined there.
        match self.by {
            By::V4 { .. } => {
                socket.set_multicast_loop_v4(self.multicast.loopback())?;
                #[cfg(target_os = "linux")]
                socket.set_multicast_all_v4(false)?;
            }
            By::V6 { .. } => {
                socket.set_multicast_loop_v6(self.multicast.loopback())?;
                #[cfg(target_os = "linux")]
                socket.set_multicast_all_v6(false)?;
            }
        }
        self.join(socket)
    }

    /// Makes `socket` a member of the group.
    fn join(&self, socket: &Socket) -> io::Result<()> {
        match self.by {
            By::V4 { group, interface } => {
                socket.join_multicast_v4(&group, &interface.unwrap_or(Ipv4Addr::UNSPECIFIED))
            }
            By::V6 { group, interface } => socket.join_multicast_v6(&group, interface.unwrap_or(0)),
        }
    }

    /// How what is sent to the group leaves.
    fn set_outgoing(&self, socket: &Socket) -> io::Result<()> {
        let (ttl, loopback) = (self.multicast.ttl().into(), self.multicast.loopback());
        match self.by {
            By::V4 { interface, .. } => {
                socket.set_multicast_ttl_v4(ttl)?;
                socket.set_multicast_loop_v4(loopback)?;
                interface.map_or(Ok(()), |interface| socket.set_multicast_if_v4(&interface))
            }
            By::V6 { interface, .. } => {
                socket.set_multicast_hops_v6(ttl)?;
                socket.set_multicast_loop_v6(loopback)?;
                interface.map_or(Ok(()), |interface| socket.set_multicast_if_v6(interface))
            }
        }
    }

    fn failed(&self, cause: io::Error) -> MulticastError {
        let address = self.address.clone();
        if is_without_route(&cause) {
            return MulticastError::NoRoute { address, available: available() };
        }
        MulticastError::Io { address, cause }
    }
}

/// What stands for the interface that `multicast` names; `None` when it names none.
fn named<T>(
    address: &Address,
    multicast: &MulticastAddress,
    stands_for: impl FnOnce(&Interface, &str) -> Option<T>,
) -> Result<Option<T>, MulticastError> {
    let Some(text) = multicast.interface() else { return Ok(None) };
    let all =
        Interface::all().map_err(|cause| MulticastError::Io { address: address.clone(), cause })?;
    let (address, interface) = (address.clone(), text.to_owned());
    let Some(found) = Interface::named(&all, text) else {
        let available = Interfaces::new(all);
        return Err(MulticastError::NoSuchInterface { address, interface, available });
    };
    if let Some(it) = stands_for(found, text) {
        return Ok(Some(it));
    }
    let family = if multicast.group().is_ipv4() { "IPv4" } else { "IPv6" };
    let available = Interfaces::new(all);
    Err(MulticastError::NoAddress { address, interface, family, available })
}

/// For an error that has a reason already: an empty list if the system does not tell.
fn available() -> Interfaces {
    Interfaces::new(Interface::all().unwrap_or_default())
}

/// Interface-local and link-local groups (RFC 4291, section 2.7).
fn is_within_one_network(group: Ipv6Addr) -> bool {
    matches!(group.octets()[1] & 0x0f, 1 | 2)
}

/// Whether the system knows no interface for the group. Linux says so by another error when joining (`ENODEV`).
fn is_without_route(error: &io::Error) -> bool {
    const ENODEV: i32 = 19;
    let is_no_device = cfg!(unix) && error.raw_os_error() == Some(ENODEV);
    is_no_device
        || matches!(
            error.kind(),
            io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::AddrNotAvailable
        )
}

#[cfg(test)]
mod tests;
