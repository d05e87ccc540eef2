//! MessagePack markers: the bytes before a value's body, written and read without allocation.
//!
//! Messages write and read their heads with it, the scanner finds lengths with it, error texts name
//! what they found with it. Never touches a body, never allocates, never waits for a whole value.
//!
//! ```text
//! 00–7f integer     c0 nil          ca cb        float 32, 64         d9 da db  string, length 8, 16, 32
//! 80–8f map         c1 reserved     cc cd ce cf  unsigned 8 … 64      dc dd     array, count 16, 32
//! 90–9f array       c2 c3 boolean   d0 d1 d2 d3  signed 8 … 64        de df     map, count 16, 32
//! a0–bf string      c4 c5 c6 binary, length 8, 16, 32                 e0–ff     integer −32 … −1
//!                   c7 c8 c9 extension, length 8, 16, 32, then its type
//!                   d4 … d8  extension of 1, 2, 4, 8, 16 bytes, then its type
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

/// The encoding of nil: one byte.
pub const NIL: u8 = 0xc0;

/// The byte that begins no value.
pub const RESERVED: u8 = 0xc1;

/// The bytes of one head: a marker and its length, count or number. 1 to 9 bytes.
///
/// Always the shortest that can say it (W5).
///
/// ```
/// use msgrpc_core::wire;
///
/// assert_eq!(wire::array_head(4).as_slice(), [0x94]);
/// assert_eq!(wire::str_head(32).as_slice(), [0xd9, 32]);
/// assert_eq!(wire::uint(258).as_slice(), [0xcd, 1, 2]);
/// ```
#[derive(Clone, Copy)]
pub struct Head {
    /// `bytes[len..]` is zero.
    bytes: [u8; 9],
    /// `1 <= len <= 9`
    len: usize,
}

impl Head {
    /// Its bytes, to be appended to any buffer.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// `marker`, then `tail`. Longer tails than eight bytes do not occur.
    fn new<const N: usize>(marker: u8, tail: [u8; N]) -> Self {
        let mut bytes = [0; 9];
        for (to, from) in bytes.iter_mut().zip([marker].into_iter().chain(tail)) {
            *to = from;
        }
        Self { bytes, len: N.saturating_add(1) }
    }

    /// One of three markers, for the narrowest of 8, 16 and 32 bits that `n` fits; the first may be
    /// lacking.
    fn sized(n: u32, markers: (Option<u8>, u8, u8)) -> Self {
        if let (Some(marker), Ok(n)) = (markers.0, u8::try_from(n)) {
            Self::new(marker, n.to_be_bytes())
        } else if let Ok(n) = u16::try_from(n) {
            Self::new(markers.1, n.to_be_bytes())
        } else {
            Self::new(markers.2, n.to_be_bytes())
        }
    }
}

impl AsRef<[u8]> for Head {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({:02x?})", self.as_slice())
    }
}

/// The head of an array of `count` elements: `90`–`9f`, `dc` or `dd`.
#[inline]
pub fn array_head(count: u32) -> Head {
    match u8::try_from(count) {
        Ok(n @ 0..=0x0f) => Head::new(0x90 | n, []),
        _ => Head::sized(count, (None, 0xdc, 0xdd)),
    }
}

/// The head of a map of `count` entries: `80`–`8f`, `de` or `df`.
pub fn map_head(count: u32) -> Head {
    match u8::try_from(count) {
        Ok(n @ 0..=0x0f) => Head::new(0x80 | n, []),
        _ => Head::sized(count, (None, 0xde, 0xdf)),
    }
}

/// The head of a string of `len` bytes: `a0`–`bf`, `d9`, `da` or `db`.
#[inline]
pub fn str_head(len: u32) -> Head {
    match u8::try_from(len) {
        Ok(n @ 0..=0x1f) => Head::new(0xa0 | n, []),
        _ => Head::sized(len, (Some(0xd9), 0xda, 0xdb)),
    }
}

/// The head of `len` bytes of binary: `c4`, `c5` or `c6`.
pub fn bin_head(len: u32) -> Head {
    Head::sized(len, (Some(0xc4), 0xc5, 0xc6))
}

