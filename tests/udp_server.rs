//! A server of datagrams, seen by peers that write raw bytes: what it serves, what it drops, what it never sends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use msgrpc::{Address, DatagramCounters, DatagramOptions, Server, Stopped, Value};
use serde::Serialize;
use support::{Bench, LabClient, LabService, error, notification, request, response, until};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server of the lab over datagrams.
struct Bed {
    address: SocketAddr,
    counters: DatagramCounters,
    lab: Bench,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

impl Bed {
    async fn new() -> Self {
        Self::with(DatagramOptions::default()).await
    }

    async fn with(options: DatagramOptions) -> Self {
        Self::built(|server| server.datagrams(options)).await
    }

    async fn built(build: impl FnOnce(Server) -> Server) -> Self {
        let lab = Bench::default();
        let server = build(Server::new(LabService::new(lab.clone())));
        let server = server.listen("udp://127.0.0.1:0").bind().await.unwrap();
        let address = socket_addr(&server.addresses()[0]);
        let counters = server.datagram_counters();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move { server.run_until(stopped).await.unwrap() });
        Self { address, counters, lab, stop, task }
    }

    async fn peer(&self) -> Peer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.address).await.unwrap();
        Peer { socket }
    }
}

fn socket_addr(address: &Address) -> SocketAddr {
    address.to_string().strip_prefix("udp://").unwrap().parse().unwrap()
}

/// Somebody who writes raw datagrams.
struct Peer {
    socket: UdpSocket,
}

impl Peer {
    async fn send(&self, datagram: impl AsRef<[u8]>) {
        self.socket.send(datagram.as_ref()).await.unwrap();
    }

    /// The next datagram, as it is.
    async fn bytes(&self) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let receive = self.socket.recv(&mut buffer);
        let bytes = tokio::time::timeout(Duration::from_secs(10), receive).await.unwrap().unwrap();
        buffer.truncate(bytes);
        buffer
    }

    /// The next datagram, as the message that it is.
    async fn next(&self) -> Value {
        msgrpc_core::value::decode(&self.bytes().await).unwrap()
    }

    async fn ask(&self, msgid: u32, method: &str, params: impl Serialize) -> Value {
        self.send(request(msgid, method, params)).await;
        self.next().await
    }

    /// Nothing has come: a call made now is the next to be answered.
    async fn got_nothing(&self) {
        assert_eq!(self.ask(777, "add", (1, 1)).await, answer(777, 2));
    }
}

fn answer(msgid: u32, result: impl Serialize) -> Value {
    msgrpc_core::value::decode(&response(msgid, result)).unwrap()
}

fn fault(msgid: u32, text: &str) -> Value {
    msgrpc_core::value::decode(&error(msgid, text)).unwrap()
}

#[tokio::test]
async fn requests_are_answered_and_notifications_are_not() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    assert_eq!(peer.ask(7, "add", (2, 3)).await, answer(7, 5));
    peer.send(notification("note", (4,))).await;
    until("the note is kept", || bed.lab.kept() == [4]).await;
    peer.got_nothing().await;
}

#[tokio::test]
async fn e2_an_answer_that_does_not_fit_becomes_a_small_fault() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    let text = "[-32004] result of 70005 bytes does not fit in a datagram";
    assert_eq!(peer.ask(1, "bytes", (70_000,)).await, fault(1, text));
    // 94 01 02 c0 and c5 with two bytes of length stand before the bytes.
    let fits = 8_192 - 7;
    peer.send(request(2, "bytes", (fits,))).await;
    assert_eq!(peer.bytes().await.len(), 8_192);
    let text = "[-32004] result of 8189 bytes does not fit in a datagram";
    assert_eq!(peer.ask(3, "bytes", (fits + 1,)).await, fault(3, text));
}

#[tokio::test]
async fn e2_the_longest_datagram_can_be_allowed() {
    let bed = Bed::with(DatagramOptions::default().max_datagram(1 << 20)).await;
    let peer = bed.peer().await;
    peer.send(request(1, "bytes", (65_507 - 7,))).await;
    assert_eq!(peer.bytes().await.len(), 65_507);
    let text = "[-32004] result of 65504 bytes does not fit in a datagram";
    assert_eq!(peer.ask(2, "bytes", (65_507 - 6,)).await, fault(2, text));
}

#[tokio::test]
async fn e3_the_longest_request_arrives_whole() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    let data = Value::Binary(vec![1; 65_000]);
    assert_eq!(peer.ask(1, "measure", (data,)).await, answer(1, 65_000));
}

