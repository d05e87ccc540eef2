//! Bytes on their way out: small writes gathered in one buffer, large ones kept by reference.
//!
//! [`Outbound`](super::Outbound) fills one under the lock, the writer empties another one without it,
//! and they are swapped.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::payload::{Payload, Shared};

/// A queue of bytes: `segments`, then `tail` from `written` on.
#[derive(Debug, Default)]
pub struct Chunk {
    segments: VecDeque<Shared>,
    tail: Vec<u8>,
    /// Bytes of `tail` that were written: `written <= tail.len()`, and 0 while there are segments.
    written: usize,
}

impl Chunk {
    /// Appends a copy of `bytes`.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// The buffer that small writes are gathered in.
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends a payload: a large one by reference.
    #[inline]
    pub(crate) fn push_payload(&mut self, payload: &Payload) {
        match payload.shared() {
            Some(shared) => {
                self.seal();
                self.segments.push_back(shared.clone());
            }
            None => self.push(payload),
        }
    }

    /// Appends all of `later`, which is left empty.
    pub(crate) fn append(&mut self, later: &mut Self) {
        if later.segments.is_empty() {
            self.push(later.unwritten_tail());
            later.clear_tail();
        } else {
            self.seal();
            self.segments.append(&mut later.segments);
            std::mem::swap(&mut self.tail, &mut later.tail);
            std::mem::swap(&mut self.written, &mut later.written);
        }
    }

    /// Removes the first `count` bytes, which were written.
    pub fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.segments.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.segments.pop_front();
        }
        self.written += count;
        if self.written >= self.tail.len() {
            self.clear_tail();
        }
    }

    /// Fills `slices` with the first parts and returns how many there are.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = Some(self.unwritten_tail()).filter(|tail| !tail.is_empty());
        let parts = self.segments.iter().map(|segment| &segment[..]).chain(tail);
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.tail.is_empty()
    }

    /// Gives back a buffer that a burst has made larger than usual traffic needs.
    pub fn release(&mut self) {
        const KEPT_BYTES: usize = 16 << 10;
        if self.is_empty() && self.tail.capacity() > KEPT_BYTES {
            self.tail = Vec::new();
        }
    }

    /// Closes the tail, so that a segment can follow it.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let mut tail = Shared::from(std::mem::take(&mut self.tail));
            tail.advance(std::mem::take(&mut self.written));
            self.segments.push_back(tail);
        }
    }

    fn unwritten_tail(&self) -> &[u8] {
        self.tail.get(self.written..).unwrap_or_default()
    }

    fn clear_tail(&mut self) {
        self.tail.clear();
        self.written = 0;
    }
}
