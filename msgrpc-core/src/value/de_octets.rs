//! A bin or a str as a sequence of `u8`, for `Vec<u8>` and `[u8; N]`, which ask for a sequence.
//!
//! Used by the deserializer. A str gives bytes to nothing but a `u8`; a bin to any integer.

use std::{cell::Cell, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use super::de::DYNAMIC;

/// Bytes, one after another.
pub(super) struct Octets<'de, E> {
    rest: &'de [u8],
    /// What the bytes are, for errors.
    found: Unexpected<'de>,
    started: bool,
    error: PhantomData<E>,
}

impl<'de, E: Error> Octets<'de, E> {
    #[inline]
    pub(super) fn new(octets: &'de [u8], found: Unexpected<'de>) -> Self {
        Self { rest: octets, found, started: false, error: PhantomData }
    }

    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Finds out what an empty bin or str would be read as: `Ok` if as bytes.
    #[cold]
    fn probe<S: DeserializeSeed<'de>>(&self, seed: S) -> Result<(), E> {
        let accepted = Cell::new(false);
        let octet =
            Octet { byte: None, found: self.found, accepted: &accepted, error: PhantomData };
        match seed.deserialize(octet) {
            Err(error) if !accepted.get() => Err(error),
            _ => Ok(()),
        }
    }
}

impl<'de, E: Error> SeqAccess<'de> for Octets<'de, E> {
    type Error = E;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, E> {
        let started = std::mem::replace(&mut self.started, true);
        let Some((&octet, rest)) = self.rest.split_first() else {
            if !started {
                self.probe(seed)?;
            }
            return Ok(None);
        };
        self.rest = rest;
        let accepted = Cell::new(false);
        let octet =
            Octet { byte: Some(octet), found: self.found, accepted: &accepted, error: PhantomData };
        seed.deserialize(octet).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// One byte, or, to find out what is asked for, none.
struct Octet<'a, 'de, E> {
    byte: Option<u8>,
    found: Unexpected<'de>,
    /// Set when a byte, or what can stand for one, is asked for.
    accepted: &'a Cell<bool>,
    error: PhantomData<E>,
}

impl<'de, E: Error> Octet<'_, 'de, E> {
    #[inline]
    fn give<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        self.accepted.set(true);
        match self.byte {
            Some(octet) => visitor.visit_u8(octet),
            None => Err(E::custom("")),
        }
    }

    /// Gives a byte of a bin to a wider integer.
    fn widen<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.found {
            Unexpected::Bytes(_) => self.give(visitor),
            _ => self.deserialize_any(visitor),
        }
    }
}

/// Integers that a byte of a bin is read as.
macro_rules! widen {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            self.widen(visitor)
        })*
    };
}

impl<'de, E: Error> Deserializer<'de> for Octet<'_, 'de, E> {
    type Error = E;

    /// Refuses: the elements of this sequence are not bytes.
    #[cold]
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::invalid_type(self.found, &"a sequence"))
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        self.give(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        self.give(visitor)
    }

    widen! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        match name {
            DYNAMIC | rmp_serde::MSGPACK_EXT_STRUCT_NAME => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }
}
