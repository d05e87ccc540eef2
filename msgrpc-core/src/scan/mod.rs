//! Where a message ends: found in bytes as they arrive, without decoding them.
//!
//! Used by [`Inbound`](crate::connection::Inbound) and by whoever splits an encoded value. Looks at
//! each head once, skips bodies, refuses what passes a limit as soon as a head claims it. Never
//! recurses, never allocates for a claim, never starts over when more bytes arrive.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use smallvec::SmallVec;

use crate::wire::{self, Token};

/// The bounds of one value. Each is checked when a head claims to pass it, before its body arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanLimits {
    /// Longest value, in bytes from the first of its head to its last.
    ///
    /// An element that has not arrived counts as the one byte that it takes at least. Beyond it:
    /// [`ScanError::TooLarge`].
    pub message_bytes: usize,

    /// Deepest nesting. A scalar is at depth 0; every array, map or extension, also an empty one,
    /// adds 1: `[0, 1, "m", [5]]` has depth 2.
    ///
    /// Beyond it: [`ScanError::TooDeep`]. The scanner keeps one `usize` per level that is open.
    pub depth: usize,

    /// Most elements, summed over all arrays and maps of the value; a map entry is two.
    ///
    /// `[0, 1, "m", [5]]` has 5. Beyond it: [`ScanError::TooManyElements`].
    pub elements: usize,
}

impl ScanLimits {
    /// These limits.
    pub const fn new(message_bytes: usize, depth: usize, elements: usize) -> Self {
        Self {
            message_bytes,
            depth,
            elements,
        }
    }
}

/// How far a value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "complete by definition: a value has ended or it has not"
)]
pub enum Scan {
    /// The value is whole.
    Done {
        /// Its length in bytes, from its first.
        len: usize,
    },
    /// The value goes on beyond the bytes received.
    More {
        /// Further bytes that it needs at least: the rest of a body, and one for each element that
        /// is owed. At least 1. Never more than [`ScanLimits::message_bytes`], so that reads can be
        /// sized by it, but it is a peer's claim: grow with what arrives.
        missing: usize,
    },
}

/// What ends a scan: a limit that a head passes, or a byte that begins no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The value is, or claims to become, longer than [`ScanLimits::message_bytes`].
    #[error("message of at least {claimed} bytes, more than the limit of {limit}")]
    #[non_exhaustive]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// What the value needs at least, in bytes, by the heads read so far.
        claimed: usize,
    },
    /// The value is nested deeper than [`ScanLimits::depth`].
    #[error("message nested deeper than the limit of {limit}")]
    #[non_exhaustive]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The value claims more elements than [`ScanLimits::elements`].
    #[error("message of more elements than the limit of {limit}")]
    #[non_exhaustive]
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// The byte 0xc1 stands where a value should begin.
    #[error("byte {offset} of the message is 0xc1, which begins no value")]
    #[non_exhaustive]
    Reserved {
        /// Where it stands, counted from the first byte of the message as 0.
        offset: usize,
    },
}

/// Finds the end of one value after another.
///
/// ```text
/// bytes  94 01 07 c0 92 91 ‖ 05 06        received up to ‖; [1, 7, nil, [[5], 6]] when it is complete
///                          ▲ at           the next head
///
/// owed   2        05 and 06: elements claimed by some head and not begun, of all levels together
/// ends   [0 0 1]  one entry per open array or map: what `owed` will have fallen to when it is complete,
///         │ │ └── of 91: 06 is then still owed
///         └─┴──── of 94 and 92: nothing is
/// ```
///
/// A body is skipped by moving `at`, even beyond the bytes received. A head whose length field is cut
/// is looked at again when more has come, at most five times; nothing else is.
///
/// `at + owed` is the least length that the value can have, and its length once `owed` is 0.
///
/// ```
/// use msgrpc_core::scan::{Scan, ScanLimits, Scanner};
///
/// let mut scanner = Scanner::new(ScanLimits::new(1024, 128, 1024));
/// assert_eq!(scanner.scan(b"\x92\xa4ec"), Ok(Scan::More { missing: 3 }));
/// assert_eq!(scanner.scan(b"\x92\xa4echo\x05next"), Ok(Scan::Done { len: 7 }));
/// ```
#[derive(Clone, Debug)]
pub struct Scanner {
    limits: ScanLimits,
    /// Offset of the next head in the value. Only grows until [`reset`](Self::reset).
    at: usize,
    /// Elements claimed and not begun, the value itself counted; 0 when all heads were read.
    owed: usize,
    /// Elements claimed so far; at most `limits.elements`.
    elements: usize,
    /// Written and trimmed at the head of a container only: entries above `owed` are of complete ones.
    /// Ascending; its length is at most `limits.depth`.
    ends: SmallVec<[usize; 8]>,
}

impl Scanner {
    /// A scanner at the beginning of a value.
    pub fn new(limits: ScanLimits) -> Self {
        Self {
            limits,
            at: 0,
            owed: 1,
            elements: 0,
            ends: SmallVec::new(),
        }
    }

