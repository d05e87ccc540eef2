//! One connected stream of bytes, whatever carries it.
//!
//! Used by the connection driver, which reads, writes and closes through poll functions. It never buffers: what
//! [`Stream::poll_write`] took is with the kernel, or with the custom transport.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;
#[cfg(unix)]
use tokio::net::{UnixStream, unix};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, tcp},
};
use tokio_util::io::poll_read_buf;

use crate::{
    Address, HostPort, Peer,
    halves::{Halves, Socket},
};

/// A connected stream of bytes.
///
/// Reading and writing may both be pending at once, in one task: each remembers the waker of its last caller.
///
/// # Dropping
///
/// Dropping the stream closes it, although a [`DirectWriter`] may still exist: what was written before is still
/// delivered, then the peer sees the end, and the writer fails with [`io::ErrorKind::BrokenPipe`]. Bytes of the peer
/// that were never read make a TCP socket end with a reset, which may overtake answers still on their way; who
/// wants all of them delivered shuts down, reads to the end, then drops.
///
/// # Cancel safety
///
/// All of it is poll functions: not polling again loses nothing.
pub struct Stream {
    kind: Kind,
    peer: Peer,
    local: Address,
}

enum Kind {
    Tcp(Halves<TcpStream>),
    #[cfg(unix)]
    Unix(Halves<UnixStream>),
    Boxed(Box<dyn Io>),
}

impl Stream {
    /// A stream over a custom transport: a pipe, a tunnel, a simulated network.
    ///
    /// `local` is this side's own address, for logs. `io` must wake the readers when the writing side blocks, as
    /// everything in tokio does.
    pub fn new(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: Peer,
        local: Address,
    ) -> Self {
        Self { kind: Kind::Boxed(Box::new(io)), peer, local }
    }

    /// Takes a connected TCP socket and sets `TCP_NODELAY`: writes are gathered by the driver, so the kernel need
    /// not hold small ones back.
    pub(crate) fn tcp(socket: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let local = Address::Tcp(HostPort::from(socket.local_addr()?));
        Ok(Self { kind: Kind::Tcp(Halves::new(socket)), peer: peer.into(), local })
    }

    /// Takes a connected Unix socket.
    #[cfg(unix)]
    pub(crate) fn unix(socket: UnixStream, peer: Peer, local: Address) -> Self {
        Self { kind: Kind::Unix(Halves::new(socket)), peer, local }
    }

    /// Reads into the spare capacity of `buffer`, which the caller has reserved, and returns how many bytes came.
    /// `Ok(0)` is the end of the stream.
    ///
    /// A `buffer` without spare capacity grows by a little, so that 0 always means the end.
    ///
    /// # Errors
    ///
    /// Those of the transport, such as [`io::ErrorKind::ConnectionReset`].
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(halves) => halves.poll_read(cx, buffer),
            #[cfg(unix)]
            Kind::Unix(halves) => halves.poll_read(cx, buffer),
            Kind::Boxed(io) => poll_read_buf(Pin::new(io), cx, buffer),
        }
    }

    /// Writes some of `slices`, in their order, and returns how many bytes were taken.
    ///
    /// # Errors
    ///
    /// Those of the transport, such as [`io::ErrorKind::BrokenPipe`].
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(halves) => halves.poll_write(cx, slices),
            #[cfg(unix)]
            Kind::Unix(halves) => halves.poll_write(cx, slices),
            Kind::Boxed(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    /// Pushes out what the transport holds back. Sockets hold nothing back; TLS and custom streams may.
    ///
    /// # Errors
    ///
    /// Those of the transport.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(_) => Poll::Ready(Ok(())),
            #[cfg(unix)]
            Kind::Unix(_) => Poll::Ready(Ok(())),
            Kind::Boxed(io) => Pin::new(io).poll_flush(cx),
        }
    }

    /// Closes the writing side: what was written is still delivered, then the peer reads the end. Reading goes on.
    ///
    /// Closing twice, or after the peer has gone, is fine.
    ///
    /// # Errors
    ///
    /// Those of the transport.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(halves) => Poll::Ready(halves.shutdown()),
            #[cfg(unix)]
            Kind::Unix(halves) => Poll::Ready(halves.shutdown()),
            Kind::Boxed(io) => Pin::new(io).poll_shutdown(cx),
        }
    }

    /// A handle that writes at once, from any task, without waiting.
    ///
    /// `None` where reading and writing share a state machine: TLS, memory and custom streams.
    pub fn direct(&self) -> Option<DirectWriter> {
        let kind = match &self.kind {
            Kind::Tcp(halves) => DirectKind::Tcp(Arc::clone(halves.writer())),
            #[cfg(unix)]
            Kind::Unix(halves) => DirectKind::Unix(Arc::clone(halves.writer())),
            Kind::Boxed(_) => return None,
        };
        Some(DirectWriter { kind })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// This side's own address; for TCP with the port in use.
    pub fn local(&self) -> &Address {
        &self.local
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("local", &format_args!("{}", self.local))
            .field("peer", &format_args!("{}", self.peer))
            .finish_non_exhaustive()
    }
}

/// Writes to a [`Stream`] at once, from any task, without waiting.
///
/// Writers are not put in order by this type: who shares one holds a lock of their own, so that no message is cut
/// in two by another. It does not keep the connection alive: see [`Stream`]'s notes on dropping.
#[derive(Clone, Debug)]
pub struct DirectWriter {
    kind: DirectKind,
}

#[derive(Clone, Debug)]
enum DirectKind {
    Tcp(Arc<tcp::OwnedWriteHalf>),
    #[cfg(unix)]
    Unix(Arc<unix::OwnedWriteHalf>),
}

impl DirectWriter {
    /// Writes some of `slices`, in their order, and returns how many bytes were taken.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when the kernel's buffer is full, or the socket so new that nothing is known of
    /// it yet: the rest belongs to [`Stream::poll_write`]. [`io::ErrorKind::BrokenPipe`] after the stream was shut
    /// down or dropped. Others are those of the transport.
    pub fn try_write(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match &self.kind {
            DirectKind::Tcp(half) => Socket::try_write((**half).as_ref(), slices),
            #[cfg(unix)]
            DirectKind::Unix(half) => Socket::try_write((**half).as_ref(), slices),
        }
    }
}

/// What a boxed stream can do: both halves, in one object.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::Stream;

    #[tokio::test]
    async fn small_writes_of_a_tcp_stream_are_not_held_back() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = std::net::TcpStream::connect(address).unwrap();
        let same = socket.try_clone().unwrap();
        socket.set_nonblocking(true).unwrap();
        let stream = Stream::tcp(TcpStream::from_std(socket).unwrap(), address).unwrap();
        assert!(same.nodelay().unwrap());
        drop(stream);
    }
}
