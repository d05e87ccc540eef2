//! A client of datagrams: what it sends, what it believes, and what becomes of its calls when the network is bad.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg_attr(target_os = "linux", expect(clippy::print_stdout, reason = "a skipped test says so"))]

mod support;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use msgrpc::{
    CallError, Client, ClientBuilder, CloseReason, ConnectError, DatagramOptions, DatagramStats,
    Retransmit, Server, Value,
};
use support::{Bench, LabClient, LabService, request, response, until};
use tokio::net::UdpSocket;

/// A peer that does what the test says.
struct Script {
    socket: UdpSocket,
    /// Where the last datagram came from.
    from: Option<SocketAddr>,
}

impl Script {
    async fn listen() -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), from: None }
    }

    fn address(&self) -> String {
        format!("udp://{}", self.socket.local_addr().unwrap())
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder(&self.address())
    }

    async fn client(&self) -> Client {
        self.builder().connect().await.unwrap()
    }

    /// The next datagram, as it is.
    async fn bytes(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let (length, from) = self.socket.recv_from(&mut buffer).await.unwrap();
        self.from = Some(from);
        buffer.truncate(length);
        buffer
    }

    /// The msgid of the next request.
    async fn msgid(&mut self) -> u32 {
        msgid(&self.bytes().await)
    }

    async fn send(&self, datagram: impl AsRef<[u8]>) {
        self.socket.send_to(datagram.as_ref(), self.from.unwrap()).await.unwrap();
    }
}

fn msgid(request: &[u8]) -> u32 {
    let message: Value = msgrpc_core::value::decode(request).unwrap();
    let Value::Array(elements) = message else { panic!("no array") };
    elements[1].as_u64().unwrap().try_into().unwrap()
}

/// A server of the lab, in the test's runtime.
async fn serve(options: DatagramOptions) -> (String, Bench, msgrpc::DatagramCounters) {
    let lab = Bench::default();
    let server = Server::new(LabService::new(lab.clone())).datagrams(options);
    let server = server.listen("udp://127.0.0.1:0").bind().await.unwrap();
    let (address, counters) = (server.addresses()[0].to_string(), server.datagram_counters());
    tokio::spawn(server.run());
    (address, lab, counters)
}

/// The host and port of an address.
fn place(address: &str) -> &str {
    address.strip_prefix("udp://").unwrap()
}

fn stats(client: &Client) -> DatagramStats {
    client.datagram_counters().unwrap().stats()
}

#[tokio::test]
async fn calls_are_answered_side_by_side() {
    let (address, ..) = serve(DatagramOptions::default()).await;
    let client = Client::connect(&address).await.unwrap();
    let lab = LabClient::new(client.clone());
    assert_eq!(lab.add(2, 3).await.unwrap(), 5);
    let sums = try_join_all((0..1_000).map(|n| lab.add(n, 1))).await.unwrap();
    assert_eq!(sums, (1..=1_000).collect::<Vec<_>>());
    assert!(matches!(lab.divide(1, 0).await, Err(CallError::Method(support::DivideByZero))));
    assert_eq!(client.call::<i64>("add", (2, 3)).await.unwrap(), 5);
    assert_eq!(stats(&client).unasked, 0);
    assert_eq!(
        format!("{client:?}"),
        format!("Client {{ peer: \"{}\", timeout: Some(30s), .. }}", place(&address))
    );
}

#[tokio::test]
async fn a_request_is_one_datagram_with_an_id_below_2_to_the_31() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    let call = tokio::spawn(client.call::<i64>("add", (2, 3)));
    let datagram = script.bytes().await;
    let msgid = msgid(&datagram);
    assert!(msgid < 1 << 31);
    assert_eq!(datagram, request(msgid, "add", (2, 3)));
    script.send(response(msgid, 5)).await;
    assert_eq!(call.await.unwrap().unwrap(), 5);
    client.notify("log", ("line",)).await.unwrap();
    assert_eq!(script.bytes().await, b"\x93\x02\xa3log\x91\xa4line");
}