#[tokio::test]
async fn e11_two_peers_with_the_same_msgid_do_not_meet() {
    let bed = Bed::new().await;
    let (one, two) = (bed.peer().await, bed.peer().await);
    one.send(request(1, "hold", (10,))).await;
    two.send(request(1, "hold", (20,))).await;
    until("both are at work", || bed.lab.started() == 2).await;
    bed.lab.open(2);
    assert_eq!(one.next().await, answer(1, 10));
    assert_eq!(two.next().await, answer(1, 20));
}

#[tokio::test]
async fn e12_a_cut_datagram_of_one_peer_harms_no_other() {
    let bed = Bed::new().await;
    let (bad, good) = (bed.peer().await, bed.peer().await);
    let whole = request(1, "add", (2, 3));
    for cut in 0..whole.len() {
        bad.send(&whole[..cut]).await;
        assert_eq!(good.ask(2, "add", (20, 22)).await, answer(2, 42), "after {cut} bytes");
    }
    assert_eq!(bed.counters.stats().garbage, whole.len() as u64);
    bad.got_nothing().await;
}

#[tokio::test]
async fn e13_what_is_no_whole_message_is_dropped_and_counted() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    let good = request(1, "add", (2, 3));
    let garbage: [Vec<u8>; 11] = [
        vec![],
        vec![0; 100],
        vec![0xff; 65_000],
        vec![0xc1],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00".to_vec(),
        [&good[..], b"\xc0"].concat(),
        [&good[..], &good[..4]].concat(),
        b"\xdd\xff\xff\xff\xff".to_vec(),
        vec![0x91; 60_000],
        b"\x93\x00\xa3bad\xc0".to_vec(),
    ];
    for (count, datagram) in (1..).zip(&garbage) {
        peer.send(datagram).await;
        until("it is counted", || bed.counters.stats().garbage == count).await;
    }
    peer.got_nothing().await;
    assert_eq!(bed.counters.stats().received, 12);
}

#[tokio::test]
async fn e13_two_messages_in_a_datagram_are_both_served_and_answered_apart() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    let both = [request(1, "add", (2, 3)), request(2, "add", (20, 22))].concat();
    peer.send(both).await;
    assert_eq!(peer.next().await, answer(1, 5));
    assert_eq!(peer.next().await, answer(2, 42));
}

#[tokio::test]
async fn w11_a_request_of_a_wrong_shape_is_answered_where_its_id_can_be_read() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    peer.send(b"\x95\x00\x07\xa3add\x90\xc0").await;
    let text = "[-32600] a request has 4 elements, this one has 5";
    assert_eq!(peer.next().await, fault(7, text));
    // Responses, of any shape, are never answered.
    peer.send(b"\x93\x01\x00\xc0").await;
    peer.send(response(9, 5)).await;
    peer.got_nothing().await;
    let stats = bed.counters.stats();
    assert_eq!((stats.garbage, stats.unasked), (2, 1));
}

#[tokio::test]
async fn w12_only_requests_are_answered_with_faults() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    let text = "[-32601] unknown method: nothing";
    assert_eq!(peer.ask(1, "nothing", ()).await, fault(1, text));
    assert_eq!(peer.ask(2, "panics", ("secret",)).await, fault(2, "[-32603] internal error"));
    peer.send(notification("nothing", ())).await;
    peer.send(notification("panicking_note", ("secret",))).await;
    peer.got_nothing().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn e14_a_flood_of_one_source_is_dropped_beyond_64_and_counted() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    for msgid in 0..200 {
        peer.send(request(msgid, "hold", (msgid,))).await;
    }
    until("the flood is over", || bed.counters.stats().received == 200).await;
    assert_eq!((bed.lab.started(), bed.counters.stats().overloaded), (64, 136));
    // The host is another as far as the server can see.
    let other = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    other.connect(bed.address).await.unwrap();
    Peer { socket: other }.got_nothing().await;
    bed.lab.open(64);
    for _ in 0..64 {
        peer.next().await;
    }
    peer.got_nothing().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn e14_a_flood_of_many_sources_is_dropped_beyond_the_limit() {
    let bed = Bed::with(DatagramOptions::default().requests_at_work(10)).await;
    for host in 1..=20 {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, host], 0))).await.unwrap();
        socket.send_to(&request(1, "hold", (1,)), bed.address).await.unwrap();
    }
    until("the flood is over", || bed.counters.stats().received == 20).await;
    assert_eq!((bed.lab.started(), bed.counters.stats().overloaded), (10, 10));
}