/// The head of an extension of type `tag` and `len` bytes: `d4`–`d8`, `c7`, `c8` or `c9`.
pub fn ext_head(tag: i8, len: u32) -> Head {
    let [tag] = tag.to_be_bytes();
    match len {
        1 => Head::new(0xd4, [tag]),
        2 => Head::new(0xd5, [tag]),
        4 => Head::new(0xd6, [tag]),
        8 => Head::new(0xd7, [tag]),
        16 => Head::new(0xd8, [tag]),
        _ => {
            let mut head = Head::sized(len, (Some(0xc7), 0xc8, 0xc9));
            if let Some(after) = head.bytes.get_mut(head.len) {
                *after = tag;
            }
            head.len = head.len.saturating_add(1);
            head
        }
    }
}

/// A whole integer that is not negative: `00`–`7f`, `cc`, `cd`, `ce` or `cf`.
#[inline]
pub fn uint(n: u64) -> Head {
    match u32::try_from(n) {
        Ok(small @ 0..=0x7f) => Head::new(small.to_be_bytes()[3], []),
        Ok(n) => Head::sized(n, (Some(0xcc), 0xcd, 0xce)),
        Err(_) => Head::new(0xcf, n.to_be_bytes()),
    }
}

/// A whole integer of either sign: as [`uint`], or `e0`–`ff`, `d0`, `d1`, `d2` or `d3`.
pub fn sint(n: i64) -> Head {
    if let Ok(n) = u64::try_from(n) {
        return uint(n);
    }
    if let Ok(n) = i8::try_from(n) {
        let [byte] = n.to_be_bytes();
        return if n >= -32 { Head::new(byte, []) } else { Head::new(0xd0, [byte]) };
    }
    if let Ok(n) = i16::try_from(n) {
        return Head::new(0xd1, n.to_be_bytes());
    }
    match i32::try_from(n) {
        Ok(n) => Head::new(0xd2, n.to_be_bytes()),
        Err(_) => Head::new(0xd3, n.to_be_bytes()),
    }
}

/// What the head of a value says, in whichever width it was written (W5).
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: MessagePack has no more")]
pub enum Token {
    /// Nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that is not negative, written as signed or unsigned.
    Uint(u64),
    /// A negative integer.
    Int(i64),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// A string, with the length of its body in bytes.
    Str(u32),
    /// Binary, with the length of its body in bytes.
    Bin(u32),
    /// An array, with the number of its elements.
    Array(u32),
    /// A map, with the number of its entries; each is two values.
    Map(u32),
    /// An extension.
    Ext {
        /// Its type.
        tag: i8,
        /// The length of its body in bytes.
        len: u32,
    },
}

impl Token {
    /// What it is, in a word or two for error texts: `integer`, `string`, `extension` …
    ///
    /// [`Display`](fmt::Display) says the same and adds the type of an extension: `extension type 5`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Uint(_) | Self::Int(_) => "integer",
            Self::F32(_) | Self::F64(_) => "float",
            Self::Str(_) => "string",
            Self::Bin(_) => "binary",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Ext { .. } => "extension",
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ext { tag, .. } => write!(f, "{} type {tag}", self.kind()),
            _ => f.write_str(self.kind()),
        }
    }
}

/// The byte 0xc1 where a value should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the byte 0xc1 begins no MessagePack value")]
#[non_exhaustive]
pub struct Reserved;

