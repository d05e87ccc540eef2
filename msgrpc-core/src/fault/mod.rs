//! Faults: the framework's own errors on the wire, a code and a message (W8).
//!
//! Written by whoever refuses a request, read by whoever made it. A method's own errors never pass here.

use std::borrow::Cow;
use std::fmt;

use crate::payload::{Payload, PayloadBuffer};
use crate::value::{self, Style};
use crate::wire;

/// An error of the framework, ours or the peer's: unknown method, bad arguments, overloaded ….
///
/// On the wire it is the string `"[code] message"`, or the pair `[code, message]` (W8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    code: FaultCode,
    message: Cow<'static, str>,
}

/// What a [`Fault`] is about: codes of JSON-RPC's reserved range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultCode {
    /// -32600: the message is no valid request.
    InvalidRequest,
    /// -32601: the service has no such method.
    UnknownMethod,
    /// -32602: the number or a type of the arguments does not fit.
    InvalidParams,
    /// -32603: the method panicked, or its outcome could not be encoded.
    Internal,
    /// -32001: too much is at work already; the request was not executed.
    Overloaded,
    /// -32002: the server's own time limit for the method was over.
    TimedOut,
    /// -32003: the server is shutting down; the request was not executed.
    ShuttingDown,
    /// -32004: the request, or its result, is larger than a limit.
    TooLarge,
    /// -32005: the request was cancelled.
    Cancelled,
    /// Another code of the reserved range.
    Other(i32),
}

/// How faults are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultFormat {
    /// `"[-32601] unknown method: foo"`: a string is the only error that every known peer reads rightly.
    #[default]
    Text,
    /// `[-32601, "unknown method: foo"]`: the shape that Neovim and some others show as well.
    Pair,
}

/// The codes that a fault may have.
const RESERVED: std::ops::RangeInclusive<i64> = -32_768..=-32_000;

impl FaultCode {
    const NAMED: [(Self, i32); 9] = [
        (Self::InvalidRequest, -32_600),
        (Self::UnknownMethod, -32_601),
        (Self::InvalidParams, -32_602),
        (Self::Internal, -32_603),
        (Self::Overloaded, -32_001),
        (Self::TimedOut, -32_002),
        (Self::ShuttingDown, -32_003),
        (Self::TooLarge, -32_004),
        (Self::Cancelled, -32_005),
    ];

    /// The number on the wire.
    pub fn number(self) -> i32 {
        match self {
            Self::Other(number) => number,
            named => Self::NAMED.iter().find(|(code, _)| *code == named).map_or(0, |(_, n)| *n),
        }
    }

    /// The code with this number, if it lies in the reserved range.
    fn from_number(number: i64) -> Option<Self> {
        if !RESERVED.contains(&number) {
            return None;
        }
        let number = i32::try_from(number).ok()?;
        let named = Self::NAMED.iter().find(|(_, n)| *n == number);
        Some(named.map_or(Self::Other(number), |(code, _)| *code))
    }
}

impl Fault {
    /// A fault with this code and message.
    pub fn new(code: FaultCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// -32601 for this name, which is escaped and cut at 64 characters.
    pub fn unknown_method(name: &str) -> Self {
        Self::new(FaultCode::UnknownMethod, format!("unknown method: {}", printable(name)))
    }

    /// What it is about.
    pub fn code(&self) -> FaultCode {
        self.code
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Its bytes on the wire.
    pub fn encode(&self, format: FaultFormat) -> Payload {
        let mut bytes = PayloadBuffer::default();
        let code = self.code.number();
        match format {
            FaultFormat::Text => {
                let text = format!("[{code}] {}", self.message);
                bytes.push(wire::str_head(length(&text)).as_slice());
                bytes.push(text.as_bytes());
            }
            FaultFormat::Pair => {
                bytes.push(wire::array_head(2).as_slice());
                bytes.push(wire::sint(code.into()).as_slice());
                bytes.push(wire::str_head(length(&self.message)).as_slice());
                bytes.push(self.message.as_bytes());
            }
        }
        bytes.finish()
    }

    /// The fault that an encoded error is, if it is one of either format (W8).
    pub fn read(error: &[u8]) -> Option<Self> {
        if let Ok(text) = value::decode::<&str>(error) {
            let (number, message) = text.strip_prefix('[')?.split_once("] ")?;
            let code = FaultCode::from_number(number.parse().ok()?)?;
            return Some(Self::new(code, message.to_owned()));
        }
        let (number, message) = value::decode::<(i64, String)>(error).ok()?;
        Some(Self::new(FaultCode::from_number(number)?, message))
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// `name` for an error text or a log: control characters escaped, at most 64 characters of it.
pub fn printable(name: &str) -> String {
    const LONGEST: usize = 64;
    let cut: String = name.chars().take(LONGEST).collect();
    let mut text: String = cut.escape_debug().collect();
    if cut.len() < name.len() {
        text.push('…');
    }
    text
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code.number(), self.message)
    }
}

impl std::error::Error for Fault {}

/// The encoding of an error that a method gave, which must not read as success: `nil` is replaced by a
/// fault (W9).
///
/// # Errors
///
/// When `error` cannot be encoded.
pub fn encode_error<E: serde::Serialize + ?Sized>(
    error: &E,
    style: Style,
) -> Result<Payload, value::EncodeError> {
    let payload = Payload::encode(error, style)?;
    if *payload == [wire::NIL] {
        return Ok(
            Fault::new(FaultCode::Internal, "the error value was nil").encode(FaultFormat::Text)
        );
    }
    Ok(payload)
}

#[cfg(test)]
mod tests;
