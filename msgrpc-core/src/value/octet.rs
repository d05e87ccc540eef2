//! Tells bytes from other things while serializing: serde shows a `Vec<u8>` as a sequence like any other.
//!
//! Used by the encoder. Never guesses from values, so a type has one shape on the wire, with one
//! exception that serde forces: `[u8; 4]` and `(u8, u8, u8, u8)` look the same to a serializer.
//!
//! Types are told apart by `std::any::type_name` compared with the name of the type sought, which the
//! same compiler made: nothing depends on how a name is spelled. Its documentation allows that two types
//! share a name; for `u8` and `slice::Iter<u8>` that would take a second `core`.

use std::{any::type_name, fmt, slice};

use serde::{Serialize, Serializer, ser};

/// Whether `T` is `u8`.
#[inline]
pub(super) fn is_octet<T: ?Sized>() -> bool {
    type_name::<T>() == type_name::<u8>()
}

/// Whether `I` runs over a `[u8]`: the iterator that serde makes of slices and vectors, also empty ones.
#[inline]
pub(super) fn is_octets<I>() -> bool {
    type_name::<I>() == type_name::<slice::Iter<'static, u8>>()
}

/// The value of a `T` for which [`is_octet`] holds, or of a reference to it.
#[inline]
pub(super) fn octet<T: Serialize + ?Sized>(value: &T) -> Result<u8, NotAnOctet> {
    value.serialize(Octet)
}

/// What [`octet`] says to anything but a `u8`.
#[derive(Debug)]
pub(super) struct NotAnOctet;

impl fmt::Display for NotAnOctet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte sequence holds something that is not a byte")
    }
}

impl std::error::Error for NotAnOctet {}

impl ser::Error for NotAnOctet {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The serializer that takes one `u8` and nothing else.
struct Octet;

type Never = ser::Impossible<u8, NotAnOctet>;

/// Methods that refuse their value: name and the types of its arguments.
macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {
        $(#[inline]
        fn $method(self, $(_: $argument),*) -> Result<$ok, NotAnOctet> {
            Err(NotAnOctet)
        })*
    };
}

impl Serializer for Octet {
    type Ok = u8;
    type Error = NotAnOctet;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<u8, NotAnOctet> {
        Ok(value)
    }

    refuse! {
        serialize_bool(bool) -> u8;
        serialize_i8(i8) -> u8;
        serialize_i16(i16) -> u8;
        serialize_i32(i32) -> u8;
        serialize_i64(i64) -> u8;
        serialize_u16(u16) -> u8;
        serialize_u32(u32) -> u8;
        serialize_u64(u64) -> u8;
        serialize_f32(f32) -> u8;
        serialize_f64(f64) -> u8;
        serialize_char(char) -> u8;
        serialize_str(&str) -> u8;
        serialize_bytes(&[u8]) -> u8;
        serialize_none() -> u8;
        serialize_unit() -> u8;
        serialize_unit_struct(&'static str) -> u8;
        serialize_unit_variant(&'static str, u32, &'static str) -> u8;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<u8, NotAnOctet> {
        Err(NotAnOctet)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<u8, NotAnOctet> {
        Err(NotAnOctet)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<u8, NotAnOctet> {
        Err(NotAnOctet)
    }
}
