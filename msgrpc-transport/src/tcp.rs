//! TCP: connecting, listening, and the two halves of a socket.
//!
//! Used by [`dial`](crate::dial()), [`Listener`](crate::Listener) and [`Stream`]. It never waits in a write that was
//! asked to be immediate, and never asks the kernel for bytes that it has just said are not there.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::net::{
    TcpListener, TcpSocket, TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};
use tokio_util::io::poll_read_buf;

use crate::{
    Address, BindError, ConnectError, DialOptions, HostPort, ListenOptions, Stream,
    backoff::AcceptBackoff,
    dial::{race, within},
    resolve::resolve,
};

/// A connected socket in two halves, so that others may write to it while one task reads.
pub(crate) struct Halves {
    read: OwnedReadHalf,
    /// Shared with every [`DirectWriter`](crate::DirectWriter); they write, only we wait for it to be writable.
    write: Arc<OwnedWriteHalf>,
}

impl Halves {
    pub(crate) fn new(socket: TcpStream) -> Self {
        let (read, write) = socket.into_split();
        Self { read, write: Arc::new(write) }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        // `AsyncRead` notes a short read as "nothing more there"; `try_read` would ask the kernel once more.
        poll_read_buf(Pin::new(&mut self.read), cx, buffer)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket: &TcpStream = (*self.write).as_ref();
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match try_write(&self.write, slices) {
                // The buffer filled up since, perhaps by a direct writer; the next poll registers for the change.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Closes the writing side of the socket itself: dropping our half would not while a clone of it exists.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        let socket: &TcpStream = (*self.write).as_ref();
        match SockRef::from(socket).shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn writer(&self) -> &Arc<OwnedWriteHalf> {
        &self.write
    }
}

impl Drop for Halves {
    fn drop(&mut self) {
        // Without this a forgotten direct writer would keep the connection open, with nobody reading it. Only the
        // writing side: the end goes out after the bytes already written, while closing the reading side makes the
        // kernel answer what the peer sends with a reset, which discards them.
        if let Err(error) = self.shutdown() {
            tracing::debug!(%error, "could not shut a socket down");
        }
    }
}

/// Writes at once; one slice goes the shorter way through the kernel.
pub(crate) fn try_write(half: &OwnedWriteHalf, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [slice] => half.try_write(slice),
        _ => half.try_write_vectored(slices),
    }
}

pub(crate) async fn dial(
    address: &Address,
    host: &HostPort,
    options: &DialOptions,
) -> Result<Stream, ConnectError> {
    let mut attempts = Vec::new();
    let connecting = async {
        let found = resolve(host).await?;
        Ok(race(found, options.attempt_delay, connect, &mut attempts).await)
    };
    let outcome = within(options.connect_timeout, connecting).await;
    let address = address.clone();
    match outcome {
        Ok(Ok(Some(stream))) => Ok(stream),
        Ok(Ok(None)) => Err(ConnectError::Failed { address, attempts }),
        Ok(Err(source)) => Err(ConnectError::Resolve { address, source }),
        Err(timeout) => Err(ConnectError::TimedOut { address, timeout, attempts }),
    }
}

async fn connect(address: SocketAddr) -> io::Result<Stream> {
    Stream::tcp(TcpStream::connect(address).await?, address)
}

/// A listening socket and its patience.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    backoff: AcceptBackoff,
}

impl Listening {
    /// Listens on the first address of `host` that can be had, and returns which one that was.
    pub(crate) async fn bind(
        address: &Address,
        host: &HostPort,
        options: &ListenOptions,
    ) -> Result<(Self, Address), BindError> {
        let failed = |source| BindError::Io { address: address.clone(), source };
        let found = resolve(host)
            .await
            .map_err(|source| BindError::Resolve { address: address.clone(), source })?;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for socket_address in found {
            match listen(socket_address, options.backlog) {
                Ok(listener) => {
                    let local = HostPort::from(listener.local_addr().map_err(failed)?);
                    let listening = Self { listener, backoff: AcceptBackoff::default() };
                    return Ok((listening, Address::Tcp(local)));
                }
                // An address that the machine does not have (IPv6 switched off) says less than any other reason.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(error) => failure = error,
            }
        }
        Err(failed(failure))
    }

    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        let listener = &self.listener;
        self.backoff.poll_accept(cx, |cx| {
            let (socket, peer) = ready!(listener.poll_accept(cx))?;
            Poll::Ready(match Stream::tcp(socket, peer) {
                Ok(stream) => Ok(stream),
                // Options of a socket cannot be set when the peer has already gone (macOS): as good as aborted.
                Err(_gone) => Err(io::ErrorKind::ConnectionAborted.into()),
            })
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
