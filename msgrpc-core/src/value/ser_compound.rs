//! Containers on the way out: each counts its elements against the head that went before them.
//!
//! Used by the encoder. A container whose length is not known beforehand is written aside and copied
//! once it is.

use std::io;

use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use smallvec::SmallVec;

use super::{
    EncodeError, Style,
    octet::{is_octet, octet},
    ser::Encoder,
};

/// A sequence, map, struct or variant's data.
pub(super) struct Compound<'a, W> {
    to: Encoder<'a, W>,
    /// Elements (of a map: keys and values) that the head promised and that have not come; 0 when `aside`.
    left: usize,
    aside: Option<Box<Aside>>,
}

/// What is written before its length is known.
struct Aside {
    ser: rmp_serde::Serializer<Vec<u8>>,
    count: usize,
}

impl<'a, W: io::Write> Compound<'a, W> {
    /// A container of `len` elements, whose head is written.
    #[inline]
    pub(super) fn known(to: Encoder<'a, W>, len: usize) -> Result<Self, EncodeError> {
        Ok(Self { to: to.enter()?, left: len, aside: None })
    }

    /// A container that will be counted.
    pub(super) fn counted(to: Encoder<'a, W>) -> Result<Self, EncodeError> {
        let ser = rmp_serde::Serializer::new(Vec::new());
        Ok(Self { to: to.enter()?, left: 0, aside: Some(Box::new(Aside { ser, count: 0 })) })
    }

    /// Counts one element, key or value.
    #[inline]
    fn count(&mut self) -> Result<(), EncodeError> {
        match &mut self.aside {
            Some(aside) => aside.count += 1,
            None => self.left = self.left.checked_sub(1).ok_or_else(too_many)?,
        }
        Ok(())
    }

    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let Encoder { style, levels, bytes_as, .. } = self.to;
        match &mut self.aside {
            None => value.serialize(self.to.element()),
            Some(aside) => {
                value.serialize(Encoder { ser: &mut aside.ser, style, levels, bytes_as })
            }
        }
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.count()?;
        if self.to.style == Style::Named {
            self.to.text(name)?;
        }
        value.serialize(self.to.element())
    }

    #[inline]
    fn finish(self) -> Result<(), EncodeError> {
        if self.left > 0 { Err(too_few(self.left)) } else { Ok(()) }
    }
}

impl<W: io::Write> SerializeSeq for Compound<'_, W> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.count()?;
        self.write(value)
    }

    #[inline]
    fn end(mut self) -> Result<(), EncodeError> {
        if let Some(aside) = self.aside.take() {
            self.to.array_head(aside.count)?;
            self.to.raw(aside.ser.get_ref())?;
        }
        self.finish()
    }
}

impl<W: io::Write> SerializeMap for Compound<'_, W> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.count()?;
        self.write(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.count()?;
        self.write(value)
    }

    #[inline]
    fn end(mut self) -> Result<(), EncodeError> {
        if let Some(aside) = self.aside.take() {
            if aside.count % 2 == 1 {
                return Err(too_few(1));
            }
            self.to.map_head(aside.count / 2)?;
            self.to.raw(aside.ser.get_ref())?;
        }
        self.finish()
    }
}

/// The four containers whose elements come in order, and those whose fields have names.
macro_rules! containers {
    (positional: $($positional:ident)*; named: $($named:ident)*) => {
        $(impl<W: io::Write> $positional for Compound<'_, W> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.count()?;
                self.write(value)
            }

            #[inline]
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        })*
        $(impl<W: io::Write> $named for Compound<'_, W> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                self.field(name, value)
            }

            #[inline]
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        })*
    };
}

containers! {
    positional: SerializeTupleStruct SerializeTupleVariant;
    named: SerializeStruct SerializeStructVariant
}

/// A tuple or fixed array: bin if all its elements are `u8`, else an array.
///
/// ```text
/// Octets ── an element that is no u8 ──▶ Array        Octets ── end ──▶ bin
/// ```
///
/// Nothing is written while it is in `Octets`.
pub(super) struct Tuple<'a, W> {
    to: Encoder<'a, W>,
    len: usize,
    left: usize,
    /// `Some` is the state `Octets`.
    octets: Option<SmallVec<[u8; 32]>>,
}

impl<'a, W: io::Write> Tuple<'a, W> {
    #[inline]
    pub(super) fn new(to: Encoder<'a, W>, len: usize) -> Result<Self, EncodeError> {
        let mut to = to.enter()?;
        let octets = if len == 0 {
            to.array_head(0)?;
            None
        } else {
            Some(SmallVec::new())
        };
        Ok(Self { to, len, left: len, octets })
    }

    /// Goes from `Octets` to `Array`.
    #[inline]
    fn unpack(&mut self, octets: &[u8]) -> Result<(), EncodeError> {
        self.to.array_head(self.len)?;
        octets.iter().try_for_each(|octet| octet.serialize(self.to.element()))
    }
}

impl<W: io::Write> SerializeTuple for Tuple<'_, W> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        if is_octet::<T>() {
            if let Some(octets) = &mut self.octets {
                octets.push(octet(value).map_err(|error| EncodeError::new(&error))?);
                return Ok(());
            }
        } else if let Some(octets) = self.octets.take() {
            self.unpack(&octets)?;
        }
        value.serialize(self.to.element())
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        if self.left > 0 {
            return Err(too_few(self.left));
        }
        match self.octets {
            Some(octets) => serde::Serializer::serialize_bytes(self.to, &octets),
            None => Ok(()),
        }
    }
}

#[cold]
fn too_many() -> EncodeError {
    EncodeError::new(&"a sequence or map gave more elements than it announced")
}

#[cold]
fn too_few(missing: usize) -> EncodeError {
    EncodeError::new(&format_args!(
        "a sequence or map gave {missing} elements fewer than it announced"
    ))
}
