//! Visitors between rmp-serde and the type being read: here stands what is accepted for what (W6).
//!
//! Used by the deserializer. [`Lens`] receives whatever the bytes hold and knows what was asked for;
//! [`Through`] passes options and variants on, so that what is inside them is read by our rules as well.

use std::{fmt, marker::PhantomData, str};

use serde::{
    Deserializer,
    de::{
        EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
        value::SeqAccessDeserializer,
    },
};

use super::{
    TOO_DEEP,
    de::{Adapter, Context},
    de_access::{Entries, Items, Special, Variants},
    de_octets::Octets,
};

/// What a request accepts. The constants choose among the methods of [`Lens`].
pub(super) trait Wanted {
    const WANT: Want;
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Any,
    Ext,
    Plain,
    Text,
    Identifier,
    Bytes,
    Unit,
    Sequence,
    Struct,
}

/// Kinds of requests, each with its explanation.
macro_rules! wanted {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        pub(super) struct $name;

        impl Wanted for $name {
            const WANT: Want = Want::$name;
        })*
    };
}

wanted! {
    /// Whatever is there, for a type that takes what it gets.
    Any;
    /// An extension, by rmp-serde's convention for types that know their own.
    Ext;
    /// A map: no more than what the type itself accepts.
    Plain;
    /// A str, or a bin that is UTF-8.
    Text;
    /// A field's or variant's name: a str or a bin, or its number.
    Identifier;
    /// A bin or a str.
    Bytes;
    /// Nil or `[]`.
    Unit;
    /// An array; a bin or a str where the elements are bytes.
    Sequence;
    /// A map by names, or an array in the order of declaration.
    Struct;
}

/// The type's own visitor, and how to look at what comes.
pub(super) struct Lens<'a, 'de, V, M> {
    visitor: V,
    context: &'a Context<'de>,
    levels: u8,
    /// Names of the elements of an array that stands for a struct, for paths in errors.
    fields: &'static [&'static str],
    wanted: PhantomData<M>,
}

