//! The vectors of `vectors/` that need no connection: messages, values, and what is no message.
//!
//! `tests/vectors.rs` of the root runs the others, and these over a server.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use msgrpc_core::connection::{Event, Inbound};
use msgrpc_core::value::{self, Style, Value};
use msgrpc_core::{FaultFormat, Limits, MsgId, ProtocolError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

macro_rules! vectors {
    ($file:literal) => {
        serde_json::from_str(include_str!(concat!("../vectors/", $file))).unwrap()
    };
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn encoded(value: impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value::encode(&value, Style::Named, &mut bytes).unwrap();
    bytes
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageVector {
    name: String,
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    bytes: String,
    is: Is,
    written: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Is {
    Request { msgid: u32, method: String, params: String },
    Response { msgid: u32, error: Option<String>, result: Option<String> },
    Notification { method: String, params: String },
}

/// What one message is read as.
fn is(event: &Event<'_>) -> Is {
    let hex =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    match event {
        Event::Invocation(invocation) => {
            let kept = invocation.keep();
            let (method, params) = (kept.method().to_owned(), hex(kept.params()));
            match kept.msgid() {
                Some(msgid) => Is::Request { msgid: msgid.number(), method, params },
                None => Is::Notification { method, params },
            }
        }
        Event::Response(response) => {
            let msgid = response.msgid.number();
            match &response.outcome {
                Ok(result) => {
                    Is::Response { msgid, error: None, result: Some(hex(result.bytes())) }
                }
                Err(error) => Is::Response { msgid, error: Some(hex(error.bytes())), result: None },
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_message_is_what_its_vector_says_however_it_is_cut() {
    let vectors: Vec<MessageVector> = vectors!("messages.json");
    for vector in vectors {
        let message = bytes(&vector.bytes);
        for cut in 0..=message.len() {
            let mut inbound = Inbound::new(&Limits::server());
            inbound.buffer().extend_from_slice(&message[..cut]);
            if cut < message.len() {
                assert!(inbound.poll_event().unwrap().is_none(), "{} cut at {cut}", vector.name);
                inbound.buffer().extend_from_slice(&message[cut..]);
            }
            let event = inbound.poll_event().unwrap().unwrap();
            assert_eq!(is(&event), vector.is, "{} cut at {cut}", vector.name);
            assert!(inbound.poll_event().unwrap().is_none(), "{}", vector.name);
        }
    }
}

#[test]
fn a_message_that_ends_early_is_cut_off() {
    let vectors: Vec<MessageVector> = vectors!("messages.json");
    for vector in vectors {
        let message = bytes(&vector.bytes);
        for received in 1..message.len() {
            let mut inbound = Inbound::new(&Limits::server());
            inbound.buffer().extend_from_slice(&message[..received]);
            assert!(inbound.poll_event().unwrap().is_none(), "{}", vector.name);
            let end = inbound.handle_eof().unwrap_err();
            assert_eq!(end, ProtocolError::CutOff { received }, "{}", vector.name);
        }
    }
}

#[test]
fn what_is_written_has_the_shortest_encoding() {
    let vectors: Vec<MessageVector> = vectors!("messages.json");
    for vector in vectors.into_iter().filter(|vector| vector.written) {
        let message = bytes(&vector.bytes);
        let value: Value = value::decode(&message).unwrap();
        assert_eq!(encoded(value), message, "{}", vector.name);
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueVector {
    name: String,
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    r#type: String,
    value: serde_json::Value,
    written: String,
    also_read: Vec<String>,
    refused: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Point {
    x: i64,
    y: i64,
}

impl ValueVector {
    /// Written, read and refused as a `T`.
    fn check<T: DeserializeOwned + PartialEq + Serialize + std::fmt::Debug>(&self, expected: &T) {
        let name = &self.name;
        let written = bytes(&self.written);
        assert_eq!(encoded(expected), written, "{name}");
        for read in std::iter::once(&self.written).chain(&self.also_read) {
            let value: T = value::decode(&bytes(read)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(value, *expected, "{name}, read from {read}");
        }
        for refused in &self.refused {
            let read = value::decode::<T>(&bytes(refused));
            assert!(read.is_err(), "{name}, read from {refused}: {read:?}");
        }
    }

    fn value<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.value.clone()).unwrap()
    }
}

#[test]
fn every_value_is_written_read_and_refused_as_its_vector_says() {
    let vectors: Vec<ValueVector> = vectors!("values.json");
    for vector in vectors {
        match vector.r#type.as_str() {
            "i64" => vector.check(&vector.value::<i64>()),
            "u64" => vector.check(&vector.value::<u64>()),
            "f64" => vector.check(&vector.value::<f64>()),
            "text" => vector.check(&vector.value::<String>()),
            "bytes" => vector.check(&bytes(&vector.value::<String>())),
            "nothing" => vector.check(&()),
            "integers" => vector.check(&vector.value::<Vec<i64>>()),
            "point" => vector.check(&vector.value::<Point>()),
            other => panic!("{other}"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MalformedVector {
    name: String,
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    bytes: String,
    then: Then,
    answer: Option<String>,
    msgid: Option<u32>,
    code: Option<i32>,
    hint: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Then {
    Answered,
    Counted,
    Ends,
}

#[test]
fn what_is_no_message_is_answered_counted_or_the_end() {
    let vectors: Vec<MalformedVector> = vectors!("malformed.json");
    for vector in vectors {
        let name = &vector.name;
        let mut inbound = Inbound::new(&Limits::server());
        inbound.buffer().extend_from_slice(&bytes(&vector.bytes));
        match inbound.poll_event() {
            Ok(Some(Event::Malformed(malformed))) => match malformed.msgid {
                Some(msgid) => {
                    assert_eq!(vector.then, Then::Answered, "{name}");
                    let mut answer = vec![0x94, 0x01];
                    answer.extend(encoded(msgid.number()));
                    answer.extend_from_slice(&malformed.fault.encode(FaultFormat::Text));
                    answer.push(0xc0);
                    assert_eq!(answer, bytes(&vector.answer.unwrap()), "{name}");
                }
                None => assert_eq!(vector.then, Then::Counted, "{name}"),
            },
            Err(error) => {
                assert_eq!(vector.then, Then::Ends, "{name}");
                if let Some(hint) = vector.hint {
                    assert!(error.to_string().starts_with(&hint), "{name}: {error}");
                }
                let begun = match error {
                    ProtocolError::Scan { msgid, .. } => msgid.map(MsgId::number),
                    _ => None,
                };
                assert_eq!(begun, vector.msgid, "{name}");
                assert_eq!(begun.is_some(), vector.code.is_some(), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
