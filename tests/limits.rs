//! One test at and one over each limit, on the side that has it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, FaultCode, Limits, Server, Value};
use support::{
    Bench, LabClient, LabService, Running, Script, bytes, client_limits, lab_with, memory,
    notification, quiet, request, response, server_limits, until, value,
};

const MIB: usize = 1 << 20;

/// `[0, 7, "measure", [data]]`, of this length altogether.
fn measured(length: usize) -> Vec<u8> {
    let head = request(7, "measure", (Value::Binary(vec![0; length]),)).len() - length;
    let message = request(7, "measure", (Value::Binary(vec![0; length - head]),));
    assert_eq!(message.len(), length);
    message
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Nil, |inner, _| Value::Array(vec![inner]))
}

/// What a server of these limits sends to a peer that sends `message`.
async fn answer(limits: &Limits, message: Vec<u8>) -> Vec<Value> {
    let (server, bench) = lab_with(limits.clone()).await;
    bench.open(1);
    let mut wire = server.wire().await;
    let _ = wire.try_send(message).await;
    let found = wire.finish().await;
    server.serves_others().await;
    found
}

/// As many bytes as came back when this many were asked for.
async fn fetch(lab: &LabClient, count: usize) -> Result<usize, CallError> {
    lab.bytes(count).await.map(|value| value.as_bytes().map_or(0, <[u8]>::len))
}

/// The text of the only answer, a fault.
fn fault(answers: &[Value]) -> &str {
    let [answer] = answers else { panic!("{answers:?}") };
    answer.as_array().unwrap()[2].as_str().unwrap()
}

#[tokio::test]
async fn a_message_of_the_limit_is_read_and_one_byte_more_is_refused() {
    let limits = server_limits(|limits| limits.message_bytes = 100_000);
    let found = answer(&limits, measured(100_000)).await;
    assert_eq!(found[0].as_array().unwrap()[2], Value::Nil);
    let found = answer(&limits, measured(100_001)).await;
    let expected = "[-32004] message of at least 100001 bytes, more than the limit of 100000";
    assert_eq!(fault(&found), expected);
}

#[tokio::test]
async fn nesting_of_the_limit_is_read_and_one_level_more_is_refused() {
    let limits = server_limits(|limits| limits.depth = 20);
    // The message and its params are two levels.
    let message = |levels| request(7, "echo", (nested(levels),));
    assert_eq!(answer(&limits, message(18)).await, [value((1, 7, (), nested(18)))]);
    let found = answer(&limits, message(19)).await;
    assert_eq!(fault(&found), "[-32004] message nested deeper than the limit of 20");
}

#[tokio::test]
async fn elements_up_to_the_limit_are_read_and_one_more_is_refused() {
    let limits = server_limits(|limits| limits.elements = 1000);
    // The message has four, its params one.
    let message = |count| request(7, "echo", (vec![(); count],));
    assert_eq!(answer(&limits, message(995)).await, [value((1, 7, (), vec![(); 995]))]);
    let found = answer(&limits, message(996)).await;
    assert_eq!(fault(&found), "[-32004] message of more elements than the limit of 1000");
}

#[tokio::test]
async fn a_method_name_over_the_limit_is_unknown_even_to_a_service_that_takes_any() {
    struct Parrot;
    impl msgrpc::Service for Parrot {
        fn descriptor(&self) -> &'static msgrpc::ServiceDescriptor {
            const PARROT: msgrpc::ServiceDescriptor = msgrpc::ServiceDescriptor::new("Parrot", &[]);
            &PARROT
        }
        fn call(&self, request: msgrpc::Request) -> msgrpc::OutcomeFuture {
            let length = request.method().len();
            Box::pin(async move { msgrpc::Outcome::result(&length, msgrpc::Style::Named) })
        }
    }
    let server = Running::start(Server::new(Parrot)).await;
    let client = server.client().await;
    let length: usize = client.call(&"x".repeat(256), ()).await.unwrap();
    assert_eq!(length, 256);
    for length in [257, 1 << 20] {
        let error = client.call::<usize>(&"x".repeat(length), ()).await.unwrap_err();
        let expected = format!("[-32601] unknown method: {}…", "x".repeat(64));
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn requests_up_to_the_limit_are_at_work_and_the_next_waits() {
    let (server, bench) = lab_with(server_limits(|limits| limits.requests_at_work = 3)).await;
    let mut wire = server.wire().await;
    wire.send([notification("late_note", (0,)), notification("note", (1,))].concat()).await;
    wire.send((0..3_u32).flat_map(|n| request(n, "hold", (n,))).collect::<Vec<_>>()).await;
    until("the first are at work", || bench.started() == 2).await;
    quiet().await;
    assert_eq!(bench.started(), 2, "two notifications and one request are three");
    bench.open(4);
    until("all have ended", || bench.ended() == 4).await;
    assert_eq!(wire.finish().await.len(), 3);
}

#[tokio::test]
async fn calls_up_to_the_limit_are_in_flight_and_the_next_waits() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(3)).await;
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(client.call::<u8>("x", ()))).collect();
    for _ in 0..3 {
        wire.message().await;
    }
    assert!(wire.is_silent().await);
    wire.send(response(1, 9)).await;
    assert_eq!(wire.message().await.as_array().unwrap()[1], Value::from(3));
    wire.send([response(0, 9), response(2, 9), response(3, 9)].concat()).await;
    assert!(join_all(calls).await.into_iter().all(|call| call.unwrap().unwrap() == 9));
}