#[tokio::test]
async fn e1_a_request_that_does_not_fit_fails_before_it_is_sent() {
    let mut script = Script::listen().await;
    let heads = request(1 << 30, "put", (Value::Binary(vec![0; 300]),)).len() - 300;
    // The id may take fewer bytes: the longest that always fits, and the shortest that never does.
    let (fits, never) = (65_507 - heads, 65_507 - heads + 5);
    let client = script.builder().max_datagram(1 << 20).connect().await.unwrap();
    let call = tokio::spawn(client.call::<u8>("put", (Value::Binary(vec![7; fits]),)));
    let datagram = script.bytes().await;
    assert!((65_503..=65_507).contains(&datagram.len()), "{}", datagram.len());
    script.send(response(msgid(&datagram), 1)).await;
    assert_eq!(call.await.unwrap().unwrap(), 1);

    let error = client.call::<u8>("put", (Value::Binary(vec![7; never]),)).await.unwrap_err();
    assert!(matches!(&error, CallError::TooLarge(_)) && !error.was_sent(), "{error}");
    let note = client.notify("put", (Value::Binary(vec![7; 65_508 - 10]),)).await.unwrap_err();
    assert_eq!(
        note.to_string(),
        "`put` with its arguments is a datagram of 65508 bytes, more than the 65507 of \
         `max_datagram`; nothing was sent. Over tcp:// it may be larger"
    );
    client.notify("put", (Value::Binary(vec![7; 65_507 - 10]),)).await.unwrap();
    assert_eq!(script.bytes().await.len(), 65_507);

    let usual = script.client().await;
    usual.notify("put", (Value::Binary(vec![7; 8_192 - 10]),)).await.unwrap();
    assert_eq!(script.bytes().await.len(), 8_192);
    let error = usual.notify("put", (Value::Binary(vec![7; 8_193 - 10]),)).await.unwrap_err();
    assert!(error.to_string().contains("8193 bytes, more than the 8192"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn e4_a_lost_request_times_out_and_may_have_been_executed() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    let begun = tokio::time::Instant::now();
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(matches!(&error, CallError::TimedOut(_)) && error.was_sent());
    let peer = script.socket.local_addr().unwrap();
    assert_eq!(error.to_string(), format!("{peer} has not answered `add` within 30s"));
    assert_eq!(begun.elapsed().as_secs(), 30);
    // It was sent once: its method may not be executed twice.
    let first = script.msgid().await;
    drop(tokio::spawn(client.call::<i64>("add", (1, 2))));
    assert_ne!(script.msgid().await, first);
    assert_eq!(stats(&client).resent, 0);
}

#[tokio::test(start_paused = true)]
async fn e4_an_idempotent_call_is_sent_again_with_the_same_bytes() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    let call = client.call::<i64>("add", (1, 2)).idempotent(true);
    let error = call.await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut(_)), "{error}");
    let first = script.bytes().await;
    for _ in 0..5 {
        assert_eq!(script.bytes().await, first);
    }
    assert_eq!(stats(&client).resent, 5);

    let never = script.builder().retransmit(Retransmit::never()).connect().await.unwrap();
    never.call::<i64>("add", (1, 2)).idempotent(true).await.unwrap_err();
    assert_eq!(stats(&never).resent, 0);
}

#[tokio::test]
async fn e4_idempotent_calls_get_through_a_network_that_loses_each_datagram_once() {
    let (address, ..) = serve(DatagramOptions::default()).await;
    let proxy = proxy(&address, |before| if before == 0 { Fate::Lose } else { Fate::Pass }).await;
    let retransmit = Retransmit::default().first(Duration::from_millis(5)).times(100);
    let client = Client::builder(&proxy).retransmit(retransmit).connect().await.unwrap();
    // The request is lost, then its answer.
    let call = |n: i64| client.call::<i64>("add", (n, 1)).idempotent(true);
    let sums = try_join_all((0..50).map(call)).await.unwrap();
    assert_eq!(sums, (1..=50).collect::<Vec<_>>());
    assert!(stats(&client).resent >= 100, "{:?}", stats(&client));
}

