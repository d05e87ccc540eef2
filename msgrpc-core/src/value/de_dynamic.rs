//! The visitor between rmp-serde and [`Value`](super::Value), which takes whatever is there.
//!
//! Used by the deserializer in place of [`Lens`](super::de_visit::Lens), since values nest as deeply as their peer likes.
//! What stands here stands on the stack once for each level. Without optimization rmp-serde keeps some forty copies of its
//! visitor in one frame, and each `?` copies what it passes on: so the visitor is two pointers, nothing large is returned
//! through it, and what is rare is elsewhere.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::{
    TOO_DEEP,
    de::Context,
    de_access::{Entries, Items, Special},
    de_visit::{ExtParts, is_bin},
};

/// Where a value is to be read.
pub(super) struct Place<'a, 'de> {
    pub(super) context: &'a Context<'de>,
    /// Levels that may still be opened.
    pub(super) levels: u8,
}

/// The type's own visitor, and where it reads.
pub(super) struct Dynamic<'p, 'a, 'de, V> {
    pub(super) visitor: V,
    pub(super) place: &'p Place<'a, 'de>,
}

/// Numbers and truth values.
macro_rules! pass {
    ($($method:ident($type:ty);)*) => {
        $(#[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Dynamic<'_, '_, 'de, V> {
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
        self.place.context.last_text.set(Some(text));
        self.visitor.visit_borrowed_str(text)
    }

    #[inline]
    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<V::Value, E> {
        let context = self.place.context;
        let value: Result<V::Value, E> = if is_bin(context.input, bytes) {
            self.visitor.visit_borrowed_bytes(bytes)
        } else {
            self.visitor.visit_enum(Special::raw_string(bytes))
        };
        value.inspect_err(|error| context.refuse(error.to_string()))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<V::Value, A::Error> {
        let Some(levels) = self.place.levels.checked_sub(1) else { return too_deep() };
        let total = access.size_hint();
        let items = Items::new(&mut access, self.place.context, levels, &[]);
        let value = self.visitor.visit_seq(items);
        let left = access.size_hint();
        if matches!(left, None | Some(0)) || value.is_err() {
            value
        } else {
            left_over(total, left)
        }
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<V::Value, A::Error> {
        let Some(levels) = self.place.levels.checked_sub(1) else { return too_deep() };
        let total = access.size_hint();
        let entries = Entries::new(&mut access, self.place.context, levels);
        let value = self.visitor.visit_map(entries);
        let left = access.size_hint();
        if matches!(left, None | Some(0)) || value.is_err() {
            value
        } else {
            left_over(total, left)
        }
    }

    /// rmp-serde shows an extension so, as a sequence of its type and its data.
    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let (kind, data) = inner.deserialize_any(ExtParts)?;
        self.visitor.visit_enum(Special::extension(kind, data))
    }
}

#[cold]
fn too_deep<T, E: Error>() -> Result<T, E> {
    Err(E::custom(TOO_DEEP))
}

/// Refuses a container of `total` elements of which some are left, as [`Lens`](super::de_visit::Lens) does.
#[cold]
fn left_over<T, E: Error>(total: Option<usize>, left: Option<usize>) -> Result<T, E> {
    let (total, left) = (total.unwrap_or(0), left.unwrap_or(0));
    let taken = total.saturating_sub(left);
    Err(E::custom(format_args!("invalid length {total}, expected {taken} elements")))
}
