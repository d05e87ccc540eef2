//! Peers that send too much, take too little, or go too early: what they cost stays bounded.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use futures::future::join_all;
use msgrpc::transport::Stream;
use msgrpc::{CallError, Client, CloseReason, Context, Peer, Server, Value};
use support::{
    Bench, LabClient, LabService, Running, Script, bytes, client_limits, lab, lab_with,
    notification, quiet, request, response, server_limits, until, value,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

#[tokio::test]
async fn a_flood_of_requests_starts_no_more_than_may_be_at_work() {
    let (server, bench) = lab_with(server_limits(|limits| limits.requests_at_work = 100)).await;
    let mut wire = server.wire().await;
    let flood: Vec<_> = (0..20_000_u32).flat_map(|n| request(n, "hold", (n,))).collect();
    let half = flood.len() / 2;
    let writer = tokio::spawn(async move {
        wire.send(&flood[..half]).await;
        wire.send(&flood[half..]).await;
        wire
    });
    until("the first are at work", || bench.started() == 100).await;
    quiet().await;
    assert_eq!(bench.started(), 100);
    assert!(!writer.is_finished(), "it is not read from");
    server.serves_others().await;
    bench.open(50);
    until("as many come after them", || bench.started() == 150).await;
    quiet().await;
    assert_eq!((bench.started(), bench.ended()), (150, 50));
    bench.open(20_000);
    let mut wire = writer.await.unwrap();
    let mut answered = vec![false; 20_000];
    for _ in 0..20_000 {
        let message = wire.message().await;
        let msgid = message.as_array().unwrap()[1].as_u64().unwrap();
        assert!(!std::mem::replace(&mut answered[usize::try_from(msgid).unwrap()], true));
    }
    assert_eq!(wire.finish().await, []);
}

#[tokio::test]
async fn a_burst_of_the_smallest_messages_keeps_nobody_else_waiting() {
    let (server, _) = lab().await;
    let mut wire = server.wire().await;
    let flood = tokio::spawn(async move {
        let burst = notification("x", ()).repeat(20_000);
        for _ in 0..50 {
            wire.send(&burst).await;
        }
        wire.send(request(1, "add", (1, 2))).await;
        wire.finish().await
    });
    let lab = LabClient::connect(&server.address).await.unwrap();
    // A task of its own: the test's future has its turn only once in 61.
    let calls = tokio::spawn(async move {
        let mut answered = 0;
        while !flood.is_finished() {
            assert_eq!(lab.add(1, answered).await.unwrap(), answered + 1);
            answered += 1;
        }
        (answered, flood.await.unwrap())
    });
    let (answered, found) = calls.await.unwrap();
    assert!(answered >= 50, "only {answered} calls were answered beside a million messages");
    assert_eq!(found, [value((1, 1, (), 3))]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_answers_is_no_longer_served_and_let_go_after_30_seconds() {
    let (server, _) = lab_with(server_limits(|limits| limits.output_bytes = 100_000)).await;
    let mut wire = server.wire().await;
    let begun = Instant::now();
    let mut sent: u32 = 0;
    // Each is answered with ten thousand bytes; none is read.
    while tokio::time::timeout(
        Duration::from_secs(1),
        wire.try_send(request(sent, "bytes", (10_000,))),
    )
    .await
    .is_ok_and(|written| written.is_ok())
    {
        sent += 1;
        assert!(sent < 20_000, "it is read from without end");
    }
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(wire.try_send(request(sent, "bytes", (1,))).await.is_err(), "it was let go");
    assert!(begun.elapsed() < Duration::from_secs(50));
    server.serves_others().await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_taken_stop_new_requests_from_being_started() {
    let (server, bench) = lab_with(server_limits(|limits| limits.output_bytes = 50_000)).await;
    let mut wire = server.wire().await;
    wire.send(request(0, "bytes", (200_000,))).await;
    let requests: Vec<_> = (1..10).flat_map(|n| request(n, "hold", (n,))).collect();
    wire.send(requests).await;
    quiet().await;
    assert_eq!(bench.started(), 0, "its first answer is not taken yet");
    bench.open(9);
    assert_eq!(wire.message().await.as_array().unwrap()[1], Value::from(0));
    for n in 1..10 {
        assert_eq!(wire.message().await, value((1, n, (), n)));
    }
}

#[tokio::test(start_paused = true)]
async fn half_closing_still_gets_every_answer_for_30_seconds() {
    let (server, bench) = lab().await;
    let (mut early, mut late) = (server.wire().await, server.wire().await);
    for (wire, token) in [(&mut early, 1), (&mut late, 2)] {
        wire.send([request(1, "hold", (token,)), request(2, "add", (1, 2))].concat()).await;
        wire.half_close().await;
        assert_eq!(wire.message().await, value((1, 2, (), 3)));
    }
    tokio::time::sleep(Duration::from_secs(29)).await;
    bench.open(1);
    assert_eq!(early.rest().await, [value((1, 1, (), 1))]);
    let begun = Instant::now();
    assert_eq!(late.rest().await, []);
    assert_eq!((bench.dropped(), begun.elapsed().as_secs()), (1, 1));
}

#[tokio::test]
async fn a_reset_drops_the_handlers_at_once() {
    let bench = Bench::default();
    let server = Server::new(LabService::new(bench.clone()));
    let server = Running::start_at(server, "tcp://127.0.0.1:0").await;
    let place = server.address.strip_prefix("tcp://").unwrap();
    let mut socket = std::net::TcpStream::connect(place).unwrap();
    let requests = [request(1, "hold", (1,)), request(2, "watch", ()), request(3, "hold", (2,))];
    io::Write::write_all(&mut socket, &requests.concat()).unwrap();
    until("they are at work", || bench.started() == 3).await;
    // The answer to `watch` has come and is not read: closing resets the connection.
    socket.set_nonblocking(true).unwrap();
    until("an answer is there", || socket.peek(&mut [0]).is_ok()).await;
    drop(socket);
    until("they are dropped", || (bench.dropped(), bench.cancelled()) == (2, 1)).await;
    server.serves_others().await;
}

/// A server whose method calls its caller back, and a scripted peer that has called it and has not
/// answered yet.
async fn called_back() -> (Running, Bench, support::Wire) {
    #[msgrpc::service]
    trait Ask {
        async fn ask(&self, ctx: &Context) -> u8;
    }
    struct Asker;
    impl Ask for Asker {
        async fn ask(&self, ctx: &Context) -> u8 {
            ctx.client().call("answer", ()).await.unwrap()
        }
    }
    let bench = Bench::default();
    let limits = server_limits(|limits| {
        limits.requests_at_work = 2;
        limits.backlog_bytes = 200;
    });
    let server = Server::new(LabService::new(bench.clone())).service(AskService::new(Asker));
    let server = Running::start(server.limits(limits)).await;
    let mut wire = server.wire().await;
    wire.send(request(1000, "ask", ())).await;
    let none: [u8; 0] = [];
    assert_eq!(wire.message().await, value((0, 0, "answer", none)));
    (server, bench, wire)
}

#[tokio::test]
async fn while_we_wait_for_its_answer_a_peer_beyond_its_backlog_is_refused() {
    let (server, bench, mut wire) = called_back().await;
    let requests: Vec<_> = (0..100_u32).flat_map(|n| request(n, "hold", (n,))).collect();
    wire.send(requests).await;
    let mut refused = Vec::new();
    while refused.len() < 70 {
        let message = wire.message().await;
        let parts = message.as_array().unwrap();
        assert_eq!(
            parts[2].as_str().unwrap(),
            "[-32001] 2 requests are at work on this connection"
        );
        refused.push(parts[1].as_u64().unwrap());
    }
    wire.send(response(0, 42)).await;
    bench.open(100);
    wire.half_close().await;
    let mut answered = Vec::new();
    for message in wire.rest().await {
        let parts = message.as_array().unwrap();
        let list = if parts[2].is_nil() { &mut answered } else { &mut refused };
        list.push(parts[1].as_u64().unwrap());
    }
    assert!(answered.contains(&1000), "our own call was answered all the same");
    assert_eq!(answered.len() + refused.len(), 101, "each has one answer");
    // Those in the backlog: 200 bytes of about ten each, and the one that was at work.
    assert!((15..=30).contains(&answered.len()), "{}", answered.len());
    server.serves_others().await;
}

#[tokio::test]
async fn a_notification_that_cannot_be_kept_ends_the_connection() {
    let (server, bench, mut wire) = called_back().await;
    let notes: Vec<_> = (0..100_u32).flat_map(|n| notification("late_note", (n,))).collect();
    wire.send(notes).await;
    assert_eq!(wire.rest().await, []);
    assert_eq!(bench.kept(), []);
    server.serves_others().await;
}

#[tokio::test]
async fn without_an_answer_to_wait_for_reading_stops_and_nothing_is_lost() {
    let limits = server_limits(|limits| {
        limits.requests_at_work = 2;
        limits.backlog_bytes = 200;
    });
    let (server, bench) = lab_with(limits).await;
    let mut wire = server.wire().await;
    let notes: Vec<_> = (0..1000_i64).flat_map(|n| notification("late_note", (n,))).collect();
    wire.send(notes).await;
    wire.send(request(1, "notes", ())).await;
    assert!(wire.is_silent().await);
    bench.open(1000);
    until("all are kept", || bench.kept().len() == 1000).await;
    assert!(bench.kept().into_iter().eq(0..1000), "in their order");
    assert_eq!(wire.message().await.as_array().unwrap()[1], Value::from(1));
}

#[tokio::test(start_paused = true)]
async fn callers_wait_while_their_server_takes_nothing_and_their_timeouts_count() {
    let limits = client_limits(|limits| limits.output_bytes = 50_000);
    let (client, mut wire) = Script::client_with(|builder| builder.limits(limits)).await;
    let data = "x".repeat(1000);
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let call = client.call::<u8>("x", (&data,)).timeout(Duration::from_secs(10));
            tokio::spawn(call)
        })
        .collect();
    let begun = Instant::now();
    let errors = join_all(calls).await.into_iter().map(|call| call.unwrap().unwrap_err());
    let (sent, unsent): (Vec<_>, Vec<_>) = errors.partition(CallError::was_sent);
    assert!((60..130).contains(&sent.len()), "as many as the transport takes: {}", sent.len());
    assert_eq!(sent.len() + unsent.len(), 1000);
    assert_eq!(begun.elapsed().as_secs(), 10);
    let note = tokio::spawn(client.notify("end", ()));
    let mut last = wire.message().await;
    while last.as_array().unwrap()[0] != Value::from(2) {
        last = wire.message().await;
    }
    note.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_left_after_30_seconds() {
    let (client, _wire) = Script::client().await;
    let call = client.call::<u8>("x", ("x".repeat(1_000_000),)).timeout(None);
    let begun = Instant::now();
    let error = call.await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection to memory ended before `x` was answered: the peer took no bytes for 30s"
    );
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(matches!(client.closed().as_deref(), Some(CloseReason::WriteStalled(_))));
}

/// What a child process does, told by a variable: an overflow of the stack ends the process.
const DEEP: &str = "MSGRPC_TEST_DEEP";

#[test]
fn nesting_of_any_depth_overflows_no_stack() {
    if std::env::var_os(DEEP).is_some() {
        return nest();
    }
    let name = "nesting_of_any_depth_overflows_no_stack";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(DEEP, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

fn nest() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(nest_messages());
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

async fn nest_messages() {
    let ends: [(&[u8], u8); 3] = [(&[0x91], 0xc0), (&[0x81, 1], 0xc0), (&[0x81], 0xc0)];
    let begins = [
        bytes((0, 7, "echo")),
        bytes((0, 7, "nope")),
        bytes((0, 7, "add")),
        bytes((2, "note")),
        bytes((1, 3, ())),
    ];
    for depth in [100, 125, 126, 127, 128, 129, 1024, 100_000, 8_000_000] {
        for (nested, end) in ends {
            for begin in &begins {
                let (server, _) = lab().await;
                let mut wire = server.wire().await;
                let mut head = begin.clone();
                head[0] += 1;
                let body = nested.repeat(depth);
                let sent = [&head[..], &[0x91][..usize::from(nested != [0x91])], &body, &[end]];
                let _ = wire.try_send(sent.concat()).await;
                let _ = wire.finish().await;
                server.serves_others().await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_comes_and_goes_leaves_nothing_behind() {
    let (server, _) = lab().await;
    quiet().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    for _ in 0..200 {
        drop(server.wire().await);
        let client = Client::connect(&server.address).await.unwrap();
        let sum: i64 = client.call("add", (1, 2)).await.unwrap();
        assert_eq!(sum, 3);
    }
    until("all tasks have ended", || metrics.num_alive_tasks() == before).await;
}

/// A transport that takes bytes and keeps them to itself, as TLS may when the peer takes none.
struct Keeps(tokio::io::DuplexStream);

impl AsyncRead for Keeps {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Keeps {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_never_flushed_ends_the_connection_after_30_seconds() {
    let (near, _far) = tokio::io::duplex(64);
    let stream = Stream::new(Keeps(near), Peer::named("keeper"), support::address("memory://x"));
    let begun = Instant::now();
    let error = Client::over(stream).call::<()>("x", ()).timeout(None).await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 30);
    let CallError::Closed(closed) = &error else { panic!("{error}") };
    assert!(matches!(closed.reason(), CloseReason::WriteStalled(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn closing_waits_no_longer_than_30_seconds_for_what_is_never_flushed() {
    let (near, _far) = tokio::io::duplex(64);
    let stream = Stream::new(Keeps(near), Peer::named("keeper"), support::address("memory://x"));
    let client = Client::over(stream);
    let begun = Instant::now();
    client.notify("x", ()).await.unwrap();
    client.close().await;
    assert_eq!(begun.elapsed().as_secs(), 30);
}
