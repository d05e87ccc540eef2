//! Messages: request, response and notification as bytes (W2–W5).
//!
//! Writes heads for [`Outbound`](crate::connection::Outbound), reads whole scanned values for
//! [`Inbound`](crate::connection::Inbound). Arguments, results and errors stay encoded.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ops::Range;

use bytes::Bytes;

use crate::fault::{Fault, FaultCode};
use crate::msgid::MsgId;
use crate::payload::{Payload, Raw};
use crate::scan::{Scan, ScanLimits, Scanner};
use crate::wire::{self, Token};

/// The type of a message: the first element of its array (W2).
mod kind {
    pub(super) const REQUEST: u8 = 0;
    pub(super) const RESPONSE: u8 = 1;
    pub(super) const NOTIFICATION: u8 = 2;
}

/// A message as it was read, its parts borrowed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// `[0, msgid, method, params]`, or `[2, method, params]`.
    Invocation(Invocation<'a>),
    /// `[1, msgid, error, result]`.
    Response(Response<'a>),
}

/// A request, or without an id a notification.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Invocation<'a> {
    /// The request's id; `None` for a notification.
    pub msgid: Option<MsgId>,
    /// The method's name.
    pub method: &'a str,
    frame: Raw<'a>,
    parts: Parts,
}

/// Where the parts of an invocation lie in its frame.
#[derive(Clone, Copy, Debug)]
struct Parts {
    method: (u32, u32),
    params: u32,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Response<'a> {
    /// The id of the request that it answers.
    pub msgid: MsgId,
    /// The error or the result, encoded: with an error, whatever its type, the result counts for nothing.
    pub outcome: Result<Raw<'a>, Raw<'a>>,
}

/// A whole value that is not a message (W11).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// The id of the request that it was meant as, if that can be read: it is then answered.
    pub msgid: Option<MsgId>,
    /// What is wrong.
    pub fault: Fault,
}

/// An invocation that is kept: it owns its frame.
#[derive(Clone, Debug)]
pub struct OwnedInvocation {
    msgid: Option<MsgId>,
    frame: Payload,
    parts: Parts,
}

impl Invocation<'_> {
    /// Keeps it: a small frame is copied, a large one shared.
    #[inline]
    pub fn keep(&self) -> OwnedInvocation {
        OwnedInvocation { msgid: self.msgid, frame: self.frame.keep(), parts: self.parts }
    }

    /// Its length on the wire, in bytes.
    pub fn frame_bytes(&self) -> usize {
        self.frame.bytes().len()
    }
}

impl OwnedInvocation {
    /// The request's id; `None` for a notification.
    pub fn msgid(&self) -> Option<MsgId> {
        self.msgid
    }

    /// The method's name.
    #[inline]
    pub fn method(&self) -> &str {
        // It was checked when it was read; the check of a short name costs a few nanoseconds.
        str::from_utf8(self.raw_method()).unwrap_or_default()
    }

    /// Its name, as it stands in the message.
    #[inline]
    pub fn raw_method(&self) -> &[u8] {
        let (start, end) = self.parts.method;
        self.frame.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The length of its name, in bytes.
    pub fn method_bytes(&self) -> usize {
        let (start, end) = self.parts.method;
        end.saturating_sub(start) as usize
    }

    /// The arguments: one encoded array, or nil (W3).
    #[inline]
    pub fn params(&self) -> &[u8] {
        self.frame.get(self.parts.params as usize..).unwrap_or_default()
    }

    /// Its length on the wire, in bytes.
    pub fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    /// A part of its params to keep: shared when it is large, copied when it is small.
    pub fn part(&self, part: &[u8]) -> Bytes {
        self.frame.part(part)
    }
}

/// Reads one whole value as a message. `scan`: the limits it was found with.
///
/// # Errors
///
/// When it has not the shape of W2, W3 or W4.
#[inline]
pub fn read(frame: Raw<'_>, scan: ScanLimits) -> Result<Message<'_>, Malformed> {
    let mut reader = Reader { bytes: frame.bytes(), at: 0 };
    let (elements, kind) = match frame.bytes() {
        // As everybody writes it; `head` reads any other way (W5).
        [head @ 0x90..=0x9f, kind @ 0x00..=0x7f, ..] => {
            reader.at = 2;
            (u32::from(head & 0x0f), u64::from(*kind))
        }
        _ => reader.head()?,
    };
    match u8::try_from(kind).unwrap_or(u8::MAX) {
        kind::REQUEST => read_request(frame, reader, elements),
        kind::RESPONSE => read_response(frame, reader, elements, scan),
        kind::NOTIFICATION if elements == 3 => reader.invocation(frame, None),
        kind::NOTIFICATION => Err(wrong_length(None, "a notification", 3, elements)),
        _ => Err(malformed(None, format!("unknown message type {kind}"))),
    }
}

#[inline]
fn read_request<'a>(
    frame: Raw<'a>,
    mut reader: Reader<'a>,
    elements: u32,
) -> Result<Message<'a>, Malformed> {
    let msgid = reader.msgid()?;
    if elements != 4 {
        return Err(wrong_length(Some(msgid), "a request", 4, elements));
    }
    reader.invocation(frame, Some(msgid))
}

