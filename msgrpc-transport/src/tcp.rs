//! TCP: connecting and listening.
//!
//! Used by [`dial`](crate::dial()), [`Listener`](crate::Listener) and [`Stream`]. It never buffers, and never gives up
//! listening.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::net::{
    TcpListener, TcpSocket, TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use crate::{
    Address, BindError, ConnectError, DialOptions, HostPort, KeepAlive, ListenOptions, Stream,
    backoff::AcceptBackoff,
    dial::{race, within},
    halves::Socket,
    resolve::resolve,
};

impl Socket for TcpStream {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.into_split()
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }

    fn try_write(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [slice] => self.try_write(slice),
            _ => self.try_write_vectored(slices),
        }
    }

    fn as_sock(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

pub(crate) async fn dial(
    address: &Address,
    host: &HostPort,
    options: &DialOptions,
) -> Result<Stream, ConnectError> {
    let (socket, peer) = connect(address, host, options).await?;
    let failed = |cause| ConnectError::Io { address: address.clone(), cause };
    Stream::tcp(socket, peer).map_err(failed)
}

/// Connects to whichever address of `host` answers first, and tells which one that was.
pub(crate) async fn connect(
    address: &Address,
    host: &HostPort,
    options: &DialOptions,
) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let connect = async |peer| {
        let socket = TcpStream::connect(peer).await?;
        KeepAlive::apply(options.keep_alive, &socket);
        Ok((socket, peer))
    };
    let mut attempts = Vec::new();
    let connecting = async {
        let found = options.lookups.resolve(host).await?;
        Ok(race(found, options.attempt_delay, connect, &mut attempts).await)
    };
    let outcome = within(options.connect_timeout, connecting).await;
    let address = address.clone();
    match outcome {
        Ok(Ok(Some(connected))) => Ok(connected),
        Ok(Ok(None)) => Err(ConnectError::Failed { address, attempts }),
        Ok(Err(cause)) => Err(ConnectError::Resolve { address, cause }),
        Err(timeout) => Err(ConnectError::TimedOut { address, timeout, attempts }),
    }
}

/// A listening socket and its patience.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    backoff: AcceptBackoff,
    keep_alive: Option<KeepAlive>,
}

impl Listening {
    /// Listens on the first address of `host` that can be had, and returns which one that was.
    pub(crate) async fn bind(
        address: &Address,
        host: &HostPort,
        options: &ListenOptions,
    ) -> Result<(Self, HostPort), BindError> {
        let failed = |cause| BindError::Io { address: address.clone(), cause };
        let found = resolve(host)
            .await
            .map_err(|cause| BindError::Resolve { address: address.clone(), cause })?;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for socket_address in found {
            match listen(socket_address, options.backlog) {
                Ok(listener) => return Self::over(listener, options).map_err(failed),
                // An address that the machine does not have (IPv6 switched off) says less than any other reason.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(error) => failure = error,
            }
        }
        Err(failed(failure))
    }

    /// Listens on a socket that is bound already.
    pub(crate) fn from_std(
        listener: std::net::TcpListener,
        options: &ListenOptions,
    ) -> io::Result<(Self, HostPort)> {
        listener.set_nonblocking(true)?;
        Self::over(TcpListener::from_std(listener)?, options)
    }

    fn over(listener: TcpListener, options: &ListenOptions) -> io::Result<(Self, HostPort)> {
        let local = HostPort::from(listener.local_addr()?);
        let keep_alive = options.keep_alive;
        let listening = Self { listener, backoff: AcceptBackoff::default(), keep_alive };
        Ok((listening, local))
    }

    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        self.poll_accept_with(cx, Stream::tcp)
    }

    /// Accepts a socket and lets `take` make something of it; where that fails the peer has already gone.
    pub(crate) fn poll_accept_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl Fn(TcpStream, SocketAddr) -> io::Result<T>,
    ) -> Poll<T> {
        let (listener, keep_alive) = (&self.listener, self.keep_alive);
        self.backoff.poll_accept(cx, |cx| {
            let (socket, peer) = ready!(listener.poll_accept(cx))?;
            KeepAlive::apply(keep_alive, &socket);
            // Options of a socket cannot be set when the peer has already gone (macOS): as good as aborted.
            let aborted = |_gone| io::ErrorKind::ConnectionAborted.into();
            Poll::Ready(take(socket, peer).map_err(aborted))
        })
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that restarts gets its port back though old connections still fade out. On Windows the option would
    // let another process take the port away.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}
