//! Peers that send what they should not: our server goes on for everybody else, and says nothing unasked.

mod support;

use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, CloseReason, Value};
use support::{
    Script, bytes, error, lab, notification, quiet, request, response, server_limits, until, value,
};
use tokio::time::Instant;

fn refused(msgid: u32, text: &str) -> Value {
    value((1, msgid, text, ()))
}

/// What the server sends to a peer that sends `sent` and then closes its side.
async fn answers(sent: &[u8]) -> Vec<Value> {
    let (server, _) = lab().await;
    let mut wire = server.wire().await;
    // The server may have ended the connection in the middle of it.
    let _ = wire.try_send(sent).await;
    let found = wire.finish().await;
    server.serves_others().await;
    found
}

#[tokio::test]
async fn a_message_cut_at_any_byte_is_not_run_and_ends_the_connection() {
    let messages = [
        request(1, "note", (1,)),
        notification("note", (1,)),
        request(70_000, "note", (i64::MIN,)),
        bytes((2, serde_bytes("note"), [1.5])),
        response(0, "x"),
    ];
    let (server, bench) = lab().await;
    for message in &messages {
        for cut in 0..message.len() {
            let mut wire = server.wire().await;
            wire.send([&notification("add", ()), &message[..cut]].concat()).await;
            assert_eq!(wire.finish().await, [], "{message:02x?} cut at {cut}");
        }
    }
    quiet().await;
    assert_eq!(bench.kept(), []);
    server.serves_others().await;
}

/// A value that encodes as bin.
fn serde_bytes(text: &str) -> Value {
    Value::Binary(text.as_bytes().to_vec())
}

#[tokio::test]
async fn answers_cut_at_any_byte_fail_the_call() {
    let message = response(0, "an answer");
    for cut in 0..message.len() {
        let (client, mut wire) = Script::client().await;
        let call = tokio::spawn(client.call::<String>("x", ()));
        wire.message().await;
        wire.send(&message[..cut]).await;
        wire.half_close().await;
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(&error, CallError::Closed(_)) && error.was_sent(), "{cut}: {error}");
        assert_eq!(wire.rest().await, []);
    }
}

#[tokio::test]
async fn claims_of_four_gigabytes_end_the_connection_before_anything_comes() {
    let heads: [&[u8]; 5] = [
        &[0xc6, 0xff, 0xff, 0xff, 0xff],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xdf, 0x80, 0, 0, 0],
        &[0xc9, 0xff, 0xff, 0xff, 0xff, 1],
    ];
    let places: [(&[u8], Option<u32>); 7] = [
        (&[0x94, 0, 7, 0xa3, b'a', b'd', b'd'], Some(7)),
        (&[0x94, 0, 7, 0xa3, b'a', b'd', b'd', 0x92, 1], Some(7)),
        (&[0x94, 0, 0xcd, 1, 0, 0xa1, b'x', 0x91, 0x81, 1, 0x91], Some(256)),
        (&[0x94, 0, 9], Some(9)),
        (&[0x94, 0], None),
        (&[0x93, 2], None),
        (&[0x94, 1, 0, 0xc0], None),
    ];
    for head in heads {
        for (place, msgid) in places {
            let (server, _) = lab().await;
            let mut wire = server.wire().await;
            wire.send([place, head].concat()).await;
            // The peer's side is open: it is the server that ends it.
            let found = wire.rest().await;
            assert_eq!(found.len(), usize::from(msgid.is_some()), "{place:02x?} {head:02x?}");
            for (found, msgid) in found.iter().zip(msgid) {
                let fault = found.as_array().unwrap();
                assert_eq!(fault[1], Value::from(msgid));
                let text = fault[2].as_str().unwrap();
                assert!(text.starts_with("[-32004] message of "), "{text}");
            }
            server.serves_others().await;
        }
    }
}

#[tokio::test]
async fn the_reserved_byte_ends_the_connection_wherever_it_stands() {
    let places: [&[u8]; 8] = [
        &[],
        &[0x94],
        &[0x94, 0],
        &[0x94, 0, 7],
        &[0x94, 0, 7, 0xa1, b'x'],
        &[0x94, 0, 7, 0xa1, b'x', 0x91],
        &[0x93, 2, 0xa1, b'x', 0x81, 1],
        &[0x94, 1, 0],
    ];
    for place in places {
        let (server, _) = lab().await;
        let mut wire = server.wire().await;
        wire.send([place, &[0xc1]].concat()).await;
        assert!(wire.rest().await.len() <= 1, "{place:02x?}");
        server.serves_others().await;
    }
}

