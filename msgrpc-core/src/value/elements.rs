//! The elements of one encoded array, each of its own type: a method's params (W3).
//!
//! Used by generated stubs. Never says which element an error is about: the caller knows its name.

use std::fmt;

use serde::Deserialize;

use super::{
    DecodeError,
    de::{self, Context, Reader},
};

/// Decodes the elements of one encoded array, one after another, each into its own type.
///
/// After an error the place in the bytes is lost: every further call is an error as well.
pub struct Elements<'de> {
    reader: Reader<'de>,
    context: Context<'de>,
    left: u32,
}

impl<'de> Elements<'de> {
    /// Reads the head of `array`; nil counts as `[]` (W3).
    ///
    /// # Errors
    ///
    /// `array` is no array, or it ends within its head.
    pub fn new(array: &'de [u8]) -> Result<Self, DecodeError> {
        let (left, elements) = match *array {
            [0xc0, ref rest @ ..] => (0, rest),
            [head @ 0x90..=0x9f, ref rest @ ..] => (u32::from(head & 0x0f), rest),
            [0xdc, a, b, ref rest @ ..] => (u32::from(u16::from_be_bytes([a, b])), rest),
            [0xdd, a, b, c, d, ref rest @ ..] => (u32::from_be_bytes([a, b, c, d]), rest),
            [] | [0xdc | 0xdd, ..] => return Err(DecodeError::new(&"the array ends too early")),
            [head, ..] => {
                let found = de::kind(head);
                return Err(DecodeError::new(&format_args!(
                    "invalid type: {found}, expected an array"
                )));
            }
        };
        let context = Context::new(elements, de::DYNAMIC_ELEMENTS);
        Ok(Self { reader: de::reader(elements), context, left })
    }

    /// Decodes the next element, by the rules of [`decode`](super::decode).
    ///
    /// # Errors
    ///
    /// As [`decode`](super::decode), with the path within the element; there is no element left.
    #[expect(clippy::should_implement_trait, reason = "each element has its own type")]
    #[inline]
    pub fn next<T: Deserialize<'de>>(&mut self) -> Result<T, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(DecodeError::new(&"there are no more elements"));
        };
        let element = de::decode_next(&mut self.reader, &self.context);
        match element {
            Ok(_) => self.left = left,
            Err(_) => self.reader = de::reader(&[]),
        }
        element
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Elements are left, or bytes behind the last of them.
    #[inline]
    pub fn finish(mut self) -> Result<(), DecodeError> {
        match self.left {
            0 => de::at_end(&mut self.reader),
            left => Err(DecodeError::new(&format_args!("{left} elements are left over"))),
        }
    }

    /// How many elements are left, as the array's head claims.
    pub fn len(&self) -> u32 {
        self.left
    }

    /// Whether no element is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("left", &self.left).finish_non_exhaustive()
    }
}
