//! Bytes on their way out: small writes gathered in one buffer, large ones kept by reference.
//!
//! [`Outbound`](super::Outbound) fills one under the lock, the writer empties another one without it,
//! and they are swapped.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::payload::Payload;

/// A queue of bytes: `segments`, then `tail`.
#[derive(Debug, Default)]
pub struct Chunk {
    segments: VecDeque<Bytes>,
    tail: BytesMut,
}

impl Chunk {
    /// Appends a copy of `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Appends a payload: a large one by reference.
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
            self.push(&later.tail);
            later.tail.clear();
        } else {
            self.seal();
            self.segments.append(&mut later.segments);
            std::mem::swap(&mut self.tail, &mut later.tail);
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
        if count < self.tail.len() {
            self.tail.advance(count);
        } else {
            self.tail.clear();
        }
    }

    /// Fills `slices` with the first parts and returns how many there are.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = Some(&self.tail[..]).filter(|tail| !tail.is_empty());
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

    /// Gives back buffers that an idle connection should not keep.
    pub fn release(&mut self) {
        const KEPT_BYTES: usize = 256;
        if self.is_empty() {
            if self.tail.capacity() > KEPT_BYTES {
                self.tail = BytesMut::new();
            }
            self.segments.shrink_to(0);
        }
    }

    /// Closes the tail, so that a segment can follow it.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push_back(self.tail.split().freeze());
        }
    }
}
