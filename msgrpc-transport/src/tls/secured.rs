//! The stream of bytes within a TLS connection.
//!
//! Made by both ends after the handshake. It buffers nothing itself: what the kernel does not take waits in rustls,
//! 64 KiB at most, until it is flushed. An end without TLS's own mark for it is a lost connection.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

use super::{failure::Rejected, subject::subject};
use crate::{Address, HostPort, Peer, Stream};

/// Makes a stream of a connection whose handshake is done.
pub(super) fn secured(
    tls: impl Into<TlsStream<TcpStream>>,
    peer: SocketAddr,
) -> io::Result<Stream> {
    let tls = tls.into();
    let (socket, session) = tls.get_ref();
    let local = Address::Tls(HostPort::from(socket.local_addr()?));
    let mut peer = Peer::from(peer);
    if let Some([own, ..]) = session.peer_certificates() {
        let chain = session.peer_certificates().unwrap_or_default();
        peer = peer.with_certificates(chain.iter().map(|der| der.to_vec()).collect(), subject(own));
    }
    Ok(Stream::new(Secured(tls), peer, local))
}

#[derive(Debug)]
struct Secured(TlsStream<TcpStream>);

impl Secured {
    /// What `error` of this side means.
    fn meaning(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let text = "the peer closed the connection without closing TLS (no close_notify)";
            return io::Error::new(io::ErrorKind::ConnectionReset, text);
        }
        match Rejected::of(&error).filter(|_| matches!(self.0, TlsStream::Client(_))) {
            Some(rejected) => io::Error::new(io::ErrorKind::PermissionDenied, rejected),
            None => error,
        }
    }

    /// What `error` of writing means. A server that rejects our certificate says so and closes; who writes meets the
    /// end first, although the reason has arrived.
    fn meaning_of_writing(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        if matches!(self.0, TlsStream::Client(_))
            && let Poll::Ready(Err(said)) = poll_fill(&mut self.0, cx)
            && Rejected::of(&said).is_some()
        {
            return self.meaning(said);
        }
        self.meaning(error)
    }
}

/// Reads without taking.
fn poll_fill(tls: &mut TlsStream<TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    Pin::new(tls).poll_fill_buf(cx).map_ok(drop)
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer).map_err(|error| self.meaning(error))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        written.map_err(|error| self.meaning_of_writing(cx, error))
    }

    /// Several slices become as few records as they fit into, not one each.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write_vectored(cx, slices);
        written.map_err(|error| self.meaning_of_writing(cx, error))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.0).poll_flush(cx);
        flushed.map_err(|error| self.meaning_of_writing(cx, error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
