//! [`Value`]: any MessagePack value, for whoever cannot know the type beforehand.
//!
//! Used for errors that are neither faults nor the method's own, by the command line tool, and by users.
//! Arguments and results of known type never pass through it: it takes 40 to 90 times their bytes.

/// Any MessagePack value.
///
/// Whatever a peer sends comes back as it was sent, but for the width of integers and lengths, of which
/// the shortest is written. Within a user's own types it keeps raw strings and extensions as well; under
/// `#[serde(flatten)]` and `#[serde(untagged)]`, where serde holds the value in a form of its own, a raw
/// string becomes a binary and an extension an array. Other formats see a raw string as bytes and an
/// extension as a pair of its type and its data.
///
/// Exhaustive: MessagePack has no more types.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "MessagePack has no more types")]
pub enum Value {
    /// Nothing.
    #[default]
    Nil,
    /// True or false.
    Bool(bool),
    /// An integer that an `i64` holds.
    Int(i64),
    /// An integer above `i64::MAX`. What is decoded or made by `From` is never smaller.
    UInt(u64),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// Text.
    String(String),
    /// A str that is not UTF-8, as old peers send bytes. It is sent as a str again (W6).
    RawString(Vec<u8>),
    /// Bytes.
    Binary(Vec<u8>),
    /// Values in their order.
    Array(Vec<Self>),
    /// Keys and values in their order, keys that occur twice included.
    Map(Vec<(Self, Self)>),
    /// An extension: its type, and its data. Types below 0 are MessagePack's own (-1 is a timestamp).
    Ext(i8, Vec<u8>),
}

impl Value {
    /// The text of a string, or of a binary that is UTF-8 (old peers have one type for both).
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Binary(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The bytes of a binary, string or raw string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Binary(bytes) | Self::RawString(bytes) => Some(bytes),
            Self::String(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if an `i64` holds it. A float is none.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int(value) => Some(value),
            Self::UInt(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// The integer, if a `u64` holds it. A float is none.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Int(value) => value.try_into().ok(),
            Self::UInt(value) => Some(value),
            _ => None,
        }
    }

    /// The number, rounded to the next `f64` if it is a large integer.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the doc says so")]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            Self::Int(value) => Some(value as f64),
            Self::UInt(value) => Some(value as f64),
            _ => None,
        }
    }

    /// The elements of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a map's first entry whose key is the text `name`, as a str or a binary.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        let mut entries = self.as_map()?.iter();
        entries.find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
    }

    /// Whether this is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        *self == Self::Nil
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::UInt(value), Self::Int)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Binary(value.to_owned())
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Nil
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

/// Types that are a variant's own, or an integer that an `i64` holds.
macro_rules! from {
    ($($type:ty => $variant:ident;)*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool;
    i8 => Int;
    i16 => Int;
    i32 => Int;
    i64 => Int;
    u8 => Int;
    u16 => Int;
    u32 => Int;
    f32 => F32;
    f64 => F64;
    String => String;
    Vec<u8> => Binary;
    Vec<Value> => Array;
    Vec<(Value, Value)> => Map;
}
