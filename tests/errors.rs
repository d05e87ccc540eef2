//! What callers are told when a call fails: the exact words, and whether the request was sent.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fmt;
use std::time::Duration;

use msgrpc::{
    CallError, Client, CloseReason, FaultCode, FaultFormat, NoError, Reconnect, Server, Value,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use support::{
    Bench, DivideByZero, LabClient, LabService, Running, Script, client_limits, error, lab, value,
};

/// A value that another program would refuse to encode.
#[derive(Debug)]
struct Unencodable;

impl Serialize for Unencodable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this one has no encoding"))
    }
}

impl<'de> Deserialize<'de> for Unencodable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("this one has no decoding"))
    }
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unencodable")
    }
}

impl std::error::Error for Unencodable {}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Address {
    street: String,
    number: u16,
}

#[msgrpc::service]
trait Odd {
    async fn address(&self, address: Address, copies: Option<u8>) -> u8;
    async fn unencodable(&self) -> Unencodable;
    async fn unencodable_error(&self) -> Result<u8, Unencodable>;
    async fn unit_error(&self) -> Result<u8, ()>;
    async fn text_error(&self, text: String) -> Result<u8, String>;
    async fn takes_it(&self, it: Unencodable) -> u8;
    #[msgrpc(blocking)]
    fn panics_on_a_thread(&self) -> u8;
    async fn panics_late(&self, ctx: &msgrpc::Context) -> u8;
    async fn no_arguments(&self) -> u8;
}

struct Oddity;

impl Odd for Oddity {
    async fn address(&self, _: Address, copies: Option<u8>) -> u8 {
        copies.unwrap_or(1)
    }
    async fn unencodable(&self) -> Unencodable {
        Unencodable
    }
    async fn unencodable_error(&self) -> Result<u8, Unencodable> {
        Err(Unencodable)
    }
    async fn unit_error(&self) -> Result<u8, ()> {
        Err(())
    }
    async fn text_error(&self, text: String) -> Result<u8, String> {
        Err(text)
    }
    async fn takes_it(&self, _: Unencodable) -> u8 {
        0
    }
    fn panics_on_a_thread(&self) -> u8 {
        panic!("secret")
    }
    async fn panics_late(&self, ctx: &msgrpc::Context) -> u8 {
        let _held = ctx.clone();
        tokio::task::yield_now().await;
        std::panic::panic_any(5)
    }
    async fn no_arguments(&self) -> u8 {
        0
    }
}

async fn odd() -> (Running, OddClient) {
    let server = Running::start(Server::new(OddService::new(Oddity))).await;
    let client = OddClient::connect(&server.address).await.unwrap();
    (server, client)
}

/// The text of a call that failed, which was sent.
fn sent<T: fmt::Debug, E: fmt::Debug + fmt::Display>(outcome: Result<T, CallError<E>>) -> String {
    let error = outcome.unwrap_err();
    assert!(error.was_sent(), "{error:?}");
    error.to_string()
}

