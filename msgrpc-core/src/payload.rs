//! One encoded value: a request's params, a result, an error, or a whole message that is kept.
//!
//! Used wherever encoded bytes change hands; never looks into them. Small ones lie inline, so that a
//! call of usual size allocates nothing; large ones are shared by reference.

use std::fmt;
use std::io;
use std::ops::{Deref, Range};

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use smallvec::SmallVec;

use crate::spare;
use crate::value::{self, EncodeError, Style};

/// Bytes up to which a payload lies inline.
///
/// 48: a request or a result of usual size, and the payload is then as large as a cache line.
pub const INLINE_BYTES: usize = 48;

/// Bytes from which a payload travels by reference instead of being copied.
///
/// 16 KiB: copying as much takes about as long as the bookkeeping of a shared buffer, and a small
/// payload that is kept must not pin the large buffer it was read into.
pub const SHARED_BYTES: usize = 16 << 10;

/// The encoding of one MessagePack value.
#[derive(Clone)]
pub struct Payload(Repr);

#[derive(Clone)]
enum Repr {
    Own(SmallVec<[u8; INLINE_BYTES]>),
    Shared(Shared),
}

impl Payload {
    /// Encodes `value` (W6).
    ///
    /// # Errors
    ///
    /// When its `Serialize` fails, or asks for what MessagePack cannot hold.
    #[inline]
    pub fn encode<T: Serialize + ?Sized>(value: &T, style: Style) -> Result<Self, EncodeError> {
        let mut bytes = PayloadBuffer::default();
        value::encode(value, style, &mut bytes)?;
        Ok(bytes.finish())
    }

    /// A copy of `bytes`, which are the encoding of one value.
    #[inline]
    pub fn copy(bytes: &[u8]) -> Self {
        Self(Repr::Own(SmallVec::from_slice(bytes)))
    }

    /// A part of this payload to keep: shared when it is large, copied when it is small.
    pub fn part(&self, part: &[u8]) -> Bytes {
        match &self.0 {
            Repr::Shared(bytes) if part.len() >= SHARED_BYTES => bytes.slice_ref(part),
            _ => Bytes::copy_from_slice(part),
        }
    }

    /// The shared buffer, for a large payload.
    #[inline]
    pub(crate) fn shared(&self) -> Option<&Shared> {
        match &self.0 {
            Repr::Own(_) => None,
            Repr::Shared(bytes) => Some(bytes),
        }
    }
}

impl Deref for Payload {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Own(bytes) => bytes,
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Shared(Shared(bytes)))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

/// A part of a large buffer; the buffer is spare when its last part is gone.
#[derive(Clone, Default)]
pub(crate) struct Shared(Bytes);

impl Shared {
    /// Cuts the first `count` bytes off.
    pub(crate) fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

impl From<Vec<u8>> for Shared {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl Deref for Shared {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        spare::give(std::mem::take(&mut self.0));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} bytes)", self.len())
    }
}

/// A payload while it is being encoded: inline, then in a buffer of its own, from [`SHARED_BYTES`] on in a
/// spare one.
#[derive(Debug)]
pub struct PayloadBuffer {
    inline: [u8; INLINE_BYTES],
    /// Bytes of `inline` in use, until it is outgrown: `len <= INLINE_BYTES`.
    len: usize,
    grown: Option<Grown>,
}

#[derive(Debug)]
enum Grown {
    Own(Vec<u8>),
    Spare(BytesMut),
}

impl PayloadBuffer {
    /// Keeps the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        match &mut self.grown {
            None => self.len = self.len.min(len),
            Some(Grown::Own(bytes)) => bytes.truncate(len),
            Some(Grown::Spare(bytes)) => bytes.truncate(len),
        }
    }

    /// Appends `bytes`.
    // Encoding is a row of short pushes, whose length the compiler knows where this is inlined.
    #[cfg_attr(not(debug_assertions), inline(always))]
    #[cfg_attr(
        not(debug_assertions),
        expect(
            clippy::inline_always,
            reason = "measured: a twentieth of all that a short call takes"
        )
    )]
    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        match self.inline.get_mut(self.len..end) {
            Some(room) if self.grown.is_none() => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.push_grown(bytes),
        }
    }

    /// The payload.
    #[inline]
    pub fn finish(self) -> Payload {
        match self.grown {
            None => Payload(Repr::Own(SmallVec::from_buf_and_len(self.inline, self.len))),
            Some(Grown::Own(bytes)) => Payload(Repr::Own(SmallVec::from_vec(bytes))),
            Some(Grown::Spare(bytes)) => bytes.freeze().into(),
        }
    }

    #[inline(never)]
    fn push_grown(&mut self, bytes: &[u8]) {
        let len = self.len() + bytes.len();
        match &mut self.grown {
            Some(Grown::Spare(spare)) => return spare.extend_from_slice(bytes),
            Some(Grown::Own(own)) if len < SHARED_BYTES => return own.extend_from_slice(bytes),
            _ => {}
        }
        self.grown = Some(if len < SHARED_BYTES {
            let mut own = Vec::with_capacity(len.next_power_of_two());
            own.extend_from_slice(self);
            own.extend_from_slice(bytes);
            Grown::Own(own)
        } else {
            // What follows a large value is usually short.
            const MORE: usize = 64;
            let mut spare = spare::take(len + MORE);
            spare.extend_from_slice(self);
            spare.extend_from_slice(bytes);
            Grown::Spare(spare)
        });
    }
}

impl Default for PayloadBuffer {
    #[inline]
    fn default() -> Self {
        Self { inline: [0; INLINE_BYTES], len: 0, grown: None }
    }
}

impl Deref for PayloadBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.grown {
            None => self.inline.get(..self.len).unwrap_or_default(),
            Some(Grown::Own(bytes)) => bytes,
            Some(Grown::Spare(bytes)) => bytes,
        }
    }
}

impl std::ops::DerefMut for PayloadBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.grown {
            None => self.inline.get_mut(..self.len).unwrap_or_default(),
            Some(Grown::Own(bytes)) => bytes,
            Some(Grown::Spare(bytes)) => bytes,
        }
    }
}

impl io::Write for PayloadBuffer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes);
        Ok(())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Encoded bytes lent from a read buffer, which can be kept: copied when small, shared when large.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    bytes: &'a [u8],
    owner: Option<&'a Bytes>,
}

impl<'a> Raw<'a> {
    /// `bytes`, a part of `owner` if there is one.
    pub(crate) fn new(bytes: &'a [u8], owner: Option<&'a Bytes>) -> Self {
        Self { bytes, owner }
    }

    /// The bytes.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A part of it.
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        Self { bytes: self.bytes.get(range).unwrap_or_default(), owner: self.owner }
    }

    /// The payload to keep.
    #[inline]
    pub fn keep(self) -> Payload {
        match self.owner {
            Some(owner) if self.bytes.len() >= SHARED_BYTES => owner.slice_ref(self.bytes).into(),
            _ => Payload::copy(self.bytes),
        }
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.bytes.len())
    }
}
