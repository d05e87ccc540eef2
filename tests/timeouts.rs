//! Times that a server and a connection keep: what methods may take, and how long silence may last.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use msgrpc::{CallError, Client, CloseReason, Context, FaultCode, Limits, Reconnect, Server};
use support::{
    Bench, LabClient, LabService, Running, Script, Wire, bytes, client_limits, memory,
    notification, quiet, request, response, server_limits, until, value,
};
use tokio::time::{Instant, advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[msgrpc::service(namespace = "nap")]
trait Nap {
    async fn short(&self, millis: u64) -> u64;
    async fn long(&self, millis: u64) -> u64;
    /// How many milliseconds are left.
    async fn left(&self, ctx: &Context) -> Option<u64>;
    #[msgrpc(notification)]
    async fn note(&self, millis: u64);
}

#[derive(Clone, Default)]
struct Sofa {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Sofa {
    async fn nap(&self, millis: u64) -> u64 {
        struct Dropped<'a>(&'a Sofa, bool);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                let count = if self.1 { &self.0.ended } else { &self.0.dropped };
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        let mut dropped = Dropped(self, false);
        sleep(Duration::from_millis(millis)).await;
        dropped.1 = true;
        millis
    }

    fn counts(&self) -> [usize; 3] {
        [&self.begun, &self.ended, &self.dropped].map(|count| count.load(Ordering::SeqCst))
    }
}

impl Nap for Sofa {
    async fn short(&self, millis: u64) -> u64 {
        self.nap(millis).await
    }

    async fn long(&self, millis: u64) -> u64 {
        self.nap(millis).await
    }

    async fn left(&self, ctx: &Context) -> Option<u64> {
        let left = ctx.deadline()?.saturating_duration_since(Instant::now());
        Some(u64::try_from(left.as_millis()).unwrap())
    }

    async fn note(&self, millis: u64) {
        self.nap(millis).await;
    }
}

/// A server whose methods may take a second, but for `nap.long`.
async fn bedroom() -> (Running, Sofa, NapClient) {
    let sofa = Sofa::default();
    let server = Server::new(NapService::new(sofa.clone()))
        .method_timeout(SECOND)
        .method_timeout_of("nap.long", 2 * SECOND)
        .method_timeout_of("nap.left", Duration::from_millis(700));
    let server = Running::start(server).await;
    let client = NapClient::connect(&server.address).await.unwrap();
    (server, sofa, client)
}

#[tokio::test(start_paused = true)]
async fn a_method_that_takes_too_long_is_dropped_and_its_caller_told() {
    let (server, sofa, client) = bedroom().await;
    let begun = Instant::now();
    let error = client.short(3_600_000).await.unwrap_err();
    assert_eq!(error.to_string(), "[-32002] `nap.short` took longer than 1s");
    let CallError::Fault(fault) = error else { unreachable!("{error:?}") };
    assert_eq!(fault.code(), FaultCode::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 1);
    assert_eq!(sofa.counts(), [1, 0, 1]);
    let error = client.long(3_600_000).await.unwrap_err();
    assert_eq!(error.to_string(), "[-32002] `nap.long` took longer than 2s");
    assert_eq!((begun.elapsed().as_secs(), sofa.counts()), (3, [2, 0, 2]));
    assert_eq!(client.short(999).await.unwrap(), 999);
    assert_eq!(client.long(1_999).await.unwrap(), 1_999);
    let stopped = server.stop().await;
    assert_eq!((stopped.timed_out, stopped.aborted), (2, 0));
    assert!(stopped.to_string().ends_with("; 2 timed out before"), "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn a_method_knows_when_it_is_due() {
    let (_server, _, client) = bedroom().await;
    assert_eq!(client.left().await.unwrap(), Some(700));
    let server = Running::start(Server::new(NapService::new(Sofa::default()))).await;
    let client = NapClient::connect(&server.address).await.unwrap();
    assert_eq!(client.left().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn one_method_may_have_no_timeout_where_others_have() {
    let server = Server::new(NapService::new(Sofa::default()))
        .method_timeout(SECOND)
        .method_timeout_of("nap.long", None);
    let server = Running::start(server).await;
    let client = NapClient::connect(&server.address).await.unwrap();
    assert_eq!(client.long(20_000).await.unwrap(), 20_000);
    assert!(client.short(1_001).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_takes_too_long_makes_room_for_the_next() {
    let (server, sofa, client) = bedroom().await;
    client.note(3_600_000).await.unwrap();
    client.note(10).await.unwrap();
    client.note(3_600_000).await.unwrap();
    client.note(20).await.unwrap();
    let begun = Instant::now();
    while sofa.counts() != [4, 2, 2] {
        sleep(Duration::from_millis(10)).await;
        assert!(begun.elapsed() < 3 * SECOND, "{:?}", sofa.counts());
    }
    assert!((2..3).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(server.stop().await.timed_out, 2);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_method_is_answered_in_time_though_it_runs_on() {
    let bench = Bench::default();
    let server = Server::new(LabService::new(bench.clone())).method_timeout(SECOND);
    let server = Running::start(server).await;
    let lab = LabClient::connect(&server.address).await.unwrap();
    let call = tokio::spawn(lab.hold_thread(1));
    until("it is at work", || bench.started() == 1).await;
    advance(2 * SECOND).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "[-32002] `hold_thread` took longer than 1s");
    bench.open(1);
    until("the thread ends", || bench.ended() == 1).await;
}

#[tokio::test]
async fn a_timeout_for_a_method_that_nobody_has_is_refused() {
    let server = Server::new(NapService::new(Sofa::default())).listen(memory().as_str());
    let error = server.method_timeout_of("short", SECOND).bind().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no service has a method `short`, for which a timeout is set; what counts is the name on \
         the wire, with its namespace"
    );
}

/// A server that closes connections after a minute of silence.
async fn patient() -> (Running, Bench) {
    let bench = Bench::default();
    let server = Server::new(LabService::new(bench.clone())).idle_timeout(60 * SECOND);
    (Running::start(server).await, bench)
}

/// After how many seconds the other side ends the connection.
async fn seconds_until_closed(wire: &mut Wire) -> u64 {
    let begun = Instant::now();
    assert_eq!(wire.next().await, None);
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_in_order_and_by_default_never() {
    let (server, _) = patient().await;
    assert_eq!(seconds_until_closed(&mut server.wire().await).await, 60);
    server.serves_others().await;

    let server = Running::start(Server::new(LabService::new(Bench::default()))).await;
    let mut wire = server.wire().await;
    sleep(1_000_000 * SECOND).await;
    wire.send(request(1, "add", (1, 2))).await;
    assert_eq!(wire.message().await, value((1, 1, (), 3)));
}

#[tokio::test(start_paused = true)]
async fn the_idle_clock_starts_anew_with_what_comes() {
    let (server, _) = patient().await;
    let mut wire = server.wire().await;
    for message in [request(1, "add", (1, 2)), notification("note", (1,)), response(9, 1)] {
        sleep(59 * SECOND).await;
        wire.send(message).await;
    }
    assert_eq!(wire.message().await, value((1, 1, (), 3)));
    assert_eq!(seconds_until_closed(&mut wire).await, 60);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_something_at_work_is_not_idle() {
    let (server, bench) = patient().await;
    let mut wire = server.wire().await;
    wire.send([request(1, "hold", (5,)), notification("late_note", (3,))].concat()).await;
    until("both are at work", || bench.started() == 2).await;
    sleep(600 * SECOND).await;
    bench.open(2);
    assert_eq!(wire.message().await, value((1, 1, (), 5)));
    assert_eq!(seconds_until_closed(&mut wire).await, 60);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_complete_has_a_timeout_of_its_own() {
    let (server, _) = patient().await;
    let mut wire = server.wire().await;
    sleep(50 * SECOND).await;
    wire.send(&request(1, "add", (1, 2))[..3]).await;
    assert_eq!(seconds_until_closed(&mut wire).await, 30);
}

#[tokio::test(start_paused = true)]
async fn a_client_closes_when_idle_and_not_while_it_waits_for_an_answer() {
    let (client, mut wire) =
        Script::client_with(|builder| builder.idle_timeout(10 * SECOND).timeout(None)).await;
    let call = tokio::spawn(client.call::<u8>("x", ()));
    wire.message().await;
    sleep(1_000 * SECOND).await;
    wire.send(response(0, 7)).await;
    assert_eq!(call.await.unwrap().unwrap(), 7);
    assert!(client.closed().is_none());
    sleep(9 * SECOND).await;
    // What we send does not count, unless it waits for an answer.
    client.notify("note", (1,)).await.unwrap();
    wire.message().await;
    assert_eq!(seconds_until_closed(&mut wire).await, 1);
    quiet().await;
    assert!(matches!(client.closed().as_deref(), Some(CloseReason::Idle(_))));
    let error = client.call::<u8>("x", ()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`x` was not sent, as the connection to memory had ended: it was idle for 10s"
    );
    assert!(!error.was_sent());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reconnects_sleeps_after_an_idle_connection_until_somebody_calls() {
    let mut script = Script::listen().await;
    let builder = Client::builder(&script.address).idle_timeout(10 * SECOND).timeout(None);
    let client = builder.connect().await.unwrap();
    assert_eq!(seconds_until_closed(&mut script.accept().await).await, 10);
    for number in 0..3_u16 {
        // For an hour nobody connects.
        let asleep = tokio::time::timeout(3_600 * SECOND, script.accept()).await;
        assert!(asleep.is_err(), "{number}: somebody has connected");
        assert!(client.closed().is_none());
        let (call, mut wire) = if number < 2 {
            let call = tokio::spawn(client.call::<u16>("x", (number,)));
            (Some(call), script.accept().await)
        } else {
            let (sent, wire) = tokio::join!(client.notify("note", (number,)), script.accept());
            sent.unwrap();
            (None, wire)
        };
        let message = wire.message().await;
        if let Some(call) = call {
            let msgid = message.as_array().unwrap()[1].clone();
            wire.send(response(&msgid, number)).await;
            assert_eq!(call.await.unwrap().unwrap(), number);
        } else {
            assert_eq!(message, value((2, "note", [number])));
        }
        assert_eq!(seconds_until_closed(&mut wire).await, 10);
    }
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sleeps_can_be_closed_and_dropped() {
    for close in [true, false] {
        let mut script = Script::listen().await;
        let client = Client::builder(&script.address).idle_timeout(SECOND).connect().await.unwrap();
        seconds_until_closed(&mut script.accept().await).await;
        sleep(60 * SECOND).await;
        let metrics = tokio::runtime::Handle::current().metrics();
        assert_eq!(metrics.num_alive_tasks(), 1, "the client's own");
        if close {
            client.close().await;
        } else {
            drop(client);
        }
        until("it has ended", || metrics.num_alive_tasks() == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_dropped_is_waited_for_until_its_grace_is_over() {
    let limits = client_limits(|limits| limits.idle_timeout = Some(10 * SECOND));
    let (client, mut wire) = Script::client_with(|builder| builder.limits(limits)).await;
    let call = client.call::<u8>("x", ()).timeout(5 * SECOND);
    call.await.unwrap_err();
    wire.message().await;
    let seconds = seconds_until_closed(&mut wire).await;
    assert!((40..=41).contains(&seconds), "30 s of grace and 10 s of silence, not {seconds}");
}

/// Over a socket, where a caller that is alone writes past the connection's task.
#[tokio::test]
async fn a_call_over_tcp_holds_the_idle_clock_up() {
    let short = Duration::from_millis(150);
    let server = Server::new(NapService::new(Sofa::default())).listen("tcp://127.0.0.1:0");
    let server = server.idle_timeout(short).bind().await.unwrap();
    let address = server.addresses()[0].to_string();
    tokio::spawn(server.run());
    let builder = Client::builder(&address).idle_timeout(short).reconnect(Reconnect::never());
    let client = builder.connect().await.unwrap();
    let nap = NapClient::new(client.clone());
    for millis in [0, 400, 0] {
        assert_eq!(nap.short(millis).await.unwrap(), millis);
    }
    let begun = Instant::now();
    while client.closed().is_none() {
        sleep(Duration::from_millis(5)).await;
        assert!(begun.elapsed() < 20 * SECOND, "it is never closed");
    }
    assert!(begun.elapsed() >= short, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_borne_for_30_seconds_and_silence_between_messages_for_ever() {
    let server = Running::start(Server::new(LabService::new(Bench::default()))).await;
    let mut wire = server.wire().await;
    wire.send(request(1, "add", (1, 2))).await;
    assert_eq!(wire.message().await, value((1, 1, (), 3)));
    sleep(100_000 * SECOND).await;
    let message = bytes((0, 2, "echo", ("a".repeat(100),)));
    let begun = Instant::now();
    for byte in &message {
        if wire.try_send([*byte]).await.is_err() {
            break;
        }
        sleep(SECOND).await;
    }
    assert_eq!(wire.next().await, None);
    assert!(begun.elapsed() <= 32 * SECOND, "{:?}", begun.elapsed());
}

#[test]
fn nobody_has_an_idle_timeout_by_default() {
    assert_eq!((Limits::server().idle_timeout, Limits::client().idle_timeout), (None, None));
    let limits = server_limits(|limits| limits.idle_timeout = Some(SECOND));
    assert!(format!("{limits:?}").contains("idle_timeout: Some(1s)"));
}