/// The text of a call that failed before anything was sent.
fn unsent<T: fmt::Debug, E: fmt::Debug + fmt::Display>(outcome: Result<T, CallError<E>>) -> String {
    let error = outcome.unwrap_err();
    assert!(!error.was_sent(), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn wrong_requests_are_refused_in_words_that_name_what_is_wrong() {
    let (server, _odd) = odd().await;
    let client = server.client().await;
    let street = |street: Value, number: Value| value((value_map(street, number),));
    let none: [u8; 0] = [];
    let table = [
        (
            "address",
            value(none),
            "method `address` takes 1 to 2 parameters (address: Address, copies: \
             Option<u8>), got 0",
        ),
        (
            "address",
            value((1, 2, 3)),
            "method `address` takes 1 to 2 parameters (address: Address, copies: \
             Option<u8>), got 3",
        ),
        ("no_arguments", value([1]), "method `no_arguments` takes no parameters, got 1"),
        ("text_error", value(none), "method `text_error` takes 1 parameter (text: String), got 0"),
        (
            "text_error",
            value([5]),
            "parameter 1 `text` of `text_error`: invalid type: integer `5`, expected a \
             string",
        ),
        (
            "address",
            street(Value::from(5), Value::from(1)),
            "parameter 1 `address` of `address`: street: invalid type: integer `5`, \
             expected a string",
        ),
        (
            "address",
            street(Value::from("x"), Value::from(65_536)),
            "parameter 1 `address` of `address`: number: invalid value: integer \
             `65536`, expected u16",
        ),
        (
            "address",
            street(Value::from("x"), Value::Ext(5, vec![1])),
            "parameter 1 `address` of `address`: number: invalid type: extension type \
             5, expected u16",
        ),
        (
            "address",
            value((Address { street: "x".into(), number: 1 }, true)),
            "parameter 2 `copies` of `address`: invalid type: boolean `true`, expected u8",
        ),
        ("takes_it", value([1]), "parameter 1 `it` of `takes_it`: this one has no decoding"),
    ];
    for (method, params, text) in table {
        assert_eq!(sent(client.call::<Value>(method, params).await), format!("[-32602] {text}"));
    }
}

#[tokio::test]
async fn an_unknown_name_is_cut_and_escaped() {
    let (server, _odd) = odd().await;
    let client = server.client().await;
    let table = [("", ""), ("nope", "nope"), ("a\u{1b}[31m\n", "a\\u{1b}[31m\\n")];
    for (method, shown) in table {
        let expected = format!("[-32601] unknown method: {shown}");
        assert_eq!(sent(client.call::<Value>(method, ()).await), expected);
    }
    let long = "x".repeat(100);
    let expected = format!("[-32601] unknown method: {}…", "x".repeat(64));
    assert_eq!(sent(client.call::<Value>(&long, ()).await), expected);
}

fn value_map(street: Value, number: Value) -> Value {
    Value::Map(vec![(Value::from("street"), street), (Value::from("number"), number)])
}

#[tokio::test]
async fn a_methods_own_error_comes_back_as_it_was_returned() {
    let (server, odd) = odd().await;
    let error = odd.text_error("out of ink".to_owned()).await.unwrap_err();
    assert!(matches!(&error, CallError::Method(text) if text == "out of ink"), "{error:?}");
    assert_eq!(sent::<u8, _>(Err(error)), "out of ink");
    // Without the type it is whatever the peer sent.
    let untyped = server.client().await.call::<u8>("text_error", ("out of ink",)).await;
    assert_eq!(sent(untyped), "the peer answered with an error: out of ink");
    // A text that begins as a fault does is read as one (W8).
    let error = odd.text_error("[-32000] mine".to_owned()).await.unwrap_err();
    let CallError::Fault(fault) = error else { panic!("{error:?}") };
    assert_eq!((fault.code(), fault.message()), (FaultCode::Other(-32_000), "mine"));

    let (_server, lab) = {
        let (server, _) = lab().await;
        let client = LabClient::connect(&server.address).await.unwrap();
        (server, client)
    };
    let error = lab.divide(1, 0).await.unwrap_err();
    assert!(matches!(error, CallError::Method(DivideByZero)));
    assert_eq!(sent::<i64, _>(Err(error)), "division by zero");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_its_words_stay_here() {
    let (server, lab) = lab().await;
    let client = server.client().await;
    let lab_client = LabClient::new(client.clone());
    let waiting = tokio::spawn(lab_client.hold(9));
    assert_eq!(sent(lab_client.panics("secret".into()).await), "[-32603] internal error");
    lab.open(1);
    assert_eq!(waiting.await.unwrap().unwrap(), 9, "a call beside it is not disturbed");
    let (_server, odd) = odd().await;
    assert_eq!(sent(odd.panics_on_a_thread().await), "[-32603] internal error");
    assert_eq!(sent(odd.panics_late().await), "[-32603] internal error");
    assert_eq!(odd.no_arguments().await.unwrap(), 0, "the connection lives");
}

#[tokio::test]
async fn outcomes_that_do_not_encode_are_answered() {
    let (_server, odd) = odd().await;
    let expected = "[-32603] the result could not be encoded: this one has no encoding";
    assert_eq!(sent(odd.unencodable().await), expected);
    let expected = "[-32603] the error could not be encoded: this one has no encoding";
    assert_eq!(sent(odd.unencodable_error().await), expected);
    let error = odd.unit_error().await.unwrap_err();
    let CallError::Fault(fault) = error else { panic!("{error:?}") };
    assert_eq!(fault.to_string(), "[-32603] the error value was nil");
    let expected = "an argument of `takes_it` could not be encoded: this one has no encoding";
    assert_eq!(unsent(odd.takes_it(Unencodable).await), expected);
    assert_eq!(odd.no_arguments().await.unwrap(), 0, "the connection lives");
}

#[tokio::test]
async fn faults_travel_as_pairs_where_the_server_is_told_so() {
    let server = Server::new(LabService::new(Bench::default())).fault_format(FaultFormat::Pair);
    let server = Running::start(server).await;
    let mut wire = server.wire().await;
    wire.send(support::request(3, "nope", ())).await;
    let pair = (-32_601, "unknown method: nope");
    assert_eq!(wire.message().await, value((1, 3, pair, ())));
    let found = server.client().await.call::<u8>("nope", ()).await;
    assert_eq!(sent(found), "[-32601] unknown method: nope");
}

#[tokio::test]
async fn errors_of_other_peers_are_shown_as_a_person_would_want_them() {
    #[derive(Serialize)]
    struct Message {
        code: i32,
        message: &'static str,
    }
    let table = [
        (value("bad luck"), "bad luck"),
        (Value::Binary(b"bad luck".to_vec()), "bad luck"),
        (Value::RawString(b"bad \xff luck".to_vec()), "bad \u{fffd} luck"),
        (value((0, "Vim:E492: Not an editor command")), "Vim:E492: Not an editor command"),
        (value(Message { code: 7, message: "bad luck" }), "bad luck"),
        (value("a\u{1b}[31mred"), "a[31mred"),
        (value(42), "42"),
        (value(false), "false"),
        (value((1, 2, 3)), "[1, 2, 3]"),
        (Value::Ext(1, vec![2]), "ext(1, <1 bytes: 02>)"),
        (Value::Map(vec![]), "{}"),
    ];
    let (client, mut wire) = Script::client().await;
    for (msgid, (remote, expected)) in (0..).zip(table) {
        let script = async {
            wire.message().await;
            wire.send(error(msgid, &remote)).await;
        };
        let (outcome, ()) = tokio::join!(client.call::<u8>("x", ()), script);
        assert!(matches!(&outcome, Err(CallError::Remote(value)) if *value == remote));
        assert_eq!(sent(outcome), format!("the peer answered with an error: {expected}"));
    }
}

#[tokio::test]
async fn an_answer_of_another_type_says_what_was_found() {
    let (server, _) = lab().await;
    let found = server.client().await.call::<String>("add", (1, 2)).await;
    assert!(matches!(found, Err(CallError::Decode(_))), "{found:?}");
    let expected = "the answer to `add` could not be decoded: invalid type: integer `3`, expected \
                    a string";
    assert_eq!(sent(found), expected);
}

#[tokio::test]
async fn connecting_where_nobody_is_names_the_place_and_the_way_out() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let table = [
        (
            format!("tcp://127.0.0.1:{port}"),
            format!(
                "no connection after 5 tries: could not connect to tcp://127.0.0.1:{port}: \
                 127.0.0.1:{port}: connection refused. Is the server running?"
            ),
        ),
        (
            "memory://nobody".to_owned(),
            "no connection after 5 tries: could not connect to memory://nobody: nobody listens \
             there. Is the server running?"
                .to_owned(),
        ),
    ];
    for (address, expected) in table {
        assert_eq!(Client::connect(&address).await.unwrap_err().to_string(), expected);
    }
    let table = [
        (
            "",
            "missing scheme in \"\": expected tcp, tls, unix, udp, multicast or memory; a good \
             address: tcp://127.0.0.1:8000",
        ),
        (
            "http://host:1",
            "unknown scheme \"http\" in \"http://host:1\": expected tcp, tls, unix, udp, multicast \
             or memory; a good address: tcp://host:1",
        ),
        (
            "tcp://host",
            "missing port in \"tcp://host\": expected `:` and a number from 0 to 65535; a good \
             address: tcp://host:8000",
        ),
        (
            "tcp://host:99999",
            "bad port in \"tcp://host:99999\": expected a number from 0 to 65535; a good address: \
             tcp://127.0.0.1:8000",
        ),
    ];
    for (address, expected) in table {
        let error = Client::connect(address).await.unwrap_err();
        assert!(matches!(error, msgrpc::ConnectError::Address(_)), "{address}");
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_port_that_speaks_something_else_is_recognised() {
    let table: [(&[u8], &str); 6] = [
        (
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            "the peer answered in HTTP: its port is a web server's, not a MessagePack-RPC \
             server's; check the port",
        ),
        (
            &[0x15, 3, 3, 0, 2, 2, 70],
            "the peer answered with a TLS alert: its port speaks TLS; use a tls:// address",
        ),
        (
            b"SSH-2.0-OpenSSH_9.6\r\n",
            "the peer sent text (\"SSH-2.0-OpenSSH_9.6\") instead of MessagePack-RPC messages; \
             check the port",
        ),
        (
            b"-ERR unknown command\r\n",
            "the peer sent text (\"-ERR unknown command\") instead of MessagePack-RPC messages; \
             check the port",
        ),
        (
            &[0xc0],
            "the peer sent the byte 0xc0 where a message begins; a MessagePack-RPC message is an \
             array of three or four elements",
        ),
        (&[0x94, 1, 0], "the stream ended after 3 bytes of an unfinished message"),
    ];
    for (answer, expected) in table {
        let mut script = Script::listen_at("tcp://127.0.0.1:0").await;
        let builder = Client::builder(&script.address).reconnect(Reconnect::never());
        let client = builder.connect().await.unwrap();
        let peer = script.address.strip_prefix("tcp://").unwrap().to_owned();
        let play = async {
            let mut wire = script.accept().await;
            wire.message().await;
            wire.send(answer).await;
            wire.half_close().await;
            wire.rest().await
        };
        let (outcome, _) = tokio::join!(client.call::<u8>("add", (1, 2)), play);
        let text = format!("the connection to {peer} ended before `add` was answered: {expected}");
        assert_eq!(sent(outcome), text);
        let text = format!("`add` was not sent, as the connection to {peer} had ended: {expected}");
        assert_eq!(unsent(client.call::<u8>("add", (1, 2)).await), text);
        assert_eq!(unsent(client.notify("add", (1, 2)).await), text);
    }
}

#[tokio::test]
async fn a_connection_that_ends_tells_who_ended_it() {
    let (client, mut wire) = Script::client().await;
    let script = async {
        wire.message().await;
        drop(wire);
    };
    let (outcome, ()) = tokio::join!(client.call::<u8>("x", ()), script);
    let CallError::Closed(closed) = outcome.as_ref().unwrap_err() else { panic!("{outcome:?}") };
    assert!(matches!(closed.reason(), CloseReason::Peer), "{closed:?}");
    let text = "the connection to memory ended before `x` was answered: the peer closed it";
    assert_eq!(sent(outcome), text);

    let (client, _wire) = Script::client().await;
    let waiting = tokio::spawn(client.call::<u8>("x", ()));
    support::quiet().await;
    let late = client.call::<u8>("x", ());
    client.close().await;
    let text = "the connection to memory ended before `x` was answered: it was closed on this side";
    assert_eq!(sent(waiting.await.unwrap()), text);
    let text =
        "`x` was not sent, as the connection to memory had ended: it was closed on this side";
    assert_eq!(unsent(late.await), text);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_says_whether_it_was_sent() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(1)).await;
    let first = tokio::spawn(client.call::<u8>("x", ()).timeout(Duration::from_secs(9)));
    wire.message().await;
    let waiting = client.call::<u8>("x", ()).timeout(Duration::from_millis(2_500)).await;
    assert_eq!(unsent(waiting), "`x` was not sent to memory within 2.5s");
    assert_eq!(sent(first.await.unwrap()), "memory has not answered `x` within 9s");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_not_sent() {
    let limits = client_limits(|limits| limits.outbound_message_bytes = 1000);
    let (server, _) = lab().await;
    let client = server.builder().limits(limits).connect().await.unwrap();
    let lab = LabClient::new(client.clone());
    let expected = "the arguments of `measure` are 1023 bytes, more than the 1000 of \
                    `Limits::outbound_message_bytes`; nothing was sent";
    assert_eq!(unsent(lab.measure(&[0; 1000]).await), expected);
    let note: Result<(), CallError<NoError>> = client.notify("note", (vec![0_i64; 1000],)).await;
    assert!(matches!(note, Err(CallError::TooLarge(_))), "{note:?}");
    assert_eq!(lab.measure(&[0; 900]).await.unwrap(), 900, "the connection lives");
}
