//! Containers on the way in: what is inside them is read by our rules, and errors learn their path.
//!
//! Used by the deserializer. A container is never trusted for how much it says it holds.

use std::marker::PhantomData;

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess,
        Visitor,
        value::{BorrowedBytesDeserializer, I8Deserializer, I16Deserializer},
    },
};

use super::{
    TOO_DEEP,
    de::{Adapter, Context},
    de_visit::{Lens, Sequence, Struct},
};

/// One value to be read, by our rules.
struct Seed<'a, 'de, S> {
    of: S,
    context: &'a Context<'de>,
    levels: u8,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, 'de, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let Self { of, context, levels } = self;
        of.deserialize(Adapter { inner, context, levels })
    }
}

/// The elements of an array.
pub(super) struct Items<'a, 'de, A> {
    access: A,
    context: &'a Context<'de>,
    levels: u8,
    /// Names of the elements, if they are a struct's.
    fields: &'static [&'static str],
    index: usize,
}

impl<'a, 'de, A> Items<'a, 'de, A> {
    #[inline]
    pub(super) fn new(
        access: A,
        context: &'a Context<'de>,
        levels: u8,
        fields: &'static [&'static str],
    ) -> Self {
        Self { access, context, levels, fields, index: 0 }
    }

    #[cold]
    fn failed(&self) {
        match self.fields.get(self.index) {
            Some(name) => self.context.in_field(name),
            None => self.context.in_element(self.index),
        }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, 'de, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let Self { context, levels, .. } = *self;
        let next = self.access.next_element_seed(Seed { of: seed, context, levels });
        if next.is_err() {
            self.failed();
        }
        self.index += 1;
        next
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        cautious(self.access.size_hint(), self.context)
    }
}

/// The entries of a map.
pub(super) struct Entries<'a, 'de, A> {
    access: A,
    context: &'a Context<'de>,
    levels: u8,
    /// The key of the entry whose value comes next, if it is text.
    key: Option<&'de str>,
    /// Keys read.
    count: usize,
}

impl<'a, 'de, A> Entries<'a, 'de, A> {
    #[inline]
    pub(super) fn new(access: A, context: &'a Context<'de>, levels: u8) -> Self {
        Self { access, context, levels, key: None, count: 0 }
    }

    #[cold]
    fn failed(&self) {
        match self.key {
            Some(key) => self.context.in_field(key),
            None => self.context.in_element(self.count.saturating_sub(1)),
        }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, 'de, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let Self { context, levels, .. } = *self;
        context.last_text.set(None);
        let key = self.access.next_key_seed(Seed { of: seed, context, levels })?;
        self.key = context.last_text.get();
        self.count += 1;
        Ok(key)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let Self { context, levels, .. } = *self;
        let value = self.access.next_value_seed(Seed { of: seed, context, levels });
        if value.is_err() {
            self.failed();
        }
        value
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        cautious(self.access.size_hint(), self.context)
    }
}

/// An enum: its variant's name, then the variant's data.
pub(super) struct Variants<'a, 'de, A> {
    access: A,
    context: &'a Context<'de>,
    levels: u8,
    name: Option<&'de str>,
}

impl<'a, 'de, A> Variants<'a, 'de, A> {
    #[inline]
    pub(super) fn new(access: A, context: &'a Context<'de>, levels: u8) -> Self {
        Self { access, context, levels, name: None }
    }

    /// The data are one level deeper than the variant.
    #[inline]
    fn enter<E: Error>(&self) -> Result<u8, E> {
        self.levels.checked_sub(1).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

/// Notes the variant `name` in the path of an error.
#[inline]
fn within<T, E>(context: &Context<'_>, name: Option<&str>, result: Result<T, E>) -> Result<T, E> {
    if let (Err(_), Some(name)) = (&result, name) {
        context.in_field(name);
    }
    result
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Variants<'a, 'de, A> {
    type Error = A::Error;
    type Variant = Variants<'a, 'de, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let Self { access, context, levels, .. } = self;
        context.last_text.set(None);
        let (variant, access) = access.variant_seed(Seed { of: seed, context, levels })?;
        Ok((variant, Variants { access, context, levels, name: context.last_text.get() }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Variants<'_, 'de, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        within(self.context, self.name, self.access.unit_variant())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let levels = self.enter()?;
        let context = self.context;
        let data = self.access.newtype_variant_seed(Seed { of: seed, context, levels });
        within(context, self.name, data)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let lens = Lens::<V, Sequence>::new(visitor, self.context, self.enter()?, &[]);
        within(self.context, self.name, self.access.tuple_variant(len, lens))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let lens = Lens::<V, Struct>::new(visitor, self.context, self.enter()?, fields);
        within(self.context, self.name, self.access.struct_variant(fields, lens))
    }
}

/// A raw string or an extension, on its way to a visitor that can be told of them.
///
/// To [`Value`](super::Value) it is an enum, whose variant is an `i16` – the extension's type, or
/// [`Special::RAW_STRING`] – and whose data are the bytes. To others it is a sequence of type and bytes.
pub(super) struct Special<'de, E> {
    kind: i16,
    bytes: &'de [u8],
    /// How much of the sequence has been read.
    read: u8,
    error: PhantomData<E>,
}

impl<'de, E> Special<'de, E> {
    #[inline]
    pub(super) fn raw_string(bytes: &'de [u8]) -> Self {
        Self { kind: RAW_STRING, bytes, read: 0, error: PhantomData }
    }

    #[inline]
    pub(super) fn extension(kind: i8, bytes: &'de [u8]) -> Self {
        Self { kind: kind.into(), bytes, read: 0, error: PhantomData }
    }
}

/// The variant that is a raw string: no extension's type, which is an `i8`.
pub(super) const RAW_STRING: i16 = i16::MAX;

impl<'de, E: Error> EnumAccess<'de> for Special<'de, E> {
    type Error = E;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), E> {
        Ok((seed.deserialize(I16Deserializer::new(self.kind))?, self))
    }
}

impl<'de, E: Error> VariantAccess<'de> for Special<'de, E> {
    type Error = E;

    fn unit_variant(self) -> Result<(), E> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, E> {
        seed.deserialize(BorrowedBytesDeserializer::new(self.bytes))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, E> {
        Err(E::invalid_type(Unexpected::NewtypeVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        Err(E::invalid_type(Unexpected::NewtypeVariant, &visitor))
    }
}

impl<'de, E: Error> SeqAccess<'de> for Special<'de, E> {
    type Error = E;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, E> {
        self.read += 1;
        match (self.read, i8::try_from(self.kind)) {
            (1, Ok(kind)) => seed.deserialize(I8Deserializer::new(kind)).map(Some),
            (2, _) => seed.deserialize(BorrowedBytesDeserializer::new(self.bytes)).map(Some),
            _ => {
                self.read = 2;
                Ok(None)
            }
        }
    }
}

/// No more than there can be, each element being a byte at least, and never much at once.
#[inline]
fn cautious(claimed: Option<usize>, context: &Context<'_>) -> Option<usize> {
    claimed.map(|claimed| claimed.min(context.input.len()).min(PREALLOCATED_ELEMENTS))
}

/// Most elements that room is made for before they have been read.
const PREALLOCATED_ELEMENTS: usize = 4096;
