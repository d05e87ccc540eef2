//! Bytes → Rust: the deserializer around rmp-serde's, which reads heads and scalars.
//!
//! Used by [`decode`](super::decode) and [`Elements`](super::Elements). Nearly every request goes to
//! rmp-serde as "whatever is there", with a visitor of ours that knows what was asked for: so it is we who
//! decide what is accepted and what a refusal says.

use std::cell::{Cell, RefCell};

use rmp_serde::decode::{Error, ReadRefReader};
use serde::{Deserialize, Deserializer, de::Visitor};

use super::{
    DecodeError, MAX_DEPTH, TOO_DEEP,
    de_dynamic::{Dynamic, Place},
    de_number::{Double, Integer, Number, Signed128, Single, Unsigned128},
    de_visit::{
        Any, Bytes, Ext, Identifier, Lens, Peek, Plain, Sequence, Struct, Text, Through, Unit,
        Wanted,
    },
};

/// Most [`Value`](super::Value)s in one decoded value, containers and their elements together.
///
/// A `Value` takes 40 to 90 times the bytes that a peer spends on it; 2^16 of them are some MiB. More
/// are a [`DecodeError`].
pub(super) const DYNAMIC_ELEMENTS: u32 = 1 << 16;

/// Name of the newtype struct as which [`Value`](super::Value) asks to be told raw strings and extensions.
pub(super) const DYNAMIC: &str = "$msgrpc::Value";

/// rmp-serde's deserializer, as used here.
pub(super) type Reader<'de> = rmp_serde::Deserializer<ReadRefReader<'de, [u8]>>;

/// See [`decode`](super::decode). `dynamic` bounds the number of [`Value`](super::Value)s.
#[inline]
pub(super) fn decode<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    dynamic: u32,
) -> Result<T, DecodeError> {
    let mut reader = reader(bytes);
    let context = Context::new(bytes, dynamic);
    let value = decode_next(&mut reader, &context)?;
    at_end(&mut reader)?;
    Ok(value)
}

/// A reader of `bytes`. Levels are counted by [`Adapter`], which counts enums as well; the reader's own
/// limit is two above it, since it counts one level too many, and extensions as a level.
#[inline]
pub(super) fn reader(bytes: &[u8]) -> Reader<'_> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(usize::from(MAX_DEPTH) + 2);
    reader
}

/// Reads one value from `reader`.
#[inline]
pub(super) fn decode_next<'de, T: Deserialize<'de>>(
    reader: &mut Reader<'de>,
    context: &Context<'de>,
) -> Result<T, DecodeError> {
    T::deserialize(Adapter { inner: reader, context, levels: MAX_DEPTH })
        .map_err(|error| context.explain(error))
}

/// Refuses bytes behind the last value.
#[inline]
pub(super) fn at_end(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    // An optional value is read as far as its marker, which is all that must be known.
    match reader.deserialize_option(Peek) {
        Err(Error::InvalidMarkerRead(_)) => Ok(()),
        _ => Err(DecodeError::new(&"there are more bytes behind the value")),
    }
}

/// What all places of one value share.
#[derive(Debug)]
pub(super) struct Context<'de> {
    /// All that the reader reads from: where a payload lies in it shows the head before it.
    pub(super) input: &'de [u8],
    /// The string read last. A map takes it, after it has read a key, as that key's name.
    pub(super) last_text: Cell<Option<&'de str>>,
    /// [`Value`](super::Value)s that may still come.
    dynamic: Cell<u32>,
    /// Where the error is, filled from its end while the error travels outwards; else empty.
    path: RefCell<String>,
    /// What a visitor said of a string that is not UTF-8; rmp-serde replaces it by `Utf8Error`.
    refused: RefCell<Option<String>>,
}

impl<'de> Context<'de> {
    #[inline]
    pub(super) fn new(input: &'de [u8], dynamic: u32) -> Self {
        Self {
            input,
            last_text: Cell::new(None),
            dynamic: Cell::new(dynamic),
            path: RefCell::new(String::new()),
            refused: RefCell::new(None),
        }
    }

    /// Counts one [`Value`](super::Value); false if it is one too many.
    #[inline]
    fn count_dynamic(&self) -> bool {
        let left = self.dynamic.get();
        self.dynamic.set(left.saturating_sub(1));
        left > 0
    }

    /// Notes that the error lies in element `index`.
    #[cold]
    pub(super) fn in_element(&self, index: usize) {
        self.path.borrow_mut().insert_str(0, &format!("[{index}]"));
    }

    /// Notes that the error lies in the field, entry or variant `name`.
    #[cold]
    pub(super) fn in_field(&self, name: &str) {
        let name: String = name.chars().take(NAME_CHARS).flat_map(char::escape_debug).collect();
        self.path.borrow_mut().insert_str(0, &format!(".{name}"));
    }

    /// Keeps what a visitor said when it refused bytes.
    #[cold]
    pub(super) fn refuse(&self, text: String) {
        *self.refused.borrow_mut() = Some(text);
    }

