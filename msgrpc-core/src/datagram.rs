//! One datagram: the messages in it, and a message as one (W1).
//!
//! Used over UDP by both sides. Each datagram is read by itself, so that what one peer sends can spoil nothing of
//! another's. It keeps nothing and allocates only what it writes.

use bytes::Bytes;

use crate::connection::Event;
use crate::error::Greeting;
use crate::limits::Limits;
use crate::message::{self, Message, notification_head, request_head, response_head};
use crate::msgid::MsgId;
use crate::payload::Raw;
use crate::scan::{Scan, ScanError, ScanLimits, Scanner};
use crate::wire;

/// Why a datagram is dropped as a whole: it is not one or more whole messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramError {
    /// It has no bytes.
    #[error("the datagram is empty")]
    Empty,
    /// It ends within a message.
    #[error("the datagram of {received} bytes ends within a message")]
    CutOff {
        /// Its length in bytes.
        received: usize,
    },
    /// Something else than an array begins in it (W11).
    #[error("{hint}")]
    NotAnArray {
        /// What it looks like.
        hint: Greeting,
    },
    /// A message passes a limit or holds the byte 0xc1.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// The messages of one datagram, one after another.
///
/// ```
/// use msgrpc_core::connection::Event;
/// use msgrpc_core::datagram::{self, Datagram};
/// use msgrpc_core::{Limits, MsgId};
///
/// // [0, 1, "add", [2, 3]]
/// let request = datagram::request(MsgId::new(1), "add", b"\x92\x02\x03");
/// assert_eq!(request, b"\x94\x00\x01\xa3add\x92\x02\x03");
/// let request = request.into();
/// let events = Datagram::read(&request, &Limits::server())?.events().count();
/// assert_eq!(events, 1);
/// # Ok::<(), datagram::DatagramError>(())
/// ```
#[derive(Debug)]
pub struct Datagram<'a> {
    bytes: &'a Bytes,
    scan: ScanLimits,
}

impl<'a> Datagram<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    ///
    /// When it is not one or more whole messages: one with anything left over, or missing, counts for nothing.
    pub fn read(bytes: &'a Bytes, limits: &Limits) -> Result<Self, DatagramError> {
        let scan = limits.scan();
        let mut scanner = Scanner::new(scan);
        let mut rest = &bytes[..];
        loop {
            match rest.first() {
                // An array; or 0xc1, which is no value at all: the scanner names it.
                Some(0x90..=0x9f | 0xdc | 0xdd | 0xc1) => {}
                Some(_) => return Err(DatagramError::NotAnArray { hint: Greeting::of(rest) }),
                None if bytes.is_empty() => return Err(DatagramError::Empty),
                None => return Ok(Self { bytes, scan }),
            }
            rest = match scanner.scan(rest)? {
                Scan::Done { len } => rest.get(len..).unwrap_or_default(),
                Scan::More { .. } => {
                    return Err(DatagramError::CutOff { received: bytes.len() });
                }
            };
        }
    }

    /// Its messages, at least one, in the order in which they lie in it, each after its length in bytes.
    pub fn events(&self) -> impl Iterator<Item = (usize, Event<'a>)> + use<'a> {
        let (bytes, scan) = (self.bytes, self.scan);
        let mut scanner = Scanner::new(scan);
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            let Ok(Scan::Done { len }) = scanner.scan(rest) else { return None };
            let frame = Raw::new(rest.get(..len)?, Some(bytes));
            at += len;
            let event = match message::read(frame, scan) {
                Ok(Message::Invocation(invocation)) => Event::Invocation(invocation),
                Ok(Message::Response(response)) => Event::Response(response),
                Err(malformed) => Event::Malformed(malformed),
            };
            Some((len, event))
        })
    }
}

/// The request `[0, msgid, method, params]`; `params` is one encoded array (W2, W3).
pub fn request(msgid: MsgId, method: &str, params: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADS + method.len() + params.len());
    request_head(&mut bytes, msgid, method);
    bytes.extend_from_slice(params);
    bytes
}

/// The notification `[2, method, params]` (W2, W3).
pub fn notification(method: &str, params: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADS + method.len() + params.len());
    notification_head(&mut bytes, method);
    bytes.extend_from_slice(params);
    bytes
}

/// The response `[1, msgid, nil, result]`, or `[1, msgid, error, nil]` (W2); `outcome` is one encoded value.
pub fn response(msgid: MsgId, outcome: Result<&[u8], &[u8]>) -> Vec<u8> {
    let (Ok(value) | Err(value)) = outcome;
    let mut bytes = Vec::with_capacity(HEADS + value.len());
    response_head(&mut bytes, msgid, outcome.is_err());
    bytes.extend_from_slice(value);
    if outcome.is_err() {
        bytes.push(wire::NIL);
    }
    bytes
}

/// The longest that stands around the parts of a message: its array, type and msgid, and the head of its name.
const HEADS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies in `datagram`, each message in a word.
    fn read(datagram: &[u8]) -> Result<Vec<&'static str>, DatagramError> {
        let bytes = Bytes::copy_from_slice(datagram);
        let datagram = Datagram::read(&bytes, &Limits::server())?;
        let word = |(_, event)| match event {
            Event::Invocation(invocation) if invocation.msgid.is_some() => "request",
            Event::Invocation(_) => "notification",
            Event::Response(_) => "response",
            Event::Malformed(_) => "malformed",
        };
        Ok(datagram.events().map(word).collect())
    }

    #[test]
    fn w1_a_datagram_holds_one_or_more_whole_messages() {
        let request = request(MsgId::new(7), "add", b"\x92\x02\x03");
        let notification = notification("log", b"\x90");
        let response = response(MsgId::new(7), Ok(b"\x05"));
        assert_eq!(read(&request), Ok(vec!["request"]));
        let all = [&request[..], &notification, &response, b"\x93\x00\x01\xc0"].concat();
        assert_eq!(read(&all), Ok(vec!["request", "notification", "response", "malformed"]));
    }

    #[test]
    fn w1_a_datagram_with_anything_missing_or_left_over_counts_for_nothing() {
        let request = request(MsgId::new(7), "add", b"\x92\x02\x03");
        assert_eq!(read(b""), Err(DatagramError::Empty));
        for cut in 1..request.len() {
            assert_eq!(read(&request[..cut]), Err(DatagramError::CutOff { received: cut }));
        }
        for left_over in [&b"\x00"[..], b"\xc0", b"\x94", b"\xc1", b"rest"] {
            read(&[&request, left_over].concat()).expect_err("a rest that is no message");
        }
    }

    #[test]
    fn w2_messages_are_written_as_they_are_read() {
        assert_eq!(response(MsgId::new(1), Ok(b"\x05")), b"\x94\x01\x01\xc0\x05");
        assert_eq!(response(MsgId::new(1), Err(b"\xa1e")), b"\x94\x01\x01\xa1e\xc0");
        assert_eq!(notification("log", b"\x91\x01"), b"\x93\x02\xa3log\x91\x01");
    }
}
