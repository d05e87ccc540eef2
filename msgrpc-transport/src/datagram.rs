//! One UDP socket: datagrams in and out, each whole.
//!
//! Used by clients and servers of `udp://` and, over sockets made elsewhere, of `multicast://`. It never looks into a
//! datagram, keeps none, and cuts none.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{io::Interest, net::UdpSocket, task::coop::consume_budget, time::sleep};

use crate::{
    Address, Attempt, BindError, ConnectError, DialOptions, HostPort, ListenOptions, dial::within,
    packet_info, resolve::resolve,
};

/// A UDP socket, connected to one peer or open to all.
///
/// Its methods take `&self`: one task receives, any number send. Errors that the network reports (ICMP) come as errors
/// of the next operation and leave the socket as it was.
pub struct DatagramSocket {
    socket: UdpSocket,
    address: Address,
    peer: Option<SocketAddr>,
    bound: Bound,
    /// Where datagrams are received before they are appended to the caller's buffer, so that what the caller keeps is
    /// as long as the datagram and not as the longest one. Taken out while it is used.
    scratch: Mutex<Option<Box<[u8]>>>,
}

/// On which of the machine's addresses a socket receives.
#[derive(Clone, Copy, Debug)]
enum Bound {
    One(IpAddr),
    /// All; the kernel tells with each datagram which one was asked, where it can.
    All {
        told: bool,
    },
}

/// A datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Who sent it, as its header says: nothing proves it.
    pub from: SocketAddr,
    /// The address of this machine, or the multicast group, that it was sent to; `None` where the system does not tell.
    pub to: Option<IpAddr>,
    /// Its length, in bytes; may be 0.
    pub bytes: usize,
}