impl<'a, 'de, V: Visitor<'de>, M: Wanted> Lens<'a, 'de, V, M> {
    #[inline]
    pub(super) fn new(
        visitor: V,
        context: &'a Context<'de>,
        levels: u8,
        fields: &'static [&'static str],
    ) -> Self {
        Self { visitor, context, levels, fields, wanted: PhantomData }
    }

    /// Gives bytes to a visitor that wants a sequence. `found` is what they are called in errors.
    #[inline]
    fn octets<E: Error>(self, octets: &'de [u8], found: Unexpected<'de>) -> Result<V::Value, E> {
        let mut items = Octets::new(octets, found);
        let value = self.visitor.visit_seq(&mut items)?;
        all_taken(octets.len(), items.left())?;
        Ok(value)
    }

    #[inline]
    fn bytes<E: Error>(self, bytes: &'de [u8]) -> Result<V::Value, E> {
        match M::WANT {
            Want::Sequence => self.octets(bytes, Unexpected::Bytes(bytes)),
            Want::Text | Want::Identifier => match str::from_utf8(bytes) {
                Ok(text) => self.visit_borrowed_str(text),
                Err(_) if M::WANT == Want::Identifier => self.visitor.visit_borrowed_bytes(bytes),
                Err(_) => {
                    let found = Unexpected::Other("bytes that are not UTF-8");
                    Err(E::invalid_value(found, &self.visitor))
                }
            },
            _ => self.visitor.visit_borrowed_bytes(bytes),
        }
    }

    /// Refuses one level more than are allowed.
    #[inline]
    fn enter<E: Error>(&self) -> Result<u8, E> {
        self.levels.checked_sub(1).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

/// Numbers and truth values, for types that take whatever is there.
macro_rules! pass {
    ($($method:ident($type:ty);)*) => {
        $(#[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>, M: Wanted> Visitor<'de> for Lens<'_, 'de, V, M> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    pass! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_f32(f32);
        visit_f64(f64);
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<V::Value, E> {
        match M::WANT {
            Want::Bytes => self.visitor.visit_borrowed_bytes(text.as_bytes()),
            Want::Sequence => self.octets(text.as_bytes(), Unexpected::Str(text)),
            _ => {
                self.context.last_text.set(Some(text));
                self.visitor.visit_borrowed_str(text)
            }
        }
    }

    #[inline]
    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<V::Value, E> {
        let context = self.context;
        self.bytes::<E>(bytes).inspect_err(|error| context.refuse(error.to_string()))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<V::Value, A::Error> {
        let levels = self.enter()?;
        if M::WANT == Want::Unit {
            return match access.next_element::<IgnoredAny>()? {
                None => self.visitor.visit_unit(),
                Some(_) => Err(A::Error::invalid_type(Unexpected::Seq, &self.visitor)),
            };
        }
        let total = access.size_hint().unwrap_or(0);
        let items = Items::new(&mut access, self.context, levels, self.fields);
        let value = self.visitor.visit_seq(items)?;
        all_taken(total, access.size_hint().unwrap_or(0))?;
        Ok(value)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<V::Value, A::Error> {
        let levels = self.enter()?;
        let total = access.size_hint().unwrap_or(0);
        let entries = Entries::new(&mut access, self.context, levels);
        let value = self.visitor.visit_map(entries)?;
        all_taken(total, access.size_hint().unwrap_or(0))?;
        Ok(value)
    }

    /// rmp-serde shows an extension so, as a sequence of its type and its data.
    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        if M::WANT == Want::Ext {
            return self.visitor.visit_newtype_struct(inner);
        }
        let (kind, data) = inner.deserialize_any(ExtParts)?;
        let found = format!("extension type {kind}");
        if M::WANT != Want::Any {
            return Err(D::Error::invalid_type(Unexpected::Other(&found), &self.visitor));
        }
        let inner = SeqAccessDeserializer::new(Special::extension(kind, data));
        // A type that knows no extensions refuses a "newtype struct" that the peer never sent.
        self.visitor.visit_newtype_struct(inner).map_err(|error: D::Error| {
            D::Error::custom(error.to_string().replace("newtype struct", &found))
        })
    }
}

/// Passes on what is in an option or a variant.
pub(super) struct Through<'a, 'de, V> {
    pub(super) visitor: V,
    pub(super) context: &'a Context<'de>,
    pub(super) levels: u8,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Through<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self { visitor, context, levels } = self;
        visitor.visit_some(Adapter { inner, context, levels })
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let Self { visitor, context, levels } = self;
        visitor.visit_enum(Variants::new(access, context, levels))
    }
}

/// Looks whether anything is there.
pub(super) struct Peek;

impl<'de> Visitor<'de> for Peek {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Ok(())
    }
}

/// Takes an extension apart.
pub(super) struct ExtParts;

impl<'de> Visitor<'de> for ExtParts {
    type Value = (i8, &'de [u8]);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an extension's type and data")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        match (access.next_element()?, access.next_element()?) {
            (Some(kind), Some(data)) => Ok((kind, data)),
            _ => Err(A::Error::custom("an extension without type or data")),
        }
    }
}

/// Refuses a container of `total` elements of which the type left some: it would read them as what follows.
#[inline]
fn all_taken<E: Error>(total: usize, left: usize) -> Result<(), E> {
    if left == 0 {
        return Ok(());
    }
    let taken = total.saturating_sub(left);
    Err(E::custom(format_args!("invalid length {total}, expected {taken} elements")))
}

/// Whether `payload`, which lies in `input` and came as a bin or as a str that is not UTF-8, is a bin.
///
/// The reader consumes a head and then its payload, so the head ends where the payload begins, and it
/// says the payload's length `n > 0`. With the bytes before the payload written `… p5 p4 p3 p2 p1`, a bin
/// head of the right length and a str head of the right length cannot both stand there:
///
/// | really is | looks like bin8: `p2 = c4`, `p1 = n` | bin16: `p3 = c5`, `p2 p1 = n` | bin32: `p5 = c6`, `p4 … p1 = n` |
/// |---|---|---|---|
/// | fixstr, `p1 = a0 + n`, `n < 32` | `p1 ≠ n` | low byte `p1 ≠ n` | low byte `p1 ≠ n` |
/// | str8, `p2 = d9`, `n < 2^8` | `p2 ≠ c4` | `p2 ≠ 0`, so `p2 p1 > n` | as left |
/// | str16, `p3 = da`, `n < 2^16` | `n = p1` asks for `p2 = 0` | `p3 ≠ c5` | `p3 ≠ 0`, so `p4 … p1 > n` |
/// | str32, `p5 = db` | `n = p1` asks for `p2 = 0` | `n = p2 p1` asks for `p3 = 0` | `p5 ≠ c6` |
pub(super) fn is_bin(input: &[u8], payload: &[u8]) -> bool {
    let start = payload.as_ptr().addr().wrapping_sub(input.as_ptr().addr());
    let Some(before) = input.get(..start) else {
        return true;
    };
    let len = payload.len();
    match *before {
        _ if len == 0 => true,
        [.., 0xc4, a] if len == usize::from(a) => true,
        [.., 0xc5, a, b] if len == usize::from(u16::from_be_bytes([a, b])) => true,
        [.., 0xc6, a, b, c, d] => u32::from_be_bytes([a, b, c, d]).try_into() == Ok(len),
        _ => false,
    }
}
