//! Tests of `value/`: what is written, what is accepted, what is refused and how, any value there and back.

mod decoding;
mod dynamic;
mod encoding;
mod hostile;

use serde::{Deserialize, Serialize};

use super::{DecodeError, Style};

/// What `value` is on the wire.
fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    super::encode(value, Style::Named, &mut out).unwrap();
    out
}

fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    super::decode(bytes)
}

/// What decoding `bytes` as a `T` says that is wrong.
#[track_caller]
fn refusal<'de, T: Deserialize<'de> + std::fmt::Debug>(bytes: &'de [u8]) -> String {
    super::decode::<T>(bytes).unwrap_err().to_string()
}

/// A type for each of serde's shapes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    address: Address,
    photo: Vec<u8>,
    note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Address {
    street: String,
    number: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, i32),
    Box { width: u32, label: Option<String> },
    Group(Vec<Self>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;