impl DatagramSocket {
    /// Opens a socket that exchanges datagrams with one peer: those of others are dropped by the kernel.
    ///
    /// `address` is a `udp://` address. A name is looked up, and the first of its addresses that this machine has a
    /// route to is taken; nothing is sent, so it is not known whether anybody listens there.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the name is not found or there is no route, or the address is not a `udp://` one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(address: &Address, options: &DialOptions) -> Result<Self, ConnectError> {
        let Address::Udp(host) = address else {
            return Err(ConnectError::Unsupported { address: address.clone() });
        };
        let address = address.clone();
        let found = match within(options.connect_timeout, resolve(host)).await {
            Ok(Ok(found)) => found,
            Ok(Err(cause)) => return Err(ConnectError::Resolve { address, cause }),
            Err(timeout) => {
                return Err(ConnectError::TimedOut { address, timeout, attempts: Vec::new() });
            }
        };
        let mut attempts = Vec::new();
        for peer in found {
            let connected = Self::connect_to(peer);
            match connected {
                Ok(socket) => {
                    // Until the runtime has looked once, it takes no socket for writable.
                    drop(socket.socket.writable().await);
                    return Ok(socket);
                }
                Err(error) => {
                    let mut attempt = Attempt::begun(peer);
                    attempt.fail(error);
                    attempts.push(attempt);
                }
            }
        }
        Err(ConnectError::Failed { address, attempts })
    }

    /// Opens a socket that receives from anybody.
    ///
    /// `address` is a `udp://` address. A name is looked up; the first of its addresses that can be had is taken. Port 0
    /// takes any free port, which [`address`](Self::address) then tells.
    ///
    /// # Errors
    ///
    /// [`BindError`], with the reason and, where there is one, the way out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees the address.
    pub async fn bind(address: &Address, _options: &ListenOptions) -> Result<Self, BindError> {
        let Address::Udp(host) = address else {
            return Err(BindError::Unsupported { address: address.clone() });
        };
        let failed = |cause| BindError::Io { address: address.clone(), cause };
        let found = resolve(host)
            .await
            .map_err(|cause| BindError::Resolve { address: address.clone(), cause })?;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for local in found {
            match open(local).and_then(|socket| Self::over(socket, None)) {
                Ok(socket) => return Ok(socket),
                // An address that the machine does not have (IPv6 switched off) says less than any other reason.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(error) => failure = error,
            }
        }
        Err(failed(failure))
    }

    /// The socket `socket`, which is bound and, if there is a `peer`, connected to it. `address` is what
    /// [`address`](Self::address) returns.
    pub(crate) fn from_std(
        socket: std::net::UdpSocket,
        address: Address,
        peer: Option<SocketAddr>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let sock = SockRef::from(&socket);
        // Bursts are lost where the kernel has no room for them. A system that allows less gives what it allows.
        if let Err(error) = sock.set_recv_buffer_size(RECEIVE_BUFFER_BYTES) {
            tracing::debug!(%error, "the receive buffer stays as it is");
        }
        let local = socket.local_addr()?;
        let bound = if local.ip().is_unspecified() {
            Bound::All { told: packet_info::switch_on(&socket, local) }
        } else {
            Bound::One(local.ip())
        };
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self { socket, address, peer, bound, scratch: Mutex::default() })
    }

    /// Receives one datagram and appends it to `buffer`, whole.
    ///
    /// # Errors
    ///
    /// What the network reported about a datagram sent before (`ConnectionRefused`), or an error of the system. The
    /// socket can be used on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no datagram.
    pub async fn recv(&self, buffer: &mut BytesMut) -> io::Result<Received> {
        // Datagrams that keep coming must not keep other tasks from running.
        consume_budget().await;
        loop {
            // What the network reports does not make a socket readable: it is asked for as well.
            let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
            if ready.is_error() {
                self.check_error()?;
            }
            match self.try_recv(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    /// Receives one datagram that is there already and appends it to `buffer`, whole.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; otherwise as [`recv`](Self::recv).
    pub fn try_recv(&self, buffer: &mut BytesMut) -> io::Result<Received> {
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut scratch = scratch.unwrap_or_else(|| vec![0; LONGEST_BYTES].into_boxed_slice());
        let received = self.receive(&mut scratch);
        if let Ok(received) = &received {
            buffer.extend_from_slice(&scratch[..received.bytes]);
        }
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = Some(scratch);
        received
    }

    /// Sends one datagram, waiting while the kernel has no room; any number of tasks may wait.
    ///
    /// `to`: whereto, for a socket without a peer. `from`: the address of this machine that the datagram is to come
    /// from, for a socket bound to all of them: an answer goes out from the address that was asked. It counts for
    /// nothing where the system does not support it, or where it is no address of one machine.
    ///
    /// # Errors
    ///
    /// Those of the system: the datagram is too large (`EMSGSIZE`), there is no route, the network is down. Nothing was
    /// sent then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready sends nothing.
    pub async fn send(
        &self,
        datagram: &[u8],
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
    ) -> io::Result<()> {
        loop {
            match self.try_send(datagram, to, from) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.room_to_send().await?;
                }
                sent => return sent,
            }
        }
    }

    /// Waits until the kernel may have room, after [`try_send`](Self::try_send) has found none.
    ///
    /// # Errors
    ///
    /// When the runtime is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn room_to_send(&self) -> io::Result<()> {
        self.socket.writable().await?;
        // Once the network has reported an error, tokio takes the socket for writable for ever: without the pause the
        // kernel would be asked again and again.
        sleep(SEND_PAUSE).await;
        Ok(())
    }

    /// Sends one datagram at once; `to` and `from` are those of [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// `WouldBlock` when the kernel has no room; otherwise as [`send`](Self::send).
    pub fn try_send(
        &self,
        datagram: &[u8],
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
    ) -> io::Result<()> {
        let from = from.filter(|from| {
            matches!(self.bound, Bound::All { told: true })
                && !from.is_multicast()
                && !from.is_unspecified()
        });
        match (to, from) {
            (Some(to), Some(from)) if self.peer.is_none() => self
                .socket
                .try_io(Interest::WRITABLE, || packet_info::send(&self.socket, datagram, to, from)),
            (Some(to), _) if self.peer.is_none() => self.socket.try_send_to(datagram, to).map(drop),
            _ => self.socket.try_send(datagram).map(drop),
        }
    }

    /// Waits until there is room for a datagram. A new socket knows of none until it was waited for.
    ///
    /// # Errors
    ///
    /// When the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Where it is bound, with the real port filled in.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whom it is connected to; `None` when it is open to all.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn connect_to(peer: SocketAddr) -> io::Result<Self> {
        let any = match peer {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let socket = open(SocketAddr::new(any, 0))?;
        socket.connect(peer)?;
        Self::over(socket, Some(peer))
    }

    fn over(socket: std::net::UdpSocket, peer: Option<SocketAddr>) -> io::Result<Self> {
        let address = Address::Udp(HostPort::from(socket.local_addr()?));
        Self::from_std(socket, address, peer)
    }

    fn receive(&self, scratch: &mut [u8]) -> io::Result<Received> {
        let to = match self.bound {
            Bound::All { told: true } => {
                let receive = || packet_info::receive(&self.socket, scratch);
                return self.socket.try_io(Interest::READABLE, receive);
            }
            Bound::All { told: false } => None,
            Bound::One(address) => Some(address),
        };
        let (bytes, from) = self.socket.try_recv_from(scratch)?;
        Ok(Received { from, to, bytes })
    }

    /// Takes the error that the network has reported.
    fn check_error(&self) -> io::Result<()> {
        let taken = self.socket.try_io(Interest::ERROR, || match self.socket.take_error()? {
            Some(error) => Err(error),
            // There is none any more: waits for the next one.
            None => Err(io::ErrorKind::WouldBlock.into()),
        });
        match taken {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            taken => taken,
        }
    }
}

impl fmt::Debug for DatagramSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramSocket")
            .field("address", &format_args!("{}", self.address))
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// A socket bound to `local`. One for IPv6 takes IPv4 as well where it is bound to all addresses, as the systems do for
/// TCP.
fn open(local: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&local.into())?;
    Ok(socket.into())
}

/// The longest datagram that UDP's length field allows, with room to spare.
const LONGEST_BYTES: usize = 1 << 16;

/// How long a sender waits before it asks the kernel again.
const SEND_PAUSE: Duration = Duration::from_millis(1);

/// What is asked of the kernel for datagrams that wait to be received: 128 datagrams of 8 KiB. The systems' defaults
/// lose bursts of a few hundred small ones.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
