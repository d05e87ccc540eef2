//! The vectors of `msgrpc-core/vectors` over a connection: what a server answers, and what a client does.
//!
//! Bytes in, exact bytes out. The six methods are those of `examples/interop_server`.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../examples/interop_server/service.rs"]
mod service;
mod support;

use std::time::Duration;

use msgrpc::{CallError, Client, Server, Value};
use serde::Deserialize;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use service::{InteropService, Six};
use support::{Running, Script, Wire, bytes, error, quiet, request, response};

macro_rules! vectors {
    ($file:literal) => {
        serde_json::from_str(include_str!(concat!("../msgrpc-core/vectors/", $file))).unwrap()
    };
}

/// Longer than any method of a vector takes, and shorter than any limit of ours.
const LONG: Duration = Duration::from_secs(5);

/// Sent after a vector: what comes back before its answer is all that the vector brought about.
fn probe() -> (Vec<u8>, Vec<u8>) {
    (request(0x7e, "add", (20, 22)), response(0x7e, 42))
}

fn from_hex(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn concat(hex: &[String]) -> Vec<u8> {
    hex.iter().flat_map(|piece| from_hex(piece)).collect()
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Then {
    Open,
    Closed,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerVector {
    name: String,
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    send: Vec<String>,
    #[serde(default)]
    half_close: bool,
    answers: Vec<String>,
    then: Then,
}

/// The six methods, and a peer of raw bytes.
async fn six() -> (Running, Wire) {
    let server = Running::start(Server::new(InteropService::new(Six::default()))).await;
    let wire = server.wire().await;
    (server, wire)
}

/// Sends `pieces`, each by itself.
async fn send(wire: &mut Wire, pieces: impl IntoIterator<Item = Vec<u8>>) {
    for piece in pieces {
        // The server may have ended the connection in the middle of it.
        let _ = wire.try_send(piece).await;
        // Enough for the other side to read it by itself.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

impl ServerVector {
    async fn check(&self, pieces: impl IntoIterator<Item = Vec<u8>>) {
        let name = &self.name;
        let (_server, mut wire) = six().await;
        send(&mut wire, pieces).await;
        if self.half_close {
            wire.half_close().await;
        }
        let expected = concat(&self.answers);
        let answers = timeout(LONG, wire.raw(expected.len())).await;
        let answers = answers.unwrap_or_else(|_| panic!("{name}: an answer is missing"));
        assert_eq!(show(&answers), show(&expected), "{name}");
        ends(name, &mut wire, &self.then).await;
    }
}

/// Nothing more comes; the connection is open or closed.
async fn ends(name: &str, wire: &mut Wire, then: &Then) {
    let (question, answer) = probe();
    if *then == Then::Open {
        wire.send(question).await;
        let found = timeout(LONG, wire.raw(answer.len())).await;
        assert_eq!(found, Ok(answer), "{name}: it is open, and nothing more has come");
        assert!(wire.is_silent().await, "{name}");
    } else {
        let rest = timeout(LONG, wire.raw(usize::MAX)).await;
        assert_eq!(rest, Ok(vec![]), "{name}: it is closed, and nothing more has come");
    }
}

/// Bytes with the texts in them readable.
fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_every_vector_by_its_exact_bytes() {
    let vectors: Vec<ServerVector> = vectors!("server.json");
    for vector in vectors {
        vector.check(vector.send.iter().map(|piece| from_hex(piece))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_every_vector_that_comes_byte_by_byte() {
    let vectors: Vec<ServerVector> = vectors!("server.json");
    for vector in vectors {
        vector.check(concat(&vector.send).into_iter().map(|byte| vec![byte])).await;
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MalformedVector {
    name: String,
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    bytes: String,
    then: Malformed,
    answer: Option<String>,
    msgid: Option<u32>,
    code: Option<i32>,
    #[serde(rename = "hint")]
    _hint: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Malformed {
    Answered,
    Counted,
    Ends,
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_malformed_messages_or_says_nothing() {
    let vectors: Vec<MalformedVector> = vectors!("malformed.json");
    for vector in vectors {
        let name = &vector.name;
        let (server, mut wire) = six().await;
        send(&mut wire, [from_hex(&vector.bytes)]).await;
        let answer = vector.answer.as_deref().map(from_hex).unwrap_or_default();
        assert_eq!(show(&wire.raw(answer.len()).await), show(&answer), "{name}");
        if let Some(code) = vector.code {
            let answer = timeout(LONG, wire.message()).await.unwrap();
            let answer = answer.as_array().unwrap();
            assert_eq!(answer[..2], [Value::from(1), vector.msgid.unwrap().into()], "{name}");
            let text = answer[2].as_str().unwrap();
            assert!(text.starts_with(&format!("[{code}] ")), "{name}: {text}");
            assert_eq!(answer[3..], [Value::Nil], "{name}");
        }
        let then = if vector.then == Malformed::Ends { Then::Closed } else { Then::Open };
        ends(name, &mut wire, &then).await;
        server.wire().await.send(probe().0).await;
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientVector {
    name: String,
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    calls: Vec<CallVector>,
    sends: Vec<String>,
    receives: Vec<String>,
    #[serde(default)]
    closes: bool,
    #[serde(default)]
    answers: Vec<String>,
    outcomes: Vec<Outcome>,
    then: Then,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallVector {
    method: String,
    params: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", untagged)]
enum Outcome {
    Result { result: String },
    Error { error: String, shown: String },
    Fault { fault: FaultVector },
    Other(Other),
}

#[derive(Debug, Deserialize)]
struct FaultVector {
    code: i32,
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Other {
    Closed,
    Waits,
}

type Calling = tokio::task::JoinHandle<Result<Value, CallError>>;

impl ClientVector {
    async fn check(&self, pieces: impl IntoIterator<Item = Vec<u8>>) {
        let name = &self.name;
        let (client, mut wire) = Script::client().await;
        let mut calls = Vec::new();
        for (call, sends) in self.calls.iter().zip(&self.sends) {
            calls.push(begin(&client, call));
            let expected = from_hex(sends);
            assert_eq!(show(&wire.raw(expected.len()).await), show(&expected), "{name}");
        }
        send(&mut wire, pieces).await;
        if self.closes {
            wire.half_close().await;
        }
        let answers = concat(&self.answers);
        assert_eq!(show(&wire.raw(answers.len()).await), show(&answers), "{name}");
        quiet().await;
        let calling = calls.len();
        for (call, outcome) in calls.into_iter().zip(&self.outcomes) {
            outcome.check(name, call).await;
        }
        if self.then == Then::Open {
            let call = tokio::spawn(client.call::<u8>("probe", ()));
            let msgid = u32::try_from(calling).unwrap();
            let expected = request(msgid, "probe", [0; 0]);
            let found = wire.raw(expected.len()).await;
            assert_eq!(show(&found), show(&expected), "{name}: nothing more was sent");
            wire.send([response(msgid, 1), error(msgid, "late")].concat()).await;
            assert_eq!(call.await.unwrap().unwrap(), 1, "{name}");
        } else {
            assert!(client.closed().is_some(), "{name}: it is closed");
            assert_eq!(show(&wire.raw(usize::MAX).await), "", "{name}: nothing more was sent");
        }
    }
}

fn begin(client: &Client, call: &CallVector) -> Calling {
    let params: Value = msgrpc_core::value::decode(&from_hex(&call.params)).unwrap();
    tokio::spawn(client.call(&call.method, params))
}

impl Outcome {
    async fn check(&self, name: &str, call: Calling) {
        if let Self::Other(Other::Waits) = self {
            assert!(!call.is_finished(), "{name}");
            call.abort();
            return;
        }
        let outcome = timeout(LONG, call).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("{name}: no outcome")).unwrap();
        match (self, outcome) {
            (Self::Result { result }, Ok(value)) => {
                assert_eq!(bytes(value), from_hex(result), "{name}");
            }
            (Self::Error { error, shown }, Err(found)) => {
                assert_eq!(found.to_string(), *shown, "{name}");
                let CallError::Remote(value) = found else { panic!("{name}: {found:?}") };
                assert_eq!(bytes(value), from_hex(error), "{name}");
            }
            (Self::Fault { fault }, Err(CallError::Fault(found))) => {
                assert_eq!(found.code().number(), fault.code, "{name}");
                assert_eq!(found.message(), fault.message, "{name}");
            }
            (Self::Other(Other::Closed), Err(CallError::Closed(_))) => {}
            (expected, found) => panic!("{name}: {found:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_does_with_every_vector_what_it_says() {
    let vectors: Vec<ClientVector> = vectors!("client.json");
    for vector in vectors {
        vector.check(vector.receives.iter().map(|piece| from_hex(piece))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_does_the_same_when_answers_come_byte_by_byte() {
    let vectors: Vec<ClientVector> = vectors!("client.json");
    for vector in vectors {
        vector.check(concat(&vector.receives).into_iter().map(|byte| vec![byte])).await;
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatagramVector {
    name: String,
    #[serde(rename = "rules")]
    _rules: Vec<String>,
    send: Vec<String>,
    answers: Vec<String>,
}

#[tokio::test]
async fn a_server_answers_the_datagrams_of_every_vector() {
    let vectors: Vec<DatagramVector> = vectors!("datagrams.json");
    let server = Server::new(InteropService::new(Six::default()));
    let server = Running::start_at(server, "udp://127.0.0.1:0").await;
    for vector in vectors {
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        peer.connect(server.address.strip_prefix("udp://").unwrap()).await.unwrap();
        for datagram in &vector.send {
            peer.send(&from_hex(datagram)).await.unwrap();
        }
        for answer in &vector.answers {
            assert_eq!(received(&peer).await, show(&from_hex(answer)), "{}", vector.name);
        }
        let (question, answer) = probe();
        peer.send(&question).await.unwrap();
        assert_eq!(received(&peer).await, show(&answer), "{}: nothing more has come", vector.name);
    }
}

/// The next datagram.
async fn received(peer: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_536];
    let length = timeout(LONG, peer.recv(&mut buffer)).await.expect("a datagram comes").unwrap();
    show(&buffer[..length])
}
