//! Queued bytes → socket.
//!
//! The driver's part that writes. It holds a chunk of its own, taken from the queue under the lock, and
//! writes it without the lock; what many callers and handlers queued leaves in one write.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use msgrpc_core::connection::Chunk;
use msgrpc_transport::Stream;

use super::alarm::now;
use super::{Connection, State, wake_next};

/// Parts that leave in one write, at most.
pub(super) const SLICES: usize = 16;

/// The chunk being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    chunk: Chunk,
    /// Since when the peer has taken nothing, or the transport has flushed nothing, while there is
    /// something to take.
    stalled: Option<Instant>,
    /// The transport may hold back what it took.
    unflushed: bool,
}

impl Writer {
    /// Takes what is queued, unless a caller is writing: that one wakes the driver for the rest. False
    /// when there is nothing to write.
    pub(super) fn take(&mut self, state: &mut State) -> bool {
        if self.chunk.is_empty() && !state.writing && !state.outbound.is_queue_empty() {
            state.outbound.poll_output(&mut self.chunk);
            state.writing = true;
        }
        !self.chunk.is_empty()
    }

    /// Writes what was taken and what is queued meanwhile. Ready when nothing is left.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.chunk.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.chunk.slices(&mut slices);
            match stream.poll_write(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.chunk.advance(written);
                    self.chunk.release();
                    self.stalled = None;
                    self.unflushed = true;
                    let mut state = connection.lock();
                    state.writing = !self.chunk.is_empty();
                    state.outbound.handle_written(written);
                    self.take(&mut state);
                    // What was written may have made room for those in line.
                    wake_next(state);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.stalled.get_or_insert_with(now);
                    return Poll::Pending;
                }
            }
        }
        if self.unflushed {
            if stream.poll_flush(cx)?.is_pending() {
                self.stalled.get_or_insert_with(now);
                return Poll::Pending;
            }
            self.unflushed = false;
            self.stalled = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether everything that was taken is written.
    pub(super) fn is_idle(&self) -> bool {
        self.chunk.is_empty() && !self.unflushed
    }

    /// Whether it holds bytes that are not written.
    pub(super) fn is_writing(&self) -> bool {
        !self.chunk.is_empty()
    }

    /// When the peer will have taken nothing for too long.
    pub(super) fn stall_deadline(&self, connection: &Connection) -> Option<Instant> {
        self.stalled?.checked_add(connection.limits().write_stall_timeout)
    }
}
