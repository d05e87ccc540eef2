//! One encoded value: a request's params, a result, an error, or a whole message that is kept.
//!
//! Used wherever encoded bytes change hands; never looks into them. Small ones lie inline, so that a
//! call of usual size allocates nothing; large ones are shared by reference.

use std::fmt;
use std::ops::{Deref, Range};

use bytes::Bytes;
use serde::Serialize;
use smallvec::SmallVec;

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
    Shared(Bytes),
}

impl Payload {
    /// Encodes `value` (W6).
    ///
    /// # Errors
    ///
    /// When its `Serialize` fails, or asks for what MessagePack cannot hold.
    #[inline]
    pub fn encode<T: Serialize + ?Sized>(value: &T, style: Style) -> Result<Self, EncodeError> {
        let mut bytes = SmallVec::new();
        value::encode(value, style, &mut bytes)?;
        Ok(Self::from_buffer(bytes))
    }

    /// The payload that a buffer holds: shared from [`SHARED_BYTES`] on.
    #[inline]
    pub fn from_buffer(buffer: SmallVec<[u8; INLINE_BYTES]>) -> Self {
        if buffer.len() >= SHARED_BYTES {
            Self(Repr::Shared(Bytes::from(buffer.into_vec())))
        } else {
            Self(Repr::Own(buffer))
        }
    }

    /// A copy of `bytes`, which are the encoding of one value.
    #[inline]
    pub fn copy(bytes: &[u8]) -> Self {
        Self(Repr::Own(SmallVec::from_slice(bytes)))
    }

    /// The shared buffer, for a large payload.
    #[inline]
    pub fn shared(&self) -> Option<&Bytes> {
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
        Self(Repr::Shared(bytes))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
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