#[tokio::test]
async fn what_is_no_message_pack_rpc_at_all_ends_the_connection_without_a_word() {
    let greetings: [&[u8]; 12] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"{\"jsonrpc\": \"2.0\"}",
        b"\x00\x00\x00\x07\x94\x00\x01\xa1x\x90",
        b"\xff\xff\xff\xff",
        b"\xc0",
        b"\x80",
        b"\x05",
        b"\x81\xa1x\x01",
    ];
    for greeting in greetings {
        let (server, _) = lab().await;
        let mut wire = server.wire().await;
        wire.send([greeting, &request(1, "add", (1, 2))].concat()).await;
        assert_eq!(wire.rest().await, [], "{greeting:02x?}");
        server.serves_others().await;
    }
}

#[tokio::test]
async fn any_valid_encoding_is_read() {
    let sum = [value((1, 7, (), 3))];
    let table: [&[u8]; 6] = [
        // Wide heads, wide and signed integers (W5), a bin for the name (A15).
        &[0xdc, 0, 4, 0xcc, 0, 0xcd, 0, 7, 0xd9, 3, b'a', b'd', b'd', 0xdc, 0, 2, 1, 2],
        &[0xdd, 0, 0, 0, 4, 0xd0, 0, 0xd0, 7, 0xda, 0, 3, b'a', b'd', b'd', 0x92, 0xcc, 1, 2],
        &[
            0x94, 0xd3, 0, 0, 0, 0, 0, 0, 0, 0, 0xcf, 0, 0, 0, 0, 0, 0, 0, 7, 0xa3, b'a', b'd',
            b'd', 0x92, 1, 2,
        ],
        &[0x94, 0, 7, 0xc4, 3, b'a', b'd', b'd', 0x92, 1, 2],
        &[0x94, 0, 7, 0xc5, 0, 3, b'a', b'd', b'd', 0x92, 1, 2],
        &[0x94, 0, 7, 0xdb, 0, 0, 0, 3, b'a', b'd', b'd', 0x92, 1, 2],
    ];
    for message in table {
        assert_eq!(answers(message).await, sum, "{message:02x?}");
    }
    let largest = [value((1, u32::MAX, (), 3))];
    assert_eq!(answers(&request(u32::MAX, "add", (1, 2))).await, largest);
    // Nil for no arguments (W3).
    assert_eq!(answers(&request(1, "last_note", ())).await, [value((1, 1, (), ()))]);
}

#[tokio::test]
async fn arrays_of_a_wrong_shape_are_answered_where_the_id_is_known() {
    let table = [
        (bytes((0, 7, "add")), "[-32600] a request has 4 elements, this one has 3"),
        (bytes((0, 7, "add", (1, 2), 5)), "[-32600] a request has 4 elements, this one has 5"),
        (bytes((0, 7, 5, (1, 2))), "[-32600] the method name must be a string, found integer"),
        (bytes((0, 7, (), (1, 2))), "[-32600] the method name must be a string, found nil"),
        (bytes((0, 7, "add", 5)), "[-32600] the params of `add` must be an array, found integer"),
        (bytes((0, 7, "add", "x")), "[-32600] the params of `add` must be an array, found string"),
        (
            bytes((0, 7, Value::RawString(vec![0xff]), (1, 2))),
            "[-32600] the method name is not UTF-8",
        ),
        (bytes((0, 7, Value::Binary(vec![0xc3]), (1, 2))), "[-32600] the method name is not UTF-8"),
    ];
    for (message, expected) in table {
        let sent = [message.clone(), request(8, "add", (1, 2))].concat();
        let expected = [refused(7, expected), value((1, 8, (), 3))];
        assert_eq!(answers(&sent).await, expected, "{message:02x?}");
    }
}

/// Arrays that are no messages and cannot be answered.
fn malformed() -> Vec<Vec<u8>> {
    let none: [u8; 0] = [];
    let id = |id: Value| bytes((0, id, "add", (1, 2)));
    vec![
        bytes(none),
        bytes([0; 1].map(i64::from)),
        bytes((3, 1, "add", (1, 2))),
        bytes((-1, 1, "add", (1, 2))),
        bytes(("0", 1, "add", (1, 2))),
        bytes(((), 1, "add", (1, 2))),
        bytes((1_u64 << 40, 1, "add", (1, 2))),
        id("7".into()),
        id(Value::F64(7.0)),
        id(Value::Nil),
        id(Value::Array(vec![])),
        id(Value::Int(-1)),
        id(Value::Int(1 << 32)),
        id(Value::UInt(u64::MAX)),
        bytes((1, 0, ())),
        // Kills a known implementation.
        vec![0x93, 0x01, 0x00, 0xc0],
        bytes((1, "0", (), 1)),
        bytes((2, "note")),
        bytes((2, "note", (1,), 5)),
        bytes((2, 5, (1,))),
        bytes((2, "note", 1)),
        bytes((2, Value::RawString(vec![0xff]), (1,))),
    ]
}