#[tokio::test]
async fn e5_a_network_that_doubles_executes_once_with_dedup_and_twice_without() {
    for (dedup, executed) in [(true, 1), (false, 2)] {
        let (address, lab, counters) = serve(DatagramOptions::default().dedup(dedup)).await;
        let proxy = proxy(&address, |_| Fate::Double).await;
        let lab_client = LabClient::connect(&proxy).await.unwrap();
        let call = tokio::spawn(lab_client.hold(5));
        until("both have come", || counters.stats().received == 2).await;
        assert_eq!(lab.started(), executed);
        lab.open(2);
        assert_eq!(call.await.unwrap().unwrap(), 5);
    }
}

#[tokio::test]
async fn e6_answers_that_come_late_twice_or_in_another_order_reach_their_own_calls() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    let calls: Vec<_> = (0..3).map(|_| tokio::spawn(client.call::<u32>("which", ()))).collect();
    let mut msgids = Vec::new();
    for _ in 0..3 {
        msgids.push(script.msgid().await);
    }
    for msgid in msgids.iter().rev().chain(&msgids) {
        script.send(response(*msgid, *msgid)).await;
    }
    let mut answers: Vec<_> =
        join_all(calls).await.into_iter().map(|a| a.unwrap().unwrap()).collect();
    answers.sort_unstable();
    msgids.sort_unstable();
    assert_eq!(answers, msgids);
    until("the others are counted", || stats(&client).unasked == 3).await;

    // A call that was given up: its answer reaches no other.
    let late = client.call::<u32>("late", ()).timeout(Duration::from_millis(1)).await;
    assert!(matches!(late, Err(CallError::TimedOut(_))));
    let given_up = script.msgid().await;
    let next = tokio::spawn(client.call::<u32>("next", ()));
    let msgid = script.msgid().await;
    script.send(response(given_up, 1)).await;
    script.send(response(msgid, 2)).await;
    assert_eq!(next.await.unwrap().unwrap(), 2);
    assert_eq!(stats(&client).unasked, 4);
}

#[tokio::test]
async fn e7_answers_from_elsewhere_are_never_seen() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    let call = tokio::spawn(client.call::<String>("who", ()));
    let msgid = script.msgid().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&response(msgid, "forged"), script.from.unwrap()).await.unwrap();
    script.send(response(msgid, "true")).await;
    assert_eq!(call.await.unwrap().unwrap(), "true");
    assert_eq!(stats(&client).received, 1);
}

#[tokio::test]
async fn e8_an_id_cannot_be_guessed() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    // Even from the right address: a hundred thousand guesses at one call.
    let call = tokio::spawn(client.call::<String>("who", ()));
    let msgid = script.msgid().await;
    let mut forged = 0;
    for guess in (0..1_u32 << 31).step_by(21_474).filter(|guess| *guess != msgid) {
        script.send(response(guess, "forged")).await;
        forged += 1;
        if forged % 64 == 0 {
            until("they are read", || stats(&client).received == forged).await;
        }
    }
    assert!(forged >= 100_000, "{forged}");
    until("they are read", || stats(&client).unasked == forged).await;
    assert!(!call.is_finished());
    script.send(response(msgid, "true")).await;
    assert_eq!(call.await.unwrap().unwrap(), "true");
}

