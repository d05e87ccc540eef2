//! A connected socket in two halves: one task reads, anybody writes.
//!
//! Used by [`Stream`](crate::Stream) for every transport that is a socket of the system. It never waits in a write that
//! was asked to be immediate, and never asks the kernel for bytes that it has just said are not there.

use std::{
    fmt, io,
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// A kind of socket that comes apart into a reading and a writing half.
pub(crate) trait Socket: Sized {
    /// The half that reads.
    type Read: AsyncRead + Send + Unpin;
    /// The half that writes; it lends the socket itself.
    type Write: AsRef<Self> + fmt::Debug + Send + Sync;

    fn split(self) -> (Self::Read, Self::Write);

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes at once; one slice goes the shorter way through the kernel.
    fn try_write(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize>;

    fn as_sock(&self) -> SockRef<'_>;
}

/// A connected socket in two halves, so that others may write to it while one task reads.
pub(crate) struct Halves<S: Socket> {
    read: S::Read,
    /// Shared with every [`DirectWriter`](crate::DirectWriter); they write, only we wait for it to be writable.
    write: Arc<S::Write>,
}

impl<S: Socket> Halves<S> {
    pub(crate) fn new(socket: S) -> Self {
        let (read, write) = socket.split();
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
        let socket = self.socket();
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_write(slices) {
                // The buffer filled up since, perhaps by a direct writer; the next poll registers for the change.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Closes the writing side of the socket itself: dropping our half would not while a clone of it exists.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match self.socket().as_sock().shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn writer(&self) -> &Arc<S::Write> {
        &self.write
    }

    fn socket(&self) -> &S {
        (*self.write).as_ref()
    }
}

impl<S: Socket> Drop for Halves<S> {
    fn drop(&mut self) {
        // Without this a forgotten direct writer would keep the connection open, with nobody reading it. Only the
        // writing side: the end goes out after the bytes already written, while closing the reading side makes the
        // kernel answer what the peer sends with a reset, which discards them.
        if let Err(error) = self.shutdown() {
            tracing::debug!(%error, "could not shut a socket down");
        }
    }
}
