//! Rust → bytes: the serializer around rmp-serde's, which writes scalars and heads.
//!
//! Used by [`encode`](super::encode). Never writes a container whose length differs from its head: that
//! would put everything behind it on the connection out of step.

use std::io;

use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{
    EncodeError, MAX_DEPTH, Style, TOO_DEEP,
    octet::{is_octets, octet},
    ser_compound::{Compound, Tuple},
};

/// Name of the newtype struct whose bytes go out as a str: [`Value::RawString`](super::Value::RawString).
pub(super) const RAW_STRING: &str = "$msgrpc::RawString";

/// See [`encode`](super::encode).
#[inline]
pub(super) fn encode<T, W>(value: &T, style: Style, out: &mut W) -> Result<(), EncodeError>
where
    T: Serialize + ?Sized,
    W: io::Write + ?Sized,
{
    let mut ser = rmp_serde::Serializer::new(out);
    value.serialize(Encoder { ser: &mut ser, style, levels: MAX_DEPTH, bytes_as: BytesAs::Bin })
}

/// Encodes one value at one place.
pub(super) struct Encoder<'a, W> {
    pub(super) ser: &'a mut rmp_serde::Serializer<W>,
    pub(super) style: Style,
    /// Levels that may still be opened. `levels + depth of this place == MAX_DEPTH`.
    pub(super) levels: u8,
    pub(super) bytes_as: BytesAs,
}

/// What `serialize_bytes` writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BytesAs {
    Bin,
    Str,
}

impl<'a, W: io::Write> Encoder<'a, W> {
    /// This place, for the elements of a container at it.
    #[inline]
    pub(super) fn enter(self) -> Result<Self, EncodeError> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(EncodeError::new(&TOO_DEEP)),
        }
    }

    /// The encoder for one element of the container that this one has entered.
    #[inline]
    pub(super) fn element(&mut self) -> Encoder<'_, W> {
        Encoder { ser: self.ser, style: self.style, levels: self.levels, bytes_as: self.bytes_as }
    }

    // rmp-serde writes the head of a container whose length it knows at once and keeps nothing, so its
    // own containers are dropped and the elements written by ours.

    #[inline]
    pub(super) fn array_head(&mut self, len: usize) -> Result<(), EncodeError> {
        check_len(len)?;
        (&mut *self.ser).serialize_seq(Some(len)).map(drop).map_err(EncodeError::wrap)
    }

    #[inline]
    pub(super) fn map_head(&mut self, len: usize) -> Result<(), EncodeError> {
        check_len(len)?;
        (&mut *self.ser).serialize_map(Some(len)).map(drop).map_err(EncodeError::wrap)
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        check_len(text.len())?;
        self.ser.serialize_str(text).map_err(EncodeError::wrap)
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let written = self.ser.get_mut().write_all(bytes);
        written.map_err(|error| EncodeError::new(&format_args!("cannot write: {error}")))
    }

    /// Writes bytes that come one by one: `[u8]`'s own iterator gives no way to its slice.
    fn octets<I>(&mut self, mut octets: I) -> Result<(), EncodeError>
    where
        I: Iterator,
        I::Item: Serialize,
    {
        let mut left = octets.size_hint().0;
        self.bin_head(left)?;
        let mut chunk = [0; CHUNK_BYTES];
        while left > 0 {
            let filled = left.min(CHUNK_BYTES);
            for (place, item) in chunk[..filled].iter_mut().zip(&mut octets) {
                *place = octet(&item).map_err(|error| EncodeError::new(&error))?;
            }
            self.raw(&chunk[..filled])?;
            left -= filled;
        }
        Ok(())
    }

    fn bin_head(&mut self, len: usize) -> Result<(), EncodeError> {
        self.long_head([0xc4, 0xc5, 0xc6], len)
    }

    fn str_head(&mut self, len: usize) -> Result<(), EncodeError> {
        match u8::try_from(len) {
            Ok(len @ 0..32) => self.raw(&[0xa0 | len]),
            _ => self.long_head([0xd9, 0xda, 0xdb], len),
        }
    }

    /// Writes the marker for an 8, 16 or 32 bit length, and the length.
    fn long_head(&mut self, markers: [u8; 3], len: usize) -> Result<(), EncodeError> {
        let [a, b, c, d] = check_len(len)?.to_be_bytes();
        match (a, b, c) {
            (0, 0, 0) => self.raw(&[markers[0], d]),
            (0, 0, _) => self.raw(&[markers[1], c, d]),
            _ => self.raw(&[markers[2], a, b, c, d]),
        }
    }

    /// Opens `{variant: …}` and returns the place of what follows the name.
    #[inline]
    fn variant(mut self, variant: &'static str) -> Result<Self, EncodeError> {
        self.map_head(1)?;
        self.text(variant)?;
        self.enter()
    }

    #[inline]
    fn positional(mut self, len: usize) -> Result<Compound<'a, W>, EncodeError> {
        self.array_head(len)?;
        Compound::known(self, len)
    }

    #[inline]
    fn fields(mut self, len: usize) -> Result<Compound<'a, W>, EncodeError> {
        match self.style {
            Style::Named => self.map_head(len)?,
            Style::Compact => self.array_head(len)?,
        }
        Compound::known(self, len)
    }
}

