//! Visitors for numbers: an integral float is an integer, an integer is a float, nothing becomes infinite (W6).
//!
//! Used by the deserializer. Apart from the other visitors because they are small: a number costs no more
//! than with rmp-serde alone.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor},
};

use super::de_visit::ExtParts;

/// Which number is asked for. The constant chooses among the methods of [`Number`].
pub(super) trait Kind {
    const BITS: Bits;
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bits {
    Integer,
    Signed128,
    Unsigned128,
    Single,
    Double,
}

/// Kinds of numbers, each with its explanation.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        pub(super) struct $name;

        impl Kind for $name {
            const BITS: Bits = Bits::$name;
        })*
    };
}

kinds! {
    /// An integer of up to 64 bits, or a float of integral value.
    Integer;
    /// An `i128`: as [`Integer`], or 16 big-endian bytes.
    Signed128;
    /// A `u128`: the same.
    Unsigned128;
    /// An `f32`: an `f64` that is not too large for it, or an integer.
    Single;
    /// An `f64`, which takes integers by itself; or a bool.
    Double;
}

/// The type's own visitor, and what it wants.
pub(super) struct Number<V, K> {
    visitor: V,
    kind: PhantomData<K>,
}

impl<'de, V: Visitor<'de>, K: Kind> Number<V, K> {
    #[inline]
    pub(super) fn new(visitor: V) -> Self {
        Self { visitor, kind: PhantomData }
    }

    /// Takes a float where an integer is asked for, if it is one.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
    #[expect(clippy::cast_sign_loss, reason = "the sign is checked before")]
    fn integral<E: Error>(self, float: f64) -> Result<V::Value, E> {
        let wide = K::BITS != Bits::Integer;
        // The bounds are powers of two, hence exact. Neither infinities nor NaN lie within them.
        if !(-TWO_TO_127..TWO_TO_127).contains(&float) || float.fract() != 0.0 {
            self.visitor.visit_f64(float)
        } else if (0.0..TWO_TO_64).contains(&float) {
            self.visitor.visit_u64(float as u64)
        } else if (-TWO_TO_63..0.0).contains(&float) {
            self.visitor.visit_i64(float as i64)
        } else if wide {
            self.visitor.visit_i128(float as i128)
        } else {
            self.visitor.visit_f64(float)
        }
    }
}

/// Values that need no look.
macro_rules! pass {
    ($($method:ident($type:ty);)*) => {
        $(#[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>, K: Kind> Visitor<'de> for Number<V, K> {
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
        visit_borrowed_str(&'de str);
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    #[inline]
    fn visit_f32<E: Error>(self, float: f32) -> Result<V::Value, E> {
        match K::BITS {
            Bits::Single | Bits::Double => self.visitor.visit_f32(float),
            _ => self.integral(f64::from(float)),
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "that is what is being found out")]
    fn visit_f64<E: Error>(self, float: f64) -> Result<V::Value, E> {
        match K::BITS {
            Bits::Single if float.is_finite() && (float as f32).is_infinite() => {
                Err(E::invalid_value(Unexpected::Float(float), &self.visitor))
            }
            Bits::Single | Bits::Double => self.visitor.visit_f64(float),
            _ => self.integral(float),
        }
    }

    #[inline]
    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<V::Value, E> {
        match (K::BITS, bytes.try_into()) {
            (Bits::Signed128, Ok(wide)) => self.visitor.visit_i128(i128::from_be_bytes(wide)),
            (Bits::Unsigned128, Ok(wide)) => self.visitor.visit_u128(u128::from_be_bytes(wide)),
            _ => self.visitor.visit_borrowed_bytes(bytes),
        }
    }

    /// rmp-serde shows an extension so, as a sequence of its type and its data.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let (kind, _) = inner.deserialize_any(ExtParts)?;
        let found = format!("extension type {kind}");
        Err(D::Error::invalid_type(Unexpected::Other(&found), &self.visitor))
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
const TWO_TO_127: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
