//! Queued bytes → socket.
//!
//! The driver's part that writes. It holds a chunk of its own, taken from the queue under the lock, and
//! writes it without the lock; what many callers and handlers queued leaves in one write.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use msgrpc_core::connection::Chunk;
use msgrpc_transport::Stream;

use super::Connection;
use super::alarm::now;

/// Parts that leave in one write, at most.
pub(super) const SLICES: usize = 16;

/// The chunk being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    chunk: Chunk,
    /// Since when the peer has taken nothing, while there is something to take.
    stalled: Option<Instant>,
    /// The transport may hold back what it took.
    unflushed: bool,
}

impl Writer {
    /// Writes what is queued. True: nothing is left; false: a caller is writing the rest by itself.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        loop {
            if self.chunk.is_empty() {
                match self.take(connection) {
                    Taken::Some => {}
                    Taken::Nothing => break,
                    Taken::Busy => return Poll::Ready(Ok(false)),
                }
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.chunk.slices(&mut slices);
            match stream.poll_write(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.chunk.advance(written);
                    self.stalled = None;
                    self.unflushed = true;
                    let mut state = connection.lock();
                    state.writing = !self.chunk.is_empty();
                    state.outbound.handle_written(written);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.stalled.get_or_insert_with(now);
                    return Poll::Pending;
                }
            }
        }
        if self.unflushed {
            std::task::ready!(stream.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(true))
    }

    /// When the peer will have taken nothing for too long.
    pub(super) fn stall_deadline(&self, connection: &Connection) -> Option<Instant> {
        self.stalled?.checked_add(connection.limits().write_stall_timeout)
    }

    /// Gives back buffers that an idle connection should not keep.
    pub(super) fn release(&mut self) {
        self.chunk.release();
    }

    /// Takes what is queued, unless a caller is writing: that one wakes the driver for the rest.
    fn take(&mut self, connection: &Connection) -> Taken {
        let mut state = connection.lock();
        if state.writing {
            return Taken::Busy;
        }
        if state.outbound.is_queue_empty() {
            return Taken::Nothing;
        }
        state.outbound.poll_output(&mut self.chunk);
        state.writing = true;
        Taken::Some
    }
}

enum Taken {
    Some,
    Nothing,
    Busy,
}