#[tokio::test]
async fn e5_a_request_that_comes_twice_is_executed_twice() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    peer.send(request(1, "hold", (1,))).await;
    peer.send(request(1, "hold", (1,))).await;
    until("both are at work", || bed.lab.started() == 2).await;
    bed.lab.open(2);
    assert_eq!([peer.next().await, peer.next().await], [answer(1, 1), answer(1, 1)]);
}

#[tokio::test]
async fn e5_with_dedup_a_request_that_comes_again_is_executed_once() {
    let bed = Bed::with(DatagramOptions::default().dedup(true)).await;
    let peer = bed.peer().await;
    for _ in 0..3 {
        peer.send(request(1, "hold", (1,))).await;
    }
    until("two are known", || bed.counters.stats().repeated == 2).await;
    assert_eq!(bed.lab.started(), 1);
    bed.lab.open(1);
    // Answered once, and again only where it is asked again.
    assert_eq!(peer.next().await, answer(1, 1));
    peer.got_nothing().await;
    assert_eq!(peer.ask(1, "hold", (1,)).await, answer(1, 1));
    assert_eq!(bed.lab.started(), 1);
    // The same id with other bytes, and the same bytes of another peer, are other requests.
    peer.send(request(1, "hold", (2,))).await;
    let other = bed.peer().await;
    other.send(request(1, "hold", (1,))).await;
    until("both are at work", || bed.lab.started() == 3).await;
}

#[tokio::test]
async fn e9_no_answer_is_more_than_three_times_its_request_and_no_fault_is_longer() {
    let bed = Bed::with(DatagramOptions::default().trust_local(false)).await;
    let peer = bed.peer().await;
    let text = "a long enough text, which makes the answer as long as the question: ".repeat(2);
    let asked: Vec<Vec<u8>> = vec![
        request(1, "echo", (&text,)),
        request(2, "divide", (1, 0)),
        request(3, "bytes", (60,)),
        request(4, "bytes", (9_000,)),
        request(5, "bytes", (9_000, &text)),
        request(6, "nothing", ()),
        request(7, &"n".repeat(300), ()),
        request(8, "panics", (&text,)),
        request(9, "panics", ("",)),
        request(10, "add", (&text, &text)),
        request(11, "add", ("", "")),
        b"\x95\x00\x0c\xa3add\x90\xc0".to_vec(),
        b"\x94\x00\x0d\x01\x90".to_vec(),
        request(14, "note", ()),
    ];
    for datagram in &asked {
        peer.send(datagram).await;
    }
    let stats = || bed.counters.stats();
    until("all are handled", || stats().received == asked.len() as u64).await;
    let mut answered = 0;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length) = peer.socket.try_recv(&mut buffer) {
        answered += 1;
        let Value::Array(message) = msgrpc_core::value::decode(&buffer[..length]).unwrap() else {
            panic!("no message");
        };
        let msgid = usize::try_from(message[1].as_u64().unwrap()).unwrap();
        let request = &asked[msgid - 1];
        let is_fault = message[2].as_str().is_some_and(|text| text.starts_with("[-32"));
        let most = if is_fault { request.len() } else { 3 * request.len() };
        assert!(length <= most, "{length} bytes for {}: {message:?}", request.len());
    }
    assert!(answered >= 4, "{answered}");
    assert_eq!(stats().unanswered, asked.len() as u64 - answered);
}

#[tokio::test]
async fn e9_a_batch_does_not_multiply_answers() {
    let bed = Bed::with(DatagramOptions::default().trust_local(false)).await;
    let peer = bed.peer().await;
    let one = request(1, "add", (2, 3));
    let batch = one.repeat(1_000);
    peer.send(&batch).await;
    until("all are handled", || bed.counters.stats().unanswered == 999).await;
    assert_eq!(peer.next().await, answer(1, 5));
}

#[tokio::test]
async fn e9_a_source_gets_sixteen_faults_a_second() {
    let bed = Bed::with(DatagramOptions::default().trust_local(false)).await;
    let peer = bed.peer().await;
    // Far more than can be sent within one second's allowance, in far less than a second.
    let long = request(1, &"unknown_".repeat(20), ());
    for _ in 0..100 {
        peer.send(&long).await;
    }
    until("all are handled", || bed.counters.stats().received == 100).await;
    // Two, should a second have ended meanwhile.
    assert!(bed.counters.stats().unanswered >= 100 - 32);
}