#[tokio::test]
async fn arrays_that_cannot_be_answered_are_counted_and_nothing_is_said() {
    for message in malformed() {
        let sum = request(8, "add", (1, 2));
        let few = [message.repeat(16), sum.clone()].concat();
        assert_eq!(answers(&few).await, [value((1, 8, (), 3))], "{message:02x?}");
        let many = [message.repeat(17), sum].concat();
        assert_eq!(answers(&many).await, [], "{message:02x?}");
    }
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_ignored() {
    let unasked = [response(0, 1), error(5, "x"), response(u32::MAX, ()), error(0, 5)].concat();
    let sent = [unasked.repeat(50), request(8, "add", (1, 2))].concat();
    assert_eq!(answers(&sent).await, [value((1, 8, (), 3))]);
}

#[tokio::test]
async fn two_requests_with_one_id_are_both_answered() {
    let (server, bench) = lab().await;
    let mut wire = server.wire().await;
    wire.send(
        [request(7, "hold", (1,)), request(7, "hold", (2,)), request(7, "add", (1, 2))].concat(),
    )
    .await;
    assert_eq!(wire.message().await, value((1, 7, (), 3)));
    until("both are at work", || bench.started() == 2).await;
    bench.open(2);
    let mut results: Vec<_> = wire.finish().await;
    results.sort_by_key(|message| message.as_array().unwrap()[3].as_u64());
    assert_eq!(results, [value((1, 7, (), 1)), value((1, 7, (), 2))]);
}

#[tokio::test]
async fn a_client_without_services_refuses_requests_and_ignores_notifications() {
    let (client, mut wire) = Script::client().await;
    let call = tokio::spawn(client.call::<u8>("x", ()));
    wire.message().await;
    wire.send([notification("redraw", ()), request(0, "poll", ()), request(9, "x", (1,))].concat())
        .await;
    let text = |name| format!("[-32601] unknown method: {name}; this side serves no methods");
    assert_eq!(wire.message().await, refused(0, &text("poll")));
    assert_eq!(wire.message().await, refused(9, &text("x")));
    wire.send(response(0, 5)).await;
    assert_eq!(call.await.unwrap().unwrap(), 5);
    assert!(wire.is_silent().await);
}

#[tokio::test]
async fn a_client_reads_odd_answers_and_ignores_those_nobody_waits_for() {
    let (client, mut wire) = Script::client().await;
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(client.call::<u8>("x", ()))).collect();
    for _ in 0..5 {
        wire.message().await;
    }
    let both = bytes((1, 1, "the error counts", 5));
    let answers =
        [response(77, 1), both, error(2, false), response(3, 3), response(3, 4), error(3, "x")];
    wire.send(answers.concat()).await;
    // An id in its widest form, then the last one.
    wire.send([0x94, 1, 0xd3, 0, 0, 0, 0, 0, 0, 0, 4, 0xc0, 9]).await;
    wire.send(response(0, 1)).await;
    let outcomes = join_all(calls).await;
    let texts: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().map_or_else(|error| error.to_string(), |n| n.to_string()))
        .collect();
    let error = |text| format!("the peer answered with an error: {text}");
    let expected = ["1".into(), error("the error counts"), error("false"), "3".into(), "9".into()];
    assert_eq!(texts, expected);
    assert!(client.closed().is_none());
}

#[tokio::test]
async fn a_server_of_garbage_fails_every_call_of_its_client() {
    let garbage: [&[u8]; 4] =
        [&[0xc1], &[0x94, 1, 0, 0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff], b"oops", &[0x90; 17]];
    for garbage in garbage {
        let (client, mut wire) = Script::client().await;
        let calls: Vec<_> = (0..5).map(|_| tokio::spawn(client.call::<u8>("x", ()))).collect();
        for _ in 0..5 {
            wire.message().await;
        }
        wire.send(garbage).await;
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            let CallError::Closed(closed) = error else { panic!("{error:?}") };
            assert!(matches!(closed.reason(), CloseReason::Protocol(_)), "{closed:?}");
        }
        assert_eq!(wire.rest().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_writes_one_byte_a_second_is_let_go_after_30_seconds() {
    let (server, _) = lab().await;
    let mut wire = server.wire().await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    wire.send(request(1, "add", (1, 2))).await;
    assert_eq!(wire.message().await, value((1, 1, (), 3)), "silence between messages is no fault");
    let begun = Instant::now();
    for byte in request(2, "echo", ("x".repeat(100),)) {
        if wire.try_send([byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let lived = begun.elapsed().as_secs();
    assert!((30..=31).contains(&lived), "{lived} s");
    assert_eq!(wire.rest().await, []);
    server.serves_others().await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_must_wait_for_a_slow_one_are_no_slow_message() {
    let (server, bench) = support::lab_with(server_limits(|limits| {
        limits.requests_at_work = 1;
        limits.backlog_bytes = 100;
    }))
    .await;
    let mut wire = server.wire().await;
    let requests: Vec<_> = (0..100_u32).flat_map(|n| request(n, "hold", (n,))).collect();
    wire.send(requests).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.started(), 1);
    bench.open(100);
    let answered: Vec<_> = wire.finish().await;
    assert!(answered.into_iter().eq((0..100_u32).map(|n| value((1, n, (), n)))));
}
