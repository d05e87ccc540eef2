//! What other implementations need of us: a test by exact bytes for each rule that the vectors cannot express.
//!
//! The rules, and where each is kept. "Vectors" are those of `msgrpc-core/vectors`, run by `tests/vectors.rs`.
//!
//! | as a server | kept by |
//! |---|---|
//! | method names are read as str and bin of any width (pynvim begins with a bin) | vectors |
//! | any valid encoding is read (Go sends signed ids, Neovim str8), the shortest written (Go reads `94` alone) | vectors |
//! | a str that is not UTF-8 is given back as a str (old peers have one type) | vectors |
//! | an error is sent with nil for the result, whatever its type; nil is none; false ones are logged | here |
//! | nothing is sent unasked, no id is invented (rpclib aborts, Go and Neovim close) | vectors, `hostile.rs` |
//! | a reply leaves in one write (msgpack-rpc-node reads a message a chunk) | here |
//! | requests run side by side, ids in flight may be equal, answers come as they are ready | vectors |
//! | a peer that half-closes gets its answers | vectors |
//! | malformed messages are answered where the id is sound, otherwise counted, or the end | vectors |
//! | depth and size are bounded before anything is allocated | vectors, `hostile.rs`, `limits.rs` |
//! | floats of integral value are integers (JavaScript), `params` may be nil | vectors |
//!
//! | as a client | kept by |
//! |---|---|
//! | method names are str, params an array, heads the shortest | vectors |
//! | ids are small, wrap at 2^31 and step over those in flight | `msgrpc-core/src/calls/tests.rs` |
//! | answers to nobody, second ones and unknown notifications are ignored, requests refused | vectors |
//! | an error is any value but nil, and is shown as text where there is one in it | vectors |
//! | a call has a timeout of its own, whatever else the connection carries | here |
//! | a server that closes is told from one that fails | vectors |
//! | one call in flight, and then one message a write, for peers that read no more | here |
//!
//! | over datagrams | kept by |
//! |---|---|
//! | a message a datagram; each is read by itself (txmsgpackrpc's decoder serves all senders) | vectors, `udp_server.rs` |
//! | 8 192 bytes at most, unless told otherwise (Twisted reads no more) | `udp.rs`, `udp_server.rs` |
//! | calls by sender and id; ids drawn at random (txmsgpackrpc has one table of them) | `udp.rs`, `udp_server.rs` |
//! | a refused port fails the calls, and the client lives on | `udp.rs` |
//! | a multicast call collects every reply, also of servers that share an address | `multicast/` |
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::join;
use msgrpc::transport::{Accept, BoxFuture, Listener, Peer, Stream};
use msgrpc::{
    CallError, Client, FaultFormat, Outcome, OutcomeFuture, Request, Server, Service,
    ServiceDescriptor, Style, Value,
};
use support::log::Log;
use support::{Running, Script, Wire, bytes, lab, notification, request, response};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Instant;

/// Fails with its argument.
#[msgrpc::service(namespace = "rules")]
trait Failing {
    /// Fails.
    async fn fail(&self, error: Value) -> Result<(), Value>;
    /// Fails.
    async fn fail_as_well(&self, error: Value) -> Result<(), Value>;
    /// Fails as Neovim wants it.
    async fn fail_in_pairs(&self) -> Result<(), (u8, String)>;
}

struct Fails;

impl Failing for Fails {
    async fn fail(&self, error: Value) -> Result<(), Value> {
        Err(error)
    }

    async fn fail_as_well(&self, error: Value) -> Result<(), Value> {
        Err(error)
    }

    async fn fail_in_pairs(&self) -> Result<(), (u8, String)> {
        Err((0, "text".to_owned()))
    }
}

/// A service written by hand that fails with an empty text.
struct ByHand;

impl Service for ByHand {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        const BY_HAND: ServiceDescriptor = ServiceDescriptor::new("ByHand", &[]);
        &BY_HAND
    }

    fn call(&self, _: Request) -> OutcomeFuture {
        Box::pin(std::future::ready(Outcome::error(&Empty(""), Style::Named)))
    }
}

