//! Values: anything that serde can serialize, to MessagePack and back, by the rules of W6.
//!
//! Used by generated stubs, messages and faults. An adapter around rmp-serde, which stays behind this
//! module: no type of it is public, and nothing here does I/O or knows of messages.
//!
//! | file | what |
//! |---|---|
//! | `ser.rs`, `ser_compound.rs`, `octet.rs` | Rust → bytes: the encoder, its containers, finding out what is a byte |
//! | `de.rs`, `de_visit.rs`, `de_number.rs`, `de_access.rs`, `de_octets.rs` | bytes → Rust: the deserializer, its visitors, numbers, containers, bytes read as a sequence |
//! | `elements.rs` | [`Elements`]: an array's elements, each of its own type |
//! | `cow.rs` | [`BorrowedCow`]: borrows where it can |
//! | `dynamic.rs`, `dynamic_serde.rs`, `dynamic_display.rs` | [`Value`]: any value |
//! | `error.rs` | [`EncodeError`], [`DecodeError`] |

mod cow;
mod de;
mod de_access;
mod de_dynamic;
mod de_number;
mod de_octets;
mod de_visit;
mod dynamic;
mod dynamic_display;
mod dynamic_serde;
mod elements;
mod error;
mod octet;
mod ser;
mod ser_compound;
#[cfg(test)]
mod tests;

use std::io;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{
    cow::BorrowedCow,
    dynamic::Value,
    elements::Elements,
    error::{DecodeError, EncodeError},
};

/// How structs and struct variants are written. Both are always read (W6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "serde's structs have names and an order, nothing else"
)]
pub enum Style {
    /// As maps from field name to value, which other languages can read. The default.
    #[default]
    Named,
    /// As arrays in the order of declaration: shorter, and both sides must agree on that order.
    ///
    /// A field skipped by `skip_serializing_if` shifts those behind it: do not combine the two.
    Compact,
}

/// Writes `value` to `out` as one MessagePack value, in the shortest encoding (W5, W6).
///
/// | Rust | on the wire |
/// |---|---|
/// | `()`, `None` | nil |
/// | structs, struct variants | by [`Style`] |
/// | unit structs, `[T; 0]` | `90` |
/// | `&[u8]`, `Vec<u8>`, also when empty; `[u8; N]` with `N > 0` | bin |
/// | `(u8, u8)` and longer, all of `u8` | bin: serde does not tell it from `[u8; 2]` |
/// | other sequences, tuples, tuple structs, sets and deques of `u8` | array |
/// | unit variants; other variants | the name as str; `{name: data}` |
/// | `u128`, `i128` | an integer where 64 bits suffice, otherwise 16 big-endian bytes as bin |
///
/// `is_human_readable` is false: `IpAddr`, for example, travels as serde's enum.
///
/// # Errors
///
/// What the type's own `Serialize` says; a sequence or map that does not keep to the length that it
/// announced; more than 128 levels; more than `u32::MAX` bytes or elements; what `out` says. Part of
/// the value may then be in `out`: the caller cuts it off.
///
/// # Panics
///
/// If the type's own `Serialize` does.
#[inline]
pub fn encode<T, W>(value: &T, style: Style, out: &mut W) -> Result<(), EncodeError>
where
    T: Serialize + ?Sized,
    W: io::Write + ?Sized,
{
    ser::encode(value, style, out)
}

/// Reads one MessagePack value, all of `bytes`, as a `T` (W6).
///
/// Beyond what rmp-serde accepts: a float of integral value for an integer; a str for bytes and a bin
/// for a string or a field's name; either for a `Vec<u8>` or `[u8; N]`; `[]` for `()`. Strings and
/// bytes that `T` borrows lie in `bytes`.
///
/// # Errors
///
/// Bytes that are no `T`, with the path to the fault within the value; bytes that end early or go on
/// behind the value; more than 128 levels; more than 65 536 [`Value`]s.
///
/// # Examples
///
/// ```
/// let two: u8 = msgrpc_core::value::decode(&[0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0])?; // 2.0
/// assert_eq!(two, 2);
/// # Ok::<_, msgrpc_core::value::DecodeError>(())
/// ```
#[inline]
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    de::decode(bytes, de::DYNAMIC_ELEMENTS)
}

/// Turns `value` into a [`Value`], by way of its encoding.
///
/// # Errors
///
/// As [`encode`].
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, EncodeError> {
    let mut bytes = Vec::new();
    encode(value, Style::Named, &mut bytes)?;
    de::decode(&bytes, u32::MAX).map_err(|error| EncodeError::new(&error))
}

/// Turns a [`Value`] into a `T`, as if it had come over the wire.
///
/// # Errors
///
/// As [`encode`] for the value and [`decode`] for `T`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, DecodeError> {
    let mut bytes = Vec::new();
    encode(&value, Style::Named, &mut bytes).map_err(|error| DecodeError::new(&error))?;
    drop(value);
    de::decode(&bytes, u32::MAX)
}

/// Deepest nesting of arrays, maps and variants with data, written or read, in levels.
///
/// 128 is safe on a 2 MiB stack in debug builds; a stack overflow would end the process.
const MAX_DEPTH: u8 = 128;

/// What both directions say of a value that is nested deeper than [`MAX_DEPTH`].
const TOO_DEEP: &str = "the value is nested more than 128 levels deep";