#[tokio::test]
async fn e8_ids_follow_no_order() {
    let mut script = Script::listen().await;
    let client = script.builder().max_in_flight(1_000).connect().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..200 {
        drop(support::poll_once(&mut client.call::<u8>("who", ())));
        ids.push(script.msgid().await);
    }
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 200, "no id comes twice");
    // Each bit is set in about half of them: more than 40 of 200 away is one chance in a hundred million.
    for bit in 0..31 {
        let set = ids.iter().filter(|id| **id >> bit & 1 == 1).count();
        assert!((60..=140).contains(&set), "bit {bit} is set in {set} of 200");
    }
    let rising = ids.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((60..=140).contains(&rising), "{rising} of 199 are larger than the one before");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn e10_a_port_without_a_listener_fails_calls_at_once_and_the_client_lives_on() {
    let script = Script::listen().await;
    let address = script.socket.local_addr().unwrap();
    let client = script.client().await;
    drop(script);
    let first = client.call::<i64>("add", (1, 2));
    let error = tokio::time::timeout(Duration::from_secs(5), first).await.unwrap().unwrap_err();
    let CallError::Unreachable(unreachable) = &error else { panic!("{error}") };
    assert_eq!(unreachable.error().kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.was_sent());
    let text = format!("`add` was not answered: nobody listens at {address} (connection refused)");
    assert_eq!(error.to_string(), text);
    // All that wait learn it, also those that would be sent again.
    let calls = (0..20).map(|n| client.call::<i64>("add", (n, 2)).idempotent(n % 2 == 0));
    for outcome in join_all(calls).await {
        assert!(matches!(outcome, Err(CallError::Unreachable(_))), "{outcome:?}");
    }
    client.notify("log", ()).await.unwrap();
    assert!(client.closed().is_none());

    let server = Server::new(LabService::new(Bench::default())).listen(format!("udp://{address}"));
    tokio::spawn(server.bind().await.unwrap().run());
    // What the notification brought about is not blamed on this call.
    tokio::task::yield_now().await;
    assert_eq!(client.call::<i64>("add", (2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn e13_garbage_in_place_of_an_answer_is_dropped_and_counted() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    let call = tokio::spawn(client.call::<i64>("add", (2, 3)));
    let msgid = script.msgid().await;
    let good = response(msgid, 5);
    script.send(b"").await;
    script.send(b"HTTP/1.1 400 Bad Request\r\n").await;
    script.send(&good[..good.len() - 1]).await;
    script.send([&good[..], b"\x00"].concat()).await;
    script.send(b"\x93\x01\x00\xc0").await;
    until("they are read", || stats(&client).garbage == 5).await;
    assert!(!call.is_finished());
    // Two answers in one datagram are two answers.
    script.send([response(1_u32 << 31, 0), good].concat()).await;
    assert_eq!(call.await.unwrap().unwrap(), 5);
    assert_eq!(stats(&client).unasked, 1);
}

#[tokio::test]
async fn w12_a_client_answers_nothing() {
    let mut script = Script::listen().await;
    let client = script.client().await;
    client.notify("here", ()).await.unwrap();
    script.bytes().await;
    script.send(request(1, "add", (2, 3))).await;
    script.send(support::notification("note", (1,))).await;
    until("they are read", || stats(&client).unasked == 2).await;
    client.notify("last", ()).await.unwrap();
    assert_eq!(script.bytes().await, b"\x93\x02\xa4last\x90", "nothing came before it");
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_their_turn() {
    let mut script = Script::listen().await;
    let client = script.builder().max_in_flight(2).connect().await.unwrap();
    let mut calls: Vec<_> = (0..5).map(|n| client.call::<u32>("turn", (n,))).collect();
    for call in &mut calls {
        assert!(support::poll_once(call).is_pending());
    }
    // A call in line that is given up was never sent.
    let unsent = client.call::<u32>("turn", (9,)).timeout(Duration::from_millis(1)).await;
    assert!(matches!(&unsent, Err(error) if !error.was_sent()), "{unsent:?}");
    let (first, second) = (script.msgid().await, script.msgid().await);
    assert!(script.socket.try_recv(&mut [0; 64]).is_err(), "two are in flight");
    drop(calls.remove(4));
    // One that is answered and one that is dropped make room.
    script.send(response(first, 1)).await;
    assert_eq!(calls.remove(0).await.unwrap(), 1);
    drop(calls.remove(0));
    let (third, fourth) = (script.msgid().await, script.msgid().await);
    assert!(![first, second].contains(&third));
    script.send(response(third, 3)).await;
    script.send(response(fourth, 4)).await;
    assert_eq!(try_join_all(calls).await.unwrap(), [3, 4]);
}

#[tokio::test]
async fn closing_fails_what_waits_and_ends_the_task() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut script = Script::listen().await;
    let client = script.client().await;
    let mut call = client.call::<u8>("add", (2, 3));
    assert!(support::poll_once(&mut call).is_pending());
    script.bytes().await;
    let clone = client.clone();
    client.close().await;
    let peer = script.socket.local_addr().unwrap();
    let error = call.await.unwrap_err();
    assert!(error.was_sent());
    assert_eq!(
        error.to_string(),
        format!(
            "the connection to {peer} ended before `add` was answered: it was closed on this side"
        )
    );
    assert!(matches!(*clone.closed().unwrap(), CloseReason::Local));
    let error = clone.call::<u8>("add", (2, 3)).await.unwrap_err();
    assert!(matches!(&error, CallError::Closed(_)) && !error.was_sent(), "{error}");
    clone.notify("log", ()).await.unwrap_err();
    assert_eq!(alive(), 0);

    let dropped = script.client().await;
    assert_eq!(alive(), 1);
    drop(dropped);
    until("its task ends", || alive() == 0).await;
}

#[tokio::test]
async fn a_client_of_datagrams_cannot_serve() {
    let script = Script::listen().await;
    let service = LabService::new(Bench::default());
    let error = script.builder().serve(service).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::CannotServe { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "a client of {} cannot serve: datagrams have no connection that the server could call \
             back over; leave `.serve(…)` out, or use tcp://",
            script.address()
        )
    );
}

/// Runs `test` within a network of its own, in a process of its own, which is the test `name` once more.
#[cfg(target_os = "linux")]
fn in_a_network_of_its_own(name: &str, test: impl Future<Output = ()>) {
    const INSIDE: &str = "MSGRPC_TEST_IN_A_NETWORK_OF_ITS_OWN";
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(test);
    }
    let unshare = || {
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["--map-root-user", "--net"]);
        unshare
    };
    let outside = unshare().args(["ip", "link", "set", "lo", "up"]).output();
    if !outside.is_ok_and(|output| output.status.success()) {
        println!("skipped: no network of its own can be made here (unshare, ip)");
        return;
    }
    let mut inside = unshare();
    inside.arg(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]);
    let inside = inside.env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success(), "{}{said}", String::from_utf8_lossy(&inside.stdout));
}