    /// Goes on in a value, of which `bytes` is everything received so far, from its first byte; what
    /// follows the value is not looked at. After [`Scan::Done`] the next value is expected.
    ///
    /// # Errors
    ///
    /// When the value passes a limit or holds 0xc1 in place of an element. The error comes again when
    /// it is called again, until [`reset`](Self::reset).
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scan, ScanError> {
        // The two that every head moves, kept in registers.
        let (mut at, mut owed) = (self.at, self.owed);
        while owed > 0 {
            let Some(&first) = bytes.get(at) else { break };
            #[cfg(test)]
            tests::looked();
            let size = SIZES
                .get(usize::from(first))
                .map_or(0, |size| usize::from(*size));
            if size == 0 {
                (self.at, self.owed) = (at, owed);
                if !self.head(bytes.get(at..).unwrap_or_default())? {
                    break;
                }
                (at, owed) = (self.at, self.owed);
                continue;
            }
            // No overflow: `at < bytes.len()`, which is at most `isize::MAX`, and `owed > 0`.
            let (end, left) = (at.wrapping_add(size), owed.wrapping_sub(1));
            if end.saturating_add(left) > self.limits.message_bytes {
                (self.at, self.owed) = (at, owed);
                return Err(self.too_large(end.saturating_add(left)));
            }
            (at, owed) = (end, left);
        }
        if owed == 0 && at <= bytes.len() {
            self.reset();
            return Ok(Scan::Done { len: at });
        }
        (self.at, self.owed) = (at, owed);
        let missing = at.saturating_add(owed).saturating_sub(bytes.len()).max(1);
        Ok(Scan::More { missing })
    }

    /// Forgets what was scanned: the next byte begins a value.
    pub fn reset(&mut self) {
        self.at = 0;
        self.owed = 1;
        self.elements = 0;
        self.ends.clear();
    }

    /// How far it has looked, in bytes from the beginning of the value. Beyond the bytes received when
    /// the last of them belong to a body; 0 after a value was complete.
    pub fn scanned(&self) -> usize {
        self.at
    }

    /// Reads the head at `self.at`, with which `rest` begins: one with a length, or of a container.
    /// False when it is cut. On an error nothing has moved.
    #[inline]
    fn head(&mut self, rest: &[u8]) -> Result<bool, ScanError> {
        let (token, head) = match wire::read_token(rest) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(false),
            Err(_) => return Err(ScanError::Reserved { offset: self.at }),
        };
        let (body, elements, nests) = match token {
            Token::Str(len) | Token::Bin(len) => (len as usize, 0, false),
            Token::Ext { len, .. } => (len as usize, 0, true),
            Token::Array(count) => (0, count as usize, true),
            // On 32 bits 2^31 entries saturate, which passes every limit that memory allows.
            Token::Map(count) => (0, (count as usize).saturating_mul(2), true),
            _ => (0, 0, false),
        };
        let left = self.owed.saturating_sub(1);
        let end = self.at.saturating_add(head).saturating_add(body);
        let claimed = end.saturating_add(left).saturating_add(elements);
        if claimed > self.limits.message_bytes {
            return Err(self.too_large(claimed));
        }
        if nests {
            self.open(left, elements)?;
        }
        self.at = end;
        self.owed = left.saturating_add(elements);
        Ok(true)
    }

    /// Opens a container of `elements`, after which `left` elements of the outer ones are owed.
    #[inline]
    fn open(&mut self, left: usize, elements: usize) -> Result<(), ScanError> {
        // An outer one is complete when fewer are owed than at its own head; one whose last element
        // this is (`end == left`) is still open. Each entry is removed once, so this is linear.
        while self.ends.last().is_some_and(|end| *end > left) {
            self.ends.pop();
        }
        if self.ends.len() >= self.limits.depth {
            return Err(ScanError::TooDeep {
                limit: self.limits.depth,
            });
        }
        let total = self.elements.saturating_add(elements);
        if total > self.limits.elements {
            return Err(ScanError::TooManyElements {
                limit: self.limits.elements,
            });
        }
        self.elements = total;
        if elements > 0 {
            self.ends.push(left);
        }
        Ok(())
    }

    #[cold]
    fn too_large(&self, claimed: usize) -> ScanError {
        ScanError::TooLarge {
            limit: self.limits.message_bytes,
            claimed,
        }
    }
}

/// How long a whole value is by its first byte, for those whose first byte says it: integers, floats,
/// nil, booleans and short strings. 0 for the others: containers, extensions, those with a length field,
/// and 0xc1.
const SIZES: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut first = 0;
    while first < 256 {
        #[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
        #[expect(
            clippy::arithmetic_side_effects,
            reason = "evaluated when it is compiled"
        )]
        {
            sizes[first] = match first {
                0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 1,
                0xa0..=0xbf => 1 + (first & 0x1f) as u8,
                0xcc | 0xd0 => 2,
                0xcd | 0xd1 => 3,
                0xca | 0xce | 0xd2 => 5,
                0xcb | 0xcf | 0xd3 => 9,
                _ => 0,
            };
            first += 1;
        }
    }
    sizes
};

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod check;

#[cfg(test)]
mod tests;
