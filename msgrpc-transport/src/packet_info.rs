//! Which of the machine's addresses a datagram was sent to, and from which one an answer goes out.
//!
//! Used by [`DatagramSocket`](crate::DatagramSocket) when it is bound to all addresses: a peer drops an answer that comes
//! from another address than it has asked. Linux, Android and the systems of Apple have it (`IP_PKTINFO`,
//! `IPV6_PKTINFO`); on the others the system chooses, and nothing here is called.

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) use told::{receive, send, switch_on};
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) use untold::{receive, send, switch_on};

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod told {
    use std::{
        io::{self, IoSlice, IoSliceMut},
        net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
        os::fd::{AsFd, AsRawFd},
    };

    use nix::{
        cmsg_space, libc,
        sys::socket::{
            ControlMessage, ControlMessageOwned, MsgFlags, SetSockOpt, SockaddrStorage, recvmsg,
            sendmsg, setsockopt, sockopt,
        },
    };

    use crate::Received;

    /// Asks the kernel to tell; whether it does.
    pub(crate) fn switch_on(socket: &impl AsFd, local: SocketAddr) -> bool {
        let set = match local {
            SocketAddr::V4(_) => on(socket, sockopt::Ipv4PacketInfo),
            SocketAddr::V6(_) => on(socket, sockopt::Ipv6RecvPacketInfo),
        };
        set.inspect_err(|error| tracing::debug!(%error, "no packet information")).is_ok()
    }

    fn on(socket: &impl AsFd, option: impl SetSockOpt<Val = bool>) -> nix::Result<()> {
        setsockopt(socket, option, &true)
    }

    /// Receives one datagram into `buffer`.
    pub(crate) fn receive(socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<Received> {
        let mut control = cmsg_space!(libc::in6_pktinfo);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let to = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
            }
            _ => None,
        });
        let from = message.address.as_ref().and_then(socket_addr);
        let from = from.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Received { from, to, bytes: message.bytes })
    }

    /// Sends one datagram to `to`, from `from`.
    pub(crate) fn send(
        socket: &impl AsRawFd,
        datagram: &[u8],
        to: SocketAddr,
        from: IpAddr,
    ) -> io::Result<()> {
        let (v4, v6);
        let control = match from {
            IpAddr::V4(from) => {
                v4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(from.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            IpAddr::V6(from) => {
                v6 = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
                    ipi6_ifindex: 0,
                };
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        let to = SockaddrStorage::from(to);
        let slices = [IoSlice::new(datagram)];
        sendmsg(socket.as_raw_fd(), &slices, &[control], MsgFlags::empty(), Some(&to))?;
        Ok(())
    }

    fn socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod untold {
    use std::{
        io,
        net::{IpAddr, SocketAddr},
    };

    use crate::Received;

    pub(crate) fn switch_on<S>(_: &S, _: SocketAddr) -> bool {
        false
    }

    pub(crate) fn receive<S>(_: &S, _: &mut [u8]) -> io::Result<Received> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn send<S>(_: &S, _: &[u8], _: SocketAddr, _: IpAddr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