#[derive(serde::Serialize)]
struct Empty(&'static str);

async fn failing() -> (Running, Wire) {
    let server = Server::new(FailingService::new(Fails)).service(ByHand);
    let server = Running::start(server).await;
    let wire = server.wire().await;
    (server, wire)
}

/// The answer to one request, by its bytes; both have the id 7.
async fn answered(wire: &mut Wire, request: &[u8], answer: &[u8]) {
    wire.send(request).await;
    let found = wire.raw(answer.len()).await;
    assert_eq!(found.escape_ascii().to_string(), answer.escape_ascii().to_string());
    assert!(wire.is_silent().await);
}

#[tokio::test]
async fn w8_an_error_of_any_type_is_sent_as_it_is_with_nil_for_the_result() {
    let (_server, mut wire) = failing().await;
    let errors: [&[u8]; 10] = [
        &[0xa4, b'b', b'o', b'o', b'm'],
        &[0xc4, 1, 0xff],
        &[0xa1, 0xff],
        &[0x92, 0, 0xa1, b'x'],
        &[0x81, 0xa4, b'n', b'a', b'm', b'e', 0xa1, b'x'],
        &[0xd4, 5, 1],
        &[0xc3],
        &[0xc2],
        &[0x00],
        &[0xa0],
    ];
    for error in errors {
        let request = [b"\x94\x00\x07\xaarules.fail\x91", error].concat();
        answered(&mut wire, &request, &[b"\x94\x01\x07", error, b"\xc0"].concat()).await;
    }
}

#[tokio::test]
async fn w8_a_pair_of_a_number_and_a_text_is_what_neovim_shows() {
    let (_server, mut wire) = failing().await;
    let request = b"\x94\x00\x07\xb3rules.fail_in_pairs\x90";
    answered(&mut wire, request, b"\x94\x01\x07\x92\x00\xa4text\xc0").await;
}

#[tokio::test]
async fn w8_faults_are_text_and_pairs_where_the_server_is_told_so() {
    let (_server, mut wire) = failing().await;
    // A service that takes any name is in this server; one that takes too few arguments is not.
    let request = b"\x94\x00\x07\xb3rules.fail_in_pairs\x91\x01";
    let text = "[-32602] method `rules.fail_in_pairs` takes no parameters, got 1";
    answered(&mut wire, request, &bytes((1, 7, text, ()))).await;

    let server = Server::new(FailingService::new(Fails)).fault_format(FaultFormat::Pair);
    let server = Running::start(server).await;
    let mut wire = server.wire().await;
    let answer = b"\x94\x01\x07\x92\xd1\x80\xa7\xb4unknown method: nope\xc0";
    answered(&mut wire, b"\x94\x00\x07\xa4nope\x90", answer).await;
}

#[tokio::test]
async fn w9_an_error_that_is_nil_is_a_fault() {
    let (_server, mut wire) = failing().await;
    let answer = b"\x94\x01\x07\xd9\x20[-32603] the error value was nil\xc0";
    answered(&mut wire, b"\x94\x00\x07\xaarules.fail\x91\xc0", answer).await;
}

#[tokio::test]
async fn w9_an_error_that_reads_as_success_elsewhere_is_logged_once_for_each_method() {
    let log = Log::start();
    let (server, _wire) = failing().await;
    let client = server.client().await;
    // Other tests of this process log as well.
    let lines = || {
        let lines = log.lines_with("whose=\"rules.fail_as_well\"");
        lines.into_iter().filter(|line| line.contains("reads as success")).count()
    };
    for error in [Value::from("boom"), true.into(), 1.into()] {
        client.call::<()>("rules.fail_as_well", (error,)).await.unwrap_err();
    }
    assert_eq!(lines(), 0, "errors that are true everywhere are not logged");
    for error in [Value::from(""), false.into(), 0.into(), Value::Array(vec![])] {
        client.call::<()>("rules.fail_as_well", (error,)).await.unwrap_err();
    }
    assert_eq!(lines(), 1);
    // Of a service written by hand only the type is known.
    for name in ["one", "another"] {
        client.call::<()>(name, ()).await.unwrap_err();
    }
    let whose = log.lines_with("Empty");
    assert_eq!(whose.len(), 1, "{whose:?}");
}

/// A stream that keeps each write by itself, which is what a peer finds in one segment.
struct Recording {
    io: DuplexStream,
    writes: Writes,
}

type Writes = Arc<Mutex<Vec<Vec<u8>>>>;

impl AsyncWrite for Recording {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let written = Pin::new(&mut self.io).poll_write(cx, &bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.writes.lock().unwrap().push(bytes[..count].to_vec());
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl AsyncRead for Recording {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

/// A stream that keeps its writes, the writes, and what is at the other end.
fn recording() -> (Stream, Writes, Wire) {
    let (here, there) = tokio::io::duplex(1 << 20);
    let writes = Writes::default();
    let recording = Recording { io: here, writes: Arc::clone(&writes) };
    let address = || support::address("memory://recorded");
    let stream = Stream::new(recording, Peer::named("there"), address());
    (stream, writes, Wire::over(Stream::new(there, Peer::named("here"), address())))
}

/// Accepts one connection.
struct One(Option<Stream>);

impl Accept for One {
    fn accept(&mut self) -> BoxFuture<'_, Stream> {
        let stream = self.0.take();
        Box::pin(async {
            match stream {
                Some(stream) => stream,
                None => std::future::pending().await,
            }
        })
    }
}

#[tokio::test]
async fn a_reply_leaves_in_one_write() {
    let (stream, writes, mut wire) = recording();
    let listener = Listener::custom(support::address("memory://recorded"), One(Some(stream)));
    let server = Server::new(support::LabService::new(support::Bench::default()));
    let server = server.listener(listener).bind().await.unwrap();
    let server = tokio::spawn(server.run());
    // Small, beyond what is copied, beyond what is read at once.
    for (msgid, length) in [(0, 3), (1, 200), (2, 20_000), (3, 300_000)] {
        let text = "x".repeat(length);
        wire.send(request(msgid, "echo", (&text,))).await;
        let answer = response(msgid, &text);
        assert!(wire.raw(answer.len()).await == answer, "{length}");
        assert_eq!(writes.lock().unwrap().drain(..).collect::<Vec<_>>().len(), 1, "{length}");
    }
    server.abort();
}

#[tokio::test]
async fn calls_one_after_another_leave_in_one_write_each() {
    let (stream, writes, mut wire) = recording();
    let client = Client::over(stream);
    for msgid in 0..5 {
        client.notify("note", (msgid,)).await.unwrap();
        let call = tokio::spawn(client.call::<u32>("x", (msgid,)));
        let (noted, asked) = (notification("note", (msgid,)), request(msgid, "x", (msgid,)));
        assert_eq!(wire.raw(noted.len() + asked.len()).await, [&noted[..], &asked[..]].concat());
        wire.send(response(msgid, 1)).await;
        call.await.unwrap().unwrap();
        assert_eq!(writes.lock().unwrap().drain(..).collect::<Vec<_>>(), [noted, asked]);
    }
}

#[tokio::test]
async fn with_one_call_in_flight_the_next_is_sent_when_the_first_is_answered() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(1)).await;
    let calls: Vec<_> = (0..3_u32).map(|n| tokio::spawn(client.call::<u32>("x", (n,)))).collect();
    for (n, call) in (0..3_u32).zip(calls) {
        let asked = request(n, "x", (n,));
        assert_eq!(wire.raw(asked.len()).await, asked);
        assert!(wire.is_silent().await, "one at a time");
        wire.send(response(n, n)).await;
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
}

/// The id of a request.
fn msgid(request: &Value) -> u64 {
    request.as_array().unwrap()[1].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_times_out_by_itself_while_others_on_its_connection_are_answered() {
    let (client, mut wire) = Script::client().await;
    let begun = Instant::now();
    let lost = client.call::<u32>("lost", ()).timeout(Duration::from_secs(2));
    let others = async {
        assert_eq!(wire.message().await, support::value((0, 0, "lost", [0; 0])));
        for answer in 0..30_u32 {
            let call = tokio::spawn(client.call::<u32>("x", ()));
            let msgid = msgid(&wire.message().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
            wire.send(response(msgid, answer)).await;
            assert_eq!(call.await.unwrap().unwrap(), answer);
        }
    };
    let lost = async { (lost.await, begun.elapsed()) };
    let ((lost, after), ()) = join(lost, others).await;
    assert!(matches!(lost, Err(CallError::TimedOut(_))), "{lost:?}");
    assert!((2000..2100).contains(&after.as_millis()), "{after:?}");
    // Its late answer is nobody's, and its id is not the next call's.
    let call = tokio::spawn(client.call::<u32>("x", ()));
    let msgid = msgid(&wire.message().await);
    assert_ne!(msgid, 0);
    wire.send([response(0, 5), response(msgid, 6)].concat()).await;
    assert_eq!(call.await.unwrap().unwrap(), 6);
}

#[tokio::test]
async fn an_idle_connection_says_nothing() {
    let (server, _) = lab().await;
    let mut wire = server.wire().await;
    assert!(wire.is_silent().await, "no greeting");
    let (_client, mut wire) = Script::client().await;
    assert!(wire.is_silent().await, "no greeting");
}