fn read_response<'a>(
    frame: Raw<'a>,
    mut reader: Reader<'a>,
    elements: u32,
    scan: ScanLimits,
) -> Result<Message<'a>, Malformed> {
    // Nothing is ever answered to a response (W12), so its id is not named.
    let msgid = reader.msgid().map_err(|error| Malformed { msgid: None, ..error })?;
    if elements != 4 {
        return Err(wrong_length(None, "a response", 4, elements));
    }
    let error_at = reader.at;
    let rest = frame.bytes().get(error_at..).unwrap_or_default();
    let end = frame.bytes().len();
    if rest.first() == Some(&wire::NIL) {
        let result = frame.part(error_at.saturating_add(1)..end);
        return Ok(Message::Response(Response { msgid, outcome: Ok(result) }));
    }
    let Ok(Scan::Done { len }) = Scanner::new(scan).scan(rest) else {
        return Err(malformed(None, "the error of a response is not a value"));
    };
    let error = frame.part(error_at..error_at.saturating_add(len));
    Ok(Message::Response(Response { msgid, outcome: Err(error) }))
}

/// The id of a request whose beginning was read, for an answer to one that is too large to be read.
pub(crate) fn begun_request(bytes: &[u8]) -> Option<MsgId> {
    let mut reader = Reader { bytes, at: 0 };
    match (reader.token()?, reader.token()?) {
        (Token::Array(4), Token::Uint(kind)) if kind == kind::REQUEST.into() => reader.msgid().ok(),
        _ => None,
    }
}

/// Goes through the heads of a message; `at <= bytes.len()`.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    fn token(&mut self) -> Option<Token> {
        let (token, head) = wire::read_token(self.bytes.get(self.at..)?).ok()??;
        self.at = self.at.saturating_add(head);
        Some(token)
    }

    #[inline]
    /// The number of elements, and the type.
    fn head(&mut self) -> Result<(u32, u64), Malformed> {
        let Some(Token::Array(elements)) = self.token() else {
            return Err(malformed(None, "a message is an array"));
        };
        match self.token() {
            Some(Token::Uint(kind)) => Ok((elements, kind)),
            _ => Err(malformed(None, "a message begins with its type: 0, 1 or 2")),
        }
    }

    fn msgid(&mut self) -> Result<MsgId, Malformed> {
        match self.token() {
            Some(Token::Uint(number)) => match u32::try_from(number) {
                Ok(number) => Ok(MsgId::new(number)),
                // W4: what does not fit 32 bits cannot be answered under its own id.
                Err(_) => Err(malformed(None, format!("the msgid {number} does not fit 32 bits"))),
            },
            Some(other) => Err(malformed(None, format!("a msgid is an integer, found {other}"))),
            None => Err(malformed(None, "the msgid is missing")),
        }
    }

    /// The rest: method and params. The frame is one whole value with the right number of elements,
    /// so that params end where it ends.
    fn invocation(
        mut self,
        frame: Raw<'a>,
        msgid: Option<MsgId>,
    ) -> Result<Message<'a>, Malformed> {
        let method_at = self.method(msgid)?;
        let bytes = self.bytes.get(method_at.clone()).unwrap_or_default();
        let Ok(method) = str::from_utf8(bytes) else {
            return Err(malformed(msgid, "the method name is not UTF-8"));
        };
        let params_at = self.at;
        match self.token() {
            Some(Token::Array(_) | Token::Nil) => {}
            found => {
                let name = crate::fault::printable(method);
                let text =
                    format!("the params of `{name}` must be an array, found {}", Found(found));
                return Err(malformed(msgid, text));
            }
        }
        let parts = Parts {
            method: (narrow(method_at.start), narrow(method_at.end)),
            params: narrow(params_at),
        };
        Ok(Message::Invocation(Invocation { msgid, method, frame, parts }))
    }

    /// Where the name lies; str and bin of any width are accepted (W5).
    #[inline]
    fn method(&mut self, msgid: Option<MsgId>) -> Result<Range<usize>, Malformed> {
        match self.token() {
            Some(Token::Str(len) | Token::Bin(len)) => {
                let start = self.at;
                self.at = start.saturating_add(len as usize);
                Ok(start..self.at)
            }
            found => {
                let text = format!("the method name must be a string, found {}", Found(found));
                Err(malformed(msgid, text))
            }
        }
    }
}

/// What stands where something else was expected, for an error text.
struct Found(Option<Token>);

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(token) => token.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

/// Offsets in a message fit 32 bits: only the name's and the params' head lie before them, and a name
/// that long passes no limit. Saturated ones lend an empty slice.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn malformed(msgid: Option<MsgId>, text: impl Into<std::borrow::Cow<'static, str>>) -> Malformed {
    Malformed { msgid, fault: Fault::new(FaultCode::InvalidRequest, text) }
}

fn wrong_length(msgid: Option<MsgId>, what: &str, expected: u32, found: u32) -> Malformed {
    malformed(msgid, format!("{what} has {expected} elements, this one has {found}"))
}

mod write;
pub(crate) use write::{notification_head, request_head, response_head};

#[cfg(test)]
mod tests;