/// Methods that rmp-serde does as they should be.
macro_rules! forward {
    ($($method:ident($type:ty);)*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<(), EncodeError> {
            self.ser.$method(value).map_err(EncodeError::wrap)
        })*
    };
}

impl<'a, W: io::Write> Serializer for Encoder<'a, W> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Compound<'a, W>;
    type SerializeTuple = Tuple<'a, W>;
    type SerializeTupleStruct = Compound<'a, W>;
    type SerializeTupleVariant = Compound<'a, W>;
    type SerializeMap = Compound<'a, W>;
    type SerializeStruct = Compound<'a, W>;
    type SerializeStructVariant = Compound<'a, W>;

    forward! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.serialize_i64(value),
            (_, Ok(value)) => self.serialize_u64(value),
            _ => self.serialize_bytes(&value.to_be_bytes()),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            _ => self.serialize_bytes(&value.to_be_bytes()),
        }
    }

    #[inline]
    fn serialize_str(mut self, value: &str) -> Result<(), EncodeError> {
        self.text(value)
    }

    #[inline]
    fn serialize_bytes(mut self, value: &[u8]) -> Result<(), EncodeError> {
        match self.bytes_as {
            BytesAs::Bin => self.bin_head(value.len())?,
            BytesAs::Str => self.str_head(value.len())?,
        }
        self.raw(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.ser.serialize_unit().map_err(EncodeError::wrap)
    }

    #[inline]
    fn serialize_unit_struct(mut self, _: &'static str) -> Result<(), EncodeError> {
        self.array_head(0)
    }

    #[inline]
    fn serialize_unit_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.text(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        match name {
            RAW_STRING => value.serialize(Self { bytes_as: BytesAs::Str, ..self }),
            rmp_serde::MSGPACK_EXT_STRUCT_NAME => {
                self.ser.serialize_newtype_struct(name, value).map_err(EncodeError::wrap)
            }
            _ => value.serialize(self),
        }
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self.variant(variant)?)
    }

    #[inline]
    fn serialize_seq(mut self, len: Option<usize>) -> Result<Compound<'a, W>, EncodeError> {
        let Some(len) = len else {
            return Compound::counted(self);
        };
        self.array_head(len)?;
        Compound::known(self, len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Tuple<'a, W>, EncodeError> {
        Tuple::new(self, len)
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<Compound<'a, W>, EncodeError> {
        self.positional(len)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'a, W>, EncodeError> {
        self.variant(variant)?.positional(len)
    }

    #[inline]
    fn serialize_map(mut self, len: Option<usize>) -> Result<Compound<'a, W>, EncodeError> {
        let Some(len) = len else {
            return Compound::counted(self);
        };
        self.map_head(len)?;
        Compound::known(self, len.saturating_mul(2))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Compound<'a, W>, EncodeError> {
        self.fields(len)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'a, W>, EncodeError> {
        self.variant(variant)?.fields(len)
    }

    #[inline]
    fn collect_seq<I>(mut self, iter: I) -> Result<(), EncodeError>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let iter = iter.into_iter();
        if is_octets::<I::IntoIter>() {
            return self.octets(iter);
        }
        let len = match iter.size_hint() {
            (least, Some(most)) if least == most => Some(least),
            _ => None,
        };
        let mut seq = self.serialize_seq(len)?;
        for item in iter {
            seq.serialize_element(&item)?;
        }
        SerializeSeq::end(seq)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Lengths on the wire have 32 bits at most.
#[inline]
fn check_len(len: usize) -> Result<u32, EncodeError> {
    u32::try_from(len).ok().ok_or_else(|| too_long(len))
}

#[cold]
fn too_long(len: usize) -> EncodeError {
    EncodeError::new(&format_args!("length {len} is beyond 32 bits"))
}

/// How many bytes of a byte sequence are gathered before they are written.
const CHUNK_BYTES: usize = 256;