#[tokio::test]
async fn a_datagram_has_no_client_to_call_back() {
    let server = Server::new(LabService::new(Bench::default()));
    let server = server.service(caller::CallBackService::new(caller::Back));
    let server = server.listen("udp://127.0.0.1:0").bind().await.unwrap();
    let address = socket_addr(&server.addresses()[0]);
    tokio::spawn(server.run());
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let own = socket.local_addr().unwrap();
    let peer = Peer { socket };
    let text = format!(
        "`add` was not sent, as the connection to {own} had ended: whoever calls by datagram \
         serves no methods"
    );
    assert_eq!(peer.ask(1, "call_back", ()).await, answer(1, text));
    assert_eq!(
        peer.ask(2, "who", ()).await,
        answer(2, (own.to_string(), format!("udp://{address}")))
    );
}

/// A service that looks at its context.
mod caller {
    use msgrpc::Context;

    #[msgrpc::service]
    pub(crate) trait CallBack {
        async fn call_back(&self, ctx: &Context) -> String;
        async fn who(&self, ctx: &Context) -> (String, String);
    }

    pub(crate) struct Back;

    impl CallBack for Back {
        async fn call_back(&self, ctx: &Context) -> String {
            let outcome = ctx.client().call::<i64>("add", (1, 2)).await;
            outcome.map_or_else(|error| error.to_string(), |sum| sum.to_string())
        }

        async fn who(&self, ctx: &Context) -> (String, String) {
            (ctx.peer().to_string(), ctx.local().to_string())
        }
    }
}

#[tokio::test]
async fn a_stop_answers_what_is_at_work_and_frees_the_port() {
    let bed = Bed::new().await;
    let peer = bed.peer().await;
    peer.send([request(1, "hold", (5,)), notification("late_note", (6,))].concat()).await;
    until("they are at work", || bed.lab.started() == 2).await;
    bed.stop.send(()).unwrap();
    support::quiet().await;
    bed.lab.open(2);
    assert_eq!(peer.next().await, answer(1, 5));
    let stopped = bed.task.await.unwrap();
    assert_eq!((stopped.answered, stopped.aborted), (2, 0));
    UdpSocket::bind(bed.address).await.expect("the port is free");
}

#[tokio::test]
async fn a_method_that_takes_too_long_is_dropped_and_answered() {
    let bed = Bed::built(|server| server.method_timeout(Duration::from_millis(5))).await;
    let peer = bed.peer().await;
    let text = "[-32002] `hold` took longer than 5ms";
    assert_eq!(peer.ask(1, "hold", (5,)).await, fault(1, text));
    assert_eq!((bed.lab.started(), bed.lab.dropped()), (1, 1));
    bed.stop.send(()).unwrap();
    assert_eq!(bed.task.await.unwrap().timed_out, 1);
}

#[tokio::test]
async fn a_stop_drops_and_counts_what_the_grace_does_not_suffice_for() {
    let bed = Bed::built(|server| server.shutdown_grace(Duration::from_millis(20))).await;
    let peer = bed.peer().await;
    peer.send([request(1, "hold", (5,)), notification("late_note", (5,))].concat()).await;
    until("they are at work", || bed.lab.started() == 2).await;
    bed.stop.send(()).unwrap();
    assert_eq!(bed.task.await.unwrap().aborted, 2);
    assert_eq!(bed.lab.dropped(), 2);
}

#[tokio::test]
async fn a_method_that_takes_too_long_is_dropped_and_its_caller_told() {
    let timeout = Duration::from_millis(30);
    let bed = Bed::built(|server| server.method_timeout(timeout)).await;
    let peer = bed.peer().await;
    let late = fault(7, "[-32002] `hold` took longer than 30ms");
    assert_eq!(peer.ask(7, "hold", (1,)).await, late);
    peer.send(notification("late_note", (1,))).await;
    until("both are dropped", || bed.lab.dropped() == 2).await;
    assert_eq!(peer.ask(8, "add", (1, 2)).await, answer(8, 3));
    bed.stop.send(()).unwrap();
    assert_eq!(bed.task.await.unwrap().timed_out, 2);
}

#[tokio::test]
async fn one_server_serves_streams_and_datagrams() {
    let server = Server::new(LabService::new(Bench::default()))
        .listen("udp://127.0.0.1:0")
        .listen(support::memory())
        .listen("udp://127.0.0.1:0");
    let server = server.bind().await.unwrap();
    let addresses = server.addresses();
    let schemes: Vec<_> = addresses.iter().map(Address::scheme).collect();
    assert_eq!(schemes, ["udp", "memory", "udp"]);
    tokio::spawn(server.run());
    let lab = LabClient::connect(&addresses[1].to_string()).await.unwrap();
    assert_eq!(lab.add(2, 3).await.unwrap(), 5);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(socket_addr(&addresses[0])).await.unwrap();
    assert_eq!(Peer { socket }.ask(1, "add", (2, 3)).await, answer(1, 5));
}
