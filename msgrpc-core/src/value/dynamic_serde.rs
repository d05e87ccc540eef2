//! [`Value`] in and out of serde, so that it may stand anywhere within a user's types.
//!
//! Used by serde. Two things that serde has no word for go by agreement with `ser.rs` and `de.rs`: strings
//! that are not UTF-8, and extensions.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor},
    ser::SerializeMap,
};

use super::{Value, de::DYNAMIC, de_access, ser};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Int(value) => to.serialize_i64(*value),
            Self::UInt(value) => to.serialize_u64(*value),
            Self::F32(value) => to.serialize_f32(*value),
            Self::F64(value) => to.serialize_f64(*value),
            Self::String(text) => to.serialize_str(text),
            Self::RawString(bytes) => to.serialize_newtype_struct(ser::RAW_STRING, &Bytes(bytes)),
            Self::Binary(bytes) => to.serialize_bytes(bytes),
            Self::Array(items) => to.collect_seq(items),
            Self::Map(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Ext(kind, data) => {
                let extension = (*kind, Bytes(data));
                to.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &extension)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut value = Self::Nil;
        Fill(&mut value).deserialize(from)?;
        Ok(value)
    }
}

/// Serializes as bytes.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

/// Reads a value into its place.
///
/// A level of nesting is several frames on the stack, which without optimization hold several copies of what is returned
/// through them. So nothing is returned through them.
struct Fill<'v>(&'v mut Value);

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_newtype_struct(DYNAMIC, self)
    }
}

/// Values that are made as they are.
macro_rules! make {
    ($($method:ident($type:ty);)*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<(), E> {
            *self.0 = value.into();
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    make! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f32(f32);
        visit_f64(f64);
        visit_str(&str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        *self.0 = Value::Nil;
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.deserialize(from)
    }

    /// Other formats: what is within.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let mut items = Vec::with_capacity(room(access.size_hint()));
        loop {
            let mut item = Value::Nil;
            match access.next_element_seed(Fill(&mut item)) {
                Ok(Some(())) => items.push(item),
                Ok(None) => break,
                Err(error) => return Err(error),
            }
        }
        *self.0 = Value::Array(items);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let mut entries = Vec::with_capacity(room(access.size_hint()));
        loop {
            let mut entry = (Value::Nil, Value::Nil);
            match access.next_key_seed(Fill(&mut entry.0)) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => return Err(error),
            }
            match access.next_value_seed(Fill(&mut entry.1)) {
                Ok(()) => entries.push(entry),
                Err(error) => return Err(error),
            }
        }
        *self.0 = Value::Map(entries);
        Ok(())
    }

    /// Our own deserializer: a raw string or an extension.
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let (kind, access) = access.variant::<i16>()?;
        let bytes: &[u8] = access.newtype_variant()?;
        *self.0 = match i8::try_from(kind) {
            Ok(kind) => Value::Ext(kind, bytes.to_owned()),
            Err(_) if kind == de_access::RAW_STRING => Value::RawString(bytes.to_owned()),
            Err(_) => return Err(A::Error::custom("an enum where any value was expected")),
        };
        Ok(())
    }
}

/// Room made for a container's elements before they have been read: not what it claims to hold.
fn room(claimed: Option<usize>) -> usize {
    claimed.unwrap_or(0).min(64)
}
