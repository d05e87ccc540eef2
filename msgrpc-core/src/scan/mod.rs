//! Where a message ends: found in bytes as they arrive, without decoding them.
//!
//! Used by [`Inbound`](crate::connection::Inbound) and by whoever splits an encoded value. Looks at
//! each head once, skips bodies, refuses what passes a limit as soon as a head claims it. Never
//! recurses, never allocates for a claim, never starts over when more bytes arrive.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::wire::{self, Token};

/// The bounds of one value. Each is checked when a head claims to pass it, before its body arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanLimits {
    /// Longest value, in bytes from the first of its head to its last.
    ///
    /// An element that has not arrived counts as the one byte that it takes at least; 0 counts as 1,
    /// since no value is shorter. Beyond it: [`ScanError::TooLarge`].
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
        Self { message_bytes, depth, elements }
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
    /// `at` only grows until [`reset`](Self::reset); written when a scan returns, at the head that was
    /// cut or refused.
    place: Place,
    /// Elements claimed so far; at most `limits.elements`.
    elements: usize,
    /// Written and trimmed at the head of a container only: entries above `owed` are of complete ones.
    /// Ascending; its length is at most `limits.depth`.
    ends: Vec<usize>,
}

impl Scanner {
    /// A scanner at the beginning of a value.
    pub fn new(limits: ScanLimits) -> Self {
        Self { limits, place: Place::START, elements: 0, ends: Vec::new() }
    }

    /// Goes on in a value, of which `bytes` is everything received so far, from its first byte; what
    /// follows the value is not looked at. After [`Scan::Done`] the next value is expected.
    ///
    /// # Errors
    ///
    /// When the value passes a limit or holds 0xc1 in place of an element. The error comes again when
    /// it is called again, until [`reset`](Self::reset).
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scan, ScanError> {
        let mut place = self.place;
        while place.owed > 0
            && let Some(&first) = bytes.get(place.at)
        {
            #[cfg(test)]
            tests::looked();
            // A predicted branch, so that the next byte is loaded without waiting for a size. One byte
            // was counted for each element owed, so no limit can be passed.
            if matches!(first, 0x00..=0x7f | 0xe0..=0xff) {
                place = place.skip(1);
                continue;
            }
            let size = SIZES.get(usize::from(first)).copied().unwrap_or_default();
            let next = match (size, bytes.get(place.at.wrapping_add(1))) {
                // The two heads that most small messages have, without a detour.
                (0, _) if matches!(first, 0x90..=0x9f) => self.small_array(first & 0x0f, place),
                (0, Some(&len)) if matches!(first, 0xd9 | 0xc4) => {
                    self.within_limit(place.after(usize::from(len).wrapping_add(2), 0)).map(Some)
                }
                (0, _) => self.head(bytes, place),
                (size, _) => self.within_limit(place.skip(size)).map(Some),
            };
            match next {
                Ok(Some(next)) => place = next,
                Ok(None) => break,
                Err(error) => {
                    self.place = place;
                    return Err(error);
                }
            }
        }
        if place.owed == 0 && place.at <= bytes.len() {
            self.reset();
            return Ok(Scan::Done { len: place.at });
        }
        self.place = place;
        let missing = place.least().saturating_sub(bytes.len()).max(1);
        Ok(Scan::More { missing })
    }

    /// Forgets what was scanned: the next byte begins a value.
    pub fn reset(&mut self) {
        self.place = Place::START;
        self.elements = 0;
        self.ends.clear();
    }

    /// How far it has looked, in bytes from the beginning of the value. Beyond the bytes received when
    /// the last of them belong to a body; 0 after a value was complete.
    pub fn scanned(&self) -> usize {
        self.place.at
    }

    /// Reads the head at `place`, of a value with a length or of a container, and finds the next place.
    /// `None` when it is cut. On an error nothing is counted.
    #[inline]
    fn head(&mut self, bytes: &[u8], place: Place) -> Result<Option<Place>, ScanError> {
        let (token, head) = match wire::read_token(bytes.get(place.at..).unwrap_or_default()) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(None),
            Err(_) => return Err(ScanError::Reserved { offset: place.at }),
        };
        let (body, elements, nests) = match token {
            Token::Str(len) | Token::Bin(len) => (len as usize, 0, false),
            Token::Ext { len, .. } => (len as usize, 0, true),
            Token::Array(count) => (0, count as usize, true),
            // On 32 bits 2^31 entries saturate, which passes every limit that memory allows.
            Token::Map(count) => (0, (count as usize).saturating_mul(2), true),
            _ => (0, 0, false),
        };
        let next = self.within_limit(place.after(head.saturating_add(body), elements))?;
        if nests {
            self.open(place.owed.saturating_sub(1), elements)?;
        }
        Ok(Some(next))
    }

    /// As [`head`](Self::head), for an array of up to 15 elements.
    #[inline]
    fn small_array(&mut self, elements: u8, place: Place) -> Result<Option<Place>, ScanError> {
        let next = self.within_limit(place.after(1, elements.into()))?;
        self.open(place.owed.wrapping_sub(1), elements.into())?;
        Ok(Some(next))
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
            return Err(ScanError::TooDeep { limit: self.limits.depth });
        }
        let total = self.elements.saturating_add(elements);
        if total > self.limits.elements {
            return Err(ScanError::TooManyElements { limit: self.limits.elements });
        }
        self.elements = total;
        if elements > 0 {
            self.ends.push(left);
        }
        Ok(())
    }

    #[inline]
    fn within_limit(&self, place: Place) -> Result<Place, ScanError> {
        let (limit, claimed) = (self.limits.message_bytes, place.least());
        if claimed > limit {
            return Err(ScanError::TooLarge { limit, claimed });
        }
        Ok(place)
    }
}

/// Where the scanner is; moved on in registers, which makes it fast.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Offset of the next head in the value.
    at: usize,
    /// Elements claimed and not begun, the value itself counted; 0 when all heads were read.
    owed: usize,
}

impl Place {
    const START: Self = Self { at: 0, owed: 1 };

    /// The place after one owed element of `size` bytes, of which the first has arrived. It cannot
    /// overflow: `at < bytes.len()`, which is at most `isize::MAX`, and `owed > 0`.
    #[inline]
    fn skip(self, size: u8) -> Self {
        Self { at: self.at.wrapping_add(usize::from(size)), owed: self.owed.wrapping_sub(1) }
    }

    /// The place after one owed element of `size` bytes, which claims `elements` within it.
    #[inline]
    fn after(self, size: usize, elements: usize) -> Self {
        Self {
            at: self.at.saturating_add(size),
            owed: self.owed.saturating_sub(1).saturating_add(elements),
        }
    }

    /// The least length that the whole value can have.
    #[inline]
    fn least(self) -> usize {
        self.at.saturating_add(self.owed)
    }
}

/// How long a whole value is by its first byte, for those whose first byte says it: integers, floats,
/// nil, booleans and short strings. 0 for the others: containers, extensions, those with a length field,
/// and 0xc1.
const SIZES: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut first = 0_u8;
    loop {
        let size = match first {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 1,
            0xa0..=0xbf => (first & 0x1f).saturating_add(1),
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xca | 0xce | 0xd2 => 5,
            0xcb | 0xcf | 0xd3 => 9,
            _ => 0,
        };
        #[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
        {
            sizes[first as usize] = size;
        }
        if first == u8::MAX {
            break sizes;
        }
        first = first.saturating_add(1);
    }
};

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod check;

#[cfg(test)]
mod tests;
