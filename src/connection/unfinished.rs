//! Bytes of unfinished messages, over all connections of a server.
//!
//! One connection holds one message at most, but thousands of them would hold gigabytes. Counted by the reader when
//! its socket has nothing more; buffers of the usual size are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that all connections hold together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished(Arc<AtomicUsize>);

/// One connection's part of them, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    all: Unfinished,
    bytes: usize,
}

impl Share {
    pub(super) fn of(all: &Unfinished) -> Self {
        Self { all: all.clone(), bytes: 0 }
    }

    /// Holds this many from now on. False when it holds more than before, and all together more than `limit`.
    pub(super) fn hold(&mut self, bytes: usize, limit: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes <= before {
            if bytes < before {
                self.all.0.fetch_sub(before - bytes, Ordering::Relaxed);
            }
            return true;
        }
        let more = bytes - before;
        self.all.0.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= limit
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0, 0);
    }
}