#[tokio::test]
async fn malformed_messages_up_to_the_limit_are_borne_and_one_more_ends_the_connection() {
    let limits = server_limits(|limits| limits.protocol_errors = 2);
    let sum = request(7, "add", (1, 2));
    let wrong = bytes((3, "x"));
    let at = [wrong.repeat(2), sum.clone()].concat();
    assert_eq!(answer(&limits, at).await, [value((1, 7, (), 3))]);
    assert_eq!(answer(&limits, [wrong.repeat(3), sum].concat()).await, []);
}

#[tokio::test]
async fn connections_over_the_limit_wait_until_one_ends() {
    let (server, _) = lab_with(server_limits(|limits| limits.connections = 2)).await;
    let mut labs = Vec::new();
    for _ in 0..3 {
        labs.push(LabClient::connect(&server.address).await.unwrap());
    }
    assert_eq!(labs[0].add(1, 2).await.unwrap(), 3);
    assert_eq!(labs[1].add(1, 2).await.unwrap(), 3);
    let waiting = tokio::spawn(labs.pop().unwrap().add(1, 2));
    quiet().await;
    assert!(!waiting.is_finished(), "two are connected");
    labs.pop();
    assert_eq!(waiting.await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn one_connection_may_come_by_any_of_several_addresses() {
    let (first, last) = (memory(), memory());
    let server = Server::new(LabService::new(Bench::default()))
        .listen(&*first)
        .limits(server_limits(|limits| limits.connections = 1));
    let _server = Running::start_at(server, &last).await;
    for address in [&first, &last, &first] {
        let client = LabClient::connect(address).await.unwrap();
        let call = tokio::spawn(client.add(1, 2));
        until("it is answered", || call.is_finished()).await;
        assert_eq!(call.await.unwrap().unwrap(), 3);
    }
}

#[tokio::test]
async fn blocking_methods_over_the_limit_are_refused() {
    let (server, bench) = lab_with(server_limits(|limits| limits.blocking = 2)).await;
    let lab = LabClient::connect(&server.address).await.unwrap();
    let calls: Vec<_> = (0..2).map(|n| tokio::spawn(lab.hold_thread(n))).collect();
    until("both are at work", || bench.started() == 2).await;
    let other = LabClient::connect(&server.address).await.unwrap();
    let error = other.hold_thread(3).await.unwrap_err();
    assert_eq!(error.to_string(), "[-32001] too many blocking methods are at work");
    bench.open(3);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(lab.hold_thread(4).await.unwrap(), 4);
}

#[tokio::test]
async fn a_call_of_the_outbound_limit_fits_a_peer_of_the_same_limit() {
    // What one may send the other accepts, to the byte: a call that passes here never ends the connection.
    let limit = 100_000;
    let (server, _) = lab_with(server_limits(|limits| limits.message_bytes = limit)).await;
    let limits = client_limits(|limits| limits.outbound_message_bytes = limit);
    let lab = LabClient::new(server.builder().limits(limits).connect().await.unwrap());
    let mut refused = 0;
    for length in limit - 40..limit {
        match lab.measure(&vec![0; length]).await {
            Ok(found) => assert_eq!((found, refused), (length as u64, 0)),
            Err(CallError::TooLarge(_)) => refused += 1,
            Err(error) => panic!("{length}: {error}"),
        }
    }
    assert!((10..=30).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_result_of_the_outbound_limit_fits_a_peer_of_the_same_limit() {
    let limit = 100_000;
    let limits = server_limits(|limits| limits.outbound_message_bytes = limit);
    let (server, _) = lab_with(limits).await;
    let limits = client_limits(|limits| limits.message_bytes = limit);
    let lab = LabClient::new(server.builder().limits(limits).connect().await.unwrap());
    let mut refused = 0;
    for count in limit - 40..limit {
        match fetch(&lab, count).await {
            Ok(found) => assert_eq!((found, refused), (count, 0)),
            Err(CallError::Fault(fault)) => {
                assert_eq!(fault.code(), FaultCode::TooLarge);
                refused += 1;
            }
            Err(error) => panic!("{count}: {error}"),
        }
    }
    assert!((5..=25).contains(&refused), "{refused}");
}

#[tokio::test]
async fn sixty_four_mebibytes_go_both_ways_where_the_limits_allow_it() {
    let large = |mut limits: Limits| {
        limits.message_bytes = 65 * MIB;
        limits.outbound_message_bytes = 65 * MIB;
        limits
    };
    let bench = Bench::default();
    let server = Server::new(LabService::new(bench)).limits(large(Limits::server()));
    let server = Running::start_at(server, "tcp://127.0.0.1:0").await;
    let client = server.builder().limits(large(Limits::client())).connect().await.unwrap();
    let lab = LabClient::new(client);
    let data = vec![1; 64 * MIB];
    assert_eq!(lab.measure(&data).await.unwrap(), 64 << 20);
    assert_eq!(fetch(&lab, 64 * MIB).await.unwrap(), 64 * MIB);
    let both = tokio::join!(lab.measure(&data), fetch(&lab, 64 * MIB), lab.add(1, 2));
    assert_eq!((both.0.unwrap(), both.1.unwrap(), both.2.unwrap()), (64 << 20, 64 * MIB, 3));
}

#[tokio::test]
async fn by_default_a_client_sends_eight_mebibytes_and_reads_sixty_four() {
    let (server, _) = lab_with(Limits::server()).await;
    let lab = LabClient::connect(&server.address).await.unwrap();
    assert_eq!(lab.measure(&vec![0; 8 * MIB - 64]).await.unwrap(), 8 * (1 << 20) - 64);
    let error = lab.measure(&vec![0; 8 * MIB]).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge(_)), "{error}");
    assert_eq!(fetch(&lab, 64 * MIB - 64).await.unwrap(), 64 * MIB - 64);
    let error = fetch(&lab, 64 * MIB).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "[-32004] the result of 67108877 bytes is larger than the 67108864 that may be sent"
    );
    assert_eq!(lab.add(1, 2).await.unwrap(), 3);
}

#[tokio::test]
async fn a_megabyte_in_writes_of_one_byte_arrives() {
    let (server, _) = lab_with(Limits::server()).await;
    let mut wire = server.wire().await;
    for (bytes_sent, byte) in measured(MIB).into_iter().enumerate() {
        wire.send([byte]).await;
        if bytes_sent % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let length = MIB as u64 - 16;
    let found = wire.finish().await;
    let result = found[0].as_array().unwrap()[3].as_u64().unwrap();
    assert!((length - 8..length + 8).contains(&result), "{result}");
}

#[tokio::test(start_paused = true)]
async fn a_message_may_take_as_long_as_the_limit_says() {
    let limit = Duration::from_secs(3);
    let limits = server_limits(|limits| limits.partial_message_timeout = limit);
    let (server, _) = lab_with(limits).await;
    let message = request(7, "add", (1, 2));
    for (pause, answers) in [(2_990, 1), (3_000, 0)] {
        let mut wire = server.wire().await;
        wire.send(&message[..5]).await;
        tokio::time::sleep(Duration::from_millis(pause + 5)).await;
        let _ = wire.try_send(&message[5..]).await;
        assert_eq!(wire.finish().await.len(), answers, "{pause} ms");
    }
}

#[tokio::test]
async fn a_client_has_its_own_limits_for_what_it_is_sent() {
    let limits = client_limits(|limits| limits.message_bytes = 1000);
    let (client, mut wire) = Script::client_with(|builder| builder.limits(limits)).await;
    let (fits, over) = (client.call::<Value>("x", ()), client.call::<Value>("x", ()));
    let script = async {
        for (msgid, length) in [(0, 993), (1, 994)] {
            wire.message().await;
            wire.send(response(msgid, Value::Binary(vec![0; length]))).await;
        }
        wire.rest().await
    };
    let calls = async {
        let fits = fits.await.unwrap();
        assert_eq!(fits.as_bytes().map(<[u8]>::len), Some(993));
        over.await.unwrap_err().to_string()
    };
    let (error, rest) = tokio::join!(calls, script);
    let expected = "the connection to memory ended before `x` was answered: message of at least \
                    1001 bytes, more than the limit of 1000";
    assert_eq!((error.as_str(), rest), (expected, vec![]));
}

#[tokio::test]
async fn unfinished_messages_of_all_connections_have_one_bound() {
    let limits = server_limits(|limits| limits.unfinished_bytes = 2 * MIB);
    let (server, _) = lab_with(limits).await;
    let message = measured(1_200_000);
    let (begun, rest) = message.split_at(1_100_000);
    let mut first = server.wire().await;
    first.send(begun.to_vec()).await;
    quiet().await;
    let mut second = server.wire().await;
    let _ = second.try_send(begun.to_vec()).await;
    quiet().await;
    let _ = second.try_send(rest.to_vec()).await;
    assert!(second.finish().await.is_empty(), "it was too much");
    // The one that was there before goes on, and what it held is free again.
    for _ in 0..3 {
        first.send(rest.to_vec()).await;
        assert_eq!(first.message().await.as_array().unwrap()[2], Value::Nil);
        first.send(begun.to_vec()).await;
        quiet().await;
    }
    drop(first);
    let mut third = server.wire().await;
    third.send(message).await;
    assert_eq!(third.message().await.as_array().unwrap()[2], Value::Nil);
    server.serves_others().await;
}