/// Reads the head that `bytes` begins with, and its length: 1 to 9 bytes.
///
/// `None` when more bytes are needed to read it. The body, or the elements, follow the head.
///
/// ```
/// use msgrpc_core::wire::{Token, read_token};
///
/// assert_eq!(read_token(b"\xa4echo"), Ok(Some((Token::Str(4), 1))));
/// assert_eq!(read_token(&[0xcd, 1]), Ok(None));
/// ```
///
/// # Errors
///
/// When the first byte is 0xc1.
#[inline]
pub fn read_token(bytes: &[u8]) -> Result<Option<(Token, usize)>, Reserved> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let low = |mask: u8| u32::from(first & mask);
    Ok(match first {
        0x00..=0x7f => Some((Token::Uint(first.into()), 1)),
        0x80..=0x8f => Some((Token::Map(low(0x0f)), 1)),
        0x90..=0x9f => Some((Token::Array(low(0x0f)), 1)),
        0xa0..=0xbf => Some((Token::Str(low(0x1f)), 1)),
        NIL => Some((Token::Nil, 1)),
        RESERVED => return Err(Reserved),
        0xc2 | 0xc3 => Some((Token::Bool(first == 0xc3), 1)),
        0xc4 => length8(rest).map(|len| (Token::Bin(len), 2)),
        0xc5 => length16(rest).map(|len| (Token::Bin(len), 3)),
        0xc6 => length32(rest).map(|len| (Token::Bin(len), 5)),
        0xc7 => extension(length8(rest), rest, 1),
        0xc8 => extension(length16(rest), rest, 2),
        0xc9 => extension(length32(rest), rest, 4),
        0xca => rest.first_chunk().map(|n| (Token::F32(f32::from_be_bytes(*n)), 5)),
        0xcb => rest.first_chunk().map(|n| (Token::F64(f64::from_be_bytes(*n)), 9)),
        0xcc => rest.first().map(|n| (Token::Uint(u64::from(*n)), 2)),
        0xcd => rest.first_chunk().map(|n| (Token::Uint(u16::from_be_bytes(*n).into()), 3)),
        0xce => rest.first_chunk().map(|n| (Token::Uint(u32::from_be_bytes(*n).into()), 5)),
        0xcf => rest.first_chunk().map(|n| (Token::Uint(u64::from_be_bytes(*n)), 9)),
        0xd0 => rest.first_chunk().map(|n| (signed(i8::from_be_bytes(*n).into()), 2)),
        0xd1 => rest.first_chunk().map(|n| (signed(i16::from_be_bytes(*n).into()), 3)),
        0xd2 => rest.first_chunk().map(|n| (signed(i32::from_be_bytes(*n).into()), 5)),
        0xd3 => rest.first_chunk().map(|n| (signed(i64::from_be_bytes(*n)), 9)),
        0xd4 => extension(Some(1), rest, 0),
        0xd5 => extension(Some(2), rest, 0),
        0xd6 => extension(Some(4), rest, 0),
        0xd7 => extension(Some(8), rest, 0),
        0xd8 => extension(Some(16), rest, 0),
        0xd9 => length8(rest).map(|len| (Token::Str(len), 2)),
        0xda => length16(rest).map(|len| (Token::Str(len), 3)),
        0xdb => length32(rest).map(|len| (Token::Str(len), 5)),
        0xdc => length16(rest).map(|count| (Token::Array(count), 3)),
        0xdd => length32(rest).map(|count| (Token::Array(count), 5)),
        0xde => length16(rest).map(|count| (Token::Map(count), 3)),
        0xdf => length32(rest).map(|count| (Token::Map(count), 5)),
        0xe0..=0xff => Some((Token::Int(i8::from_be_bytes([first]).into()), 1)),
    })
}

fn length8(rest: &[u8]) -> Option<u32> {
    rest.first().map(|n| u32::from(*n))
}

fn length16(rest: &[u8]) -> Option<u32> {
    rest.first_chunk().map(|n| u16::from_be_bytes(*n).into())
}

fn length32(rest: &[u8]) -> Option<u32> {
    rest.first_chunk().map(|n| u32::from_be_bytes(*n))
}

/// An extension, whose type stands in `rest` after `width` bytes of its length.
fn extension(len: Option<u32>, rest: &[u8], width: usize) -> Option<(Token, usize)> {
    let tag = i8::from_be_bytes([*rest.get(width)?]);
    Some((Token::Ext { tag, len: len? }, width.saturating_add(2)))
}

fn signed(n: i64) -> Token {
    u64::try_from(n).map_or(Token::Int(n), Token::Uint)
}

#[cfg(test)]
mod tests;