#[cfg(target_os = "linux")]
fn ip(words: &str) {
    let ip = std::process::Command::new("ip").args(words.split(' ')).status();
    assert!(ip.unwrap().success(), "ip {words}");
}

#[cfg(target_os = "linux")]
#[test]
fn e15_what_the_system_refuses_to_send_is_an_error_of_that_call_only() {
    let name = "e15_what_the_system_refuses_to_send_is_an_error_of_that_call_only";
    in_a_network_of_its_own(name, async {
        ip("link set lo up");
        ip("address add 192.0.2.1/32 dev lo");
        let lab = Bench::default();
        let server = Server::new(LabService::new(lab.clone())).listen("udp://192.0.2.1:7");
        tokio::spawn(server.bind().await.unwrap().run());
        let client = Client::builder("udp://192.0.2.1:7").max_in_flight(2).connect().await.unwrap();
        let waiting = tokio::spawn(client.call::<u64>("hold", (7,)));
        until("it is at work", || lab.started() == 1).await;
        ip("address delete 192.0.2.1/32 dev lo");
        // Those that wait their turn are refused as well.
        let calls = (0..5).map(|n| client.call::<i64>("add", (n, 3)));
        for outcome in join_all(calls).await {
            let error = outcome.unwrap_err();
            let is_it = matches!(&error, CallError::NotConnected(_)) && !error.was_sent();
            assert!(is_it, "{error}");
            assert_eq!(
                error.to_string(),
                "`add` was not sent: the system refused to send it to 192.0.2.1:7: Network is \
                 unreachable (os error 101)"
            );
        }
        let error = client.notify("note", (1,)).await.unwrap_err();
        assert!(matches!(&error, CallError::NotConnected(_)), "{error}");
        assert_eq!(stats(&client).unsent, 6);
        ip("address add 192.0.2.1/32 dev lo");
        assert_eq!(client.call::<i64>("add", (2, 3)).await.unwrap(), 5);
        lab.open(1);
        assert_eq!(waiting.await.unwrap().unwrap(), 7);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn large_datagrams_cross_networks_that_carry_small_pieces() {
    let name = "large_datagrams_cross_networks_that_carry_small_pieces";
    in_a_network_of_its_own(name, async {
        ip("link set lo up");
        ip("link set lo mtu 1500");
        let (address, ..) = serve(DatagramOptions::default().max_datagram(65_507)).await;
        let builder = Client::builder(&address).max_datagram(65_507);
        let lab = LabClient::new(builder.connect().await.unwrap());
        assert_eq!(lab.measure(&vec![7; 65_000]).await.unwrap(), 65_000);
        assert_eq!(lab.bytes(65_000).await.unwrap(), Value::Binary(vec![7; 65_000]));
    });
}

#[tokio::test]
async fn a_client_counts_as_connected_until_it_is_closed() {
    let script = Script::listen().await;
    let client = script.client().await;
    let peer = script.socket.local_addr().unwrap();
    assert_eq!(client.state().to_string(), format!("connected to {peer}"));
    let mut states = client.watch();
    assert!(states.current().is_connected());
    client.clone().close().await;
    assert!(states.changed().await.unwrap().is_closed());
    assert!(states.changed().await.is_none());
    assert!(client.state().is_closed() && client.watch().current().is_closed());
}

#[tokio::test]
async fn what_needs_a_connection_says_that_there_is_none() {
    let script = Script::listen().await;
    let address = script.address();
    let error = script.builder().connect_lazy().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "a client of {address} has no connection to wait for: datagrams go to whoever is there; use \
             `.connect()`, which only looks the name up"
        )
    );
    let why = "UDP has no connections to open or to accept: a `Client` calls over it and a `Server` \
               listens on it without; where streams are needed, use tcp://";
    let options = msgrpc::transport::DialOptions::default();
    let error = msgrpc::transport::dial(&address.parse().unwrap(), &options).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not connect to {address}: {why}"));
}

/// What a network does to a datagram.
#[derive(Clone, Copy)]
enum Fate {
    Pass,
    Lose,
    Double,
}

/// A network between one client and `server`: `fate` decides about each datagram, either way, by how often the same
/// bytes have come before.
async fn proxy(server: &str, fate: fn(u32) -> Fate) -> String {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    far.connect(place(server)).await.unwrap();
    let address = format!("udp://{}", near.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut there, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let mut client = None;
        let mut seen = HashMap::new();
        let mut copies = |datagram: &[u8]| {
            let before = seen.entry(datagram.to_vec()).or_insert(0);
            *before += 1;
            match fate(*before - 1) {
                Fate::Lose => 0,
                Fate::Pass => 1,
                Fate::Double => 2,
            }
        };
        loop {
            tokio::select! {
                received = near.recv_from(&mut there) => {
                    let (length, from) = received.unwrap();
                    client = Some(from);
                    for _ in 0..copies(&there[..length]) {
                        far.send(&there[..length]).await.unwrap();
                    }
                }
                received = far.recv(&mut back) => {
                    let length = received.unwrap();
                    for _ in 0..copies(&back[..length]) {
                        near.send_to(&back[..length], client.unwrap()).await.unwrap();
                    }
                }
            }
        }
    });
    address
}