    /// Says in plain words what went wrong, and where.
    #[cold]
    fn explain(&self, error: Error) -> DecodeError {
        let text = match error {
            Error::Syntax(text) | Error::Uncategorized(text) => text,
            Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => {
                "the value ends too early".to_owned()
            }
            Error::TypeMismatch(marker) => match u8::from(marker) {
                0xc1 => "the byte c1, which MessagePack does not use".to_owned(),
                marker => format!("invalid type: {}, expected nil", kind(marker)),
            },
            Error::LengthMismatch(len) => {
                format!("invalid length {len}, expected a map of one entry for an enum's variant")
            }
            Error::Utf8Error(error) => {
                let refused = self.refused.borrow_mut().take();
                refused
                    .unwrap_or_else(|| format!("invalid type: string that is not UTF-8 ({error})"))
            }
            Error::DepthLimitExceeded => TOO_DEEP.to_owned(),
            Error::OutOfRange => "a number out of range".to_owned(),
        };
        DecodeError::at(&self.path.take(), text)
    }
}

/// Decodes one value at one place, by way of `inner`.
pub(super) struct Adapter<'a, 'de, D> {
    pub(super) inner: D,
    pub(super) context: &'a Context<'de>,
    /// Levels that may still be opened. `levels + depth of this place == MAX_DEPTH`.
    pub(super) levels: u8,
}

impl<'de, D: Deserializer<'de>> Adapter<'_, 'de, D> {
    /// Reads whatever is there as what `M` accepts.
    #[inline]
    fn read<M, V>(self, visitor: V) -> Result<V::Value, D::Error>
    where
        M: Wanted,
        V: Visitor<'de>,
    {
        self.inner.deserialize_any(Lens::<V, M>::new(visitor, self.context, self.levels, &[]))
    }

    /// Reads a newtype struct that is no [`Value`](super::Value).
    #[inline]
    fn newtype<V: Visitor<'de>>(self, name: &str, visitor: V) -> Result<V::Value, D::Error> {
        match name {
            rmp_serde::MSGPACK_EXT_STRUCT_NAME => self.read::<Ext, V>(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }
}

#[cold]
fn too_many<T, E: serde::de::Error>() -> Result<T, E> {
    Err(E::custom(format_args!("more than {DYNAMIC_ELEMENTS} dynamic values")))
}

/// Requests, each with what it accepts.
macro_rules! requests {
    ($($method:ident => $wanted:ident;)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.read::<$wanted, V>(visitor)
        })*
    };
}

/// The same, for what is no more than a number: those need no place.
macro_rules! numbers {
    ($($method:ident => $number:ident;)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.deserialize_any(Number::<V, $number>::new(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Adapter<'_, 'de, D> {
    type Error = D::Error;

    numbers! {
        deserialize_bool => Double;
        deserialize_i8 => Integer;
        deserialize_i16 => Integer;
        deserialize_i32 => Integer;
        deserialize_i64 => Integer;
        deserialize_u8 => Integer;
        deserialize_u16 => Integer;
        deserialize_u32 => Integer;
        deserialize_u64 => Integer;
        deserialize_i128 => Signed128;
        deserialize_u128 => Unsigned128;
        deserialize_f32 => Single;
        deserialize_f64 => Double;
    }

    requests! {
        deserialize_any => Any;
        deserialize_ignored_any => Any;
        deserialize_char => Text;
        deserialize_str => Text;
        deserialize_string => Text;
        deserialize_identifier => Identifier;
        deserialize_bytes => Bytes;
        deserialize_byte_buf => Bytes;
        deserialize_unit => Unit;
        deserialize_seq => Sequence;
        deserialize_map => Plain;
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, context, levels } = self;
        inner.deserialize_option(Through { visitor, context, levels })
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.read::<Unit, V>(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name != DYNAMIC {
            return self.newtype(name, visitor);
        }
        // A level of nesting stands on the stack: see `de_dynamic`.
        if !self.context.count_dynamic() {
            return too_many();
        }
        let place = Place { context: self.context, levels: self.levels };
        self.inner.deserialize_any(Dynamic { visitor, place: &place })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.read::<Sequence, V>(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.read::<Sequence, V>(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let lens = Lens::<V, Struct>::new(visitor, self.context, self.levels, fields);
        self.inner.deserialize_any(lens)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, context, levels } = self;
        inner.deserialize_enum(name, variants, Through { visitor, context, levels })
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// What a first byte stands for, as serde names it in errors.
pub(super) fn kind(marker: u8) -> &'static str {
    match marker {
        0x00..=0x7f | 0xcc..=0xd3 | 0xe0..=0xff => "integer",
        0x80..=0x8f | 0xde | 0xdf => "map",
        0x90..=0x9f | 0xdc | 0xdd => "sequence",
        0xa0..=0xbf | 0xd9..=0xdb => "string",
        0xc0 => "nil",
        0xc1 => "reserved byte",
        0xc2 | 0xc3 => "boolean",
        0xc4..=0xc6 => "byte array",
        0xca | 0xcb => "floating point",
        0xc7..=0xc9 | 0xd4..=0xd8 => "extension",
    }
}

/// How much of a name is shown in the path of an error, in characters.
const NAME_CHARS: usize = 40;
