//! One list of behaviours, run over every transport. A new transport is one line at the end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::io::IoSlice;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use futures::future::{join_all, try_join_all};
use msgrpc::transport::{DialOptions, dial};
use msgrpc::{
    Address, CallError, Client, ClientBuilder, ConnectError, Context, Reconnect, ServeError,
    Server, Stopped,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
#[path = "support/certs.rs"]
mod certs;

/// The settings of both ends, with certificates; transports other than TLS take no notice of them.
#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
mod trusted {
    use std::sync::LazyLock;

    use msgrpc::tls::{ClientTls, ServerTls};

    use super::{ClientBuilder, DialOptions, Server, certs};

    static ENDS: LazyLock<(ServerTls, ClientTls)> = LazyLock::new(|| {
        let bed = certs::Bed::new();
        (bed.server, bed.client)
    });

    pub(super) fn server(server: Server) -> Server {
        server.tls(ENDS.0.clone())
    }

    pub(super) fn client(client: ClientBuilder) -> ClientBuilder {
        client.tls(ENDS.1.clone())
    }

    pub(super) fn dial(options: DialOptions) -> DialOptions {
        options.tls(ENDS.1.clone())
    }
}

/// The settings of both ends.
#[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
mod trusted {
    pub(super) use std::convert::{identity as server, identity as client, identity as dial};
}

/// What is called over each transport.
#[msgrpc::service]
pub trait Probe {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Fails with an error of its own.
    async fn fail(&self, code: u32) -> Result<(), Failure>;
    /// Returns the same bytes.
    async fn echo(&self, data: &[u8]) -> Vec<u8>;
    /// Returns when the time is over.
    async fn sleep(&self, millis: u64) -> u64;
    /// Calls back over the same connection.
    async fn ask_back(&self, ctx: &Context, question: i64) -> i64;
    /// Keeps a number; a slow one takes a moment.
    #[msgrpc(notification)]
    async fn note(&self, number: u32, slow: bool);
    /// The numbers kept so far.
    async fn noted(&self) -> Vec<u32>;
}

/// An error of a method's own.
#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("failed with {code}")]
pub struct Failure {
    code: u32,
}

/// What the client serves.
#[msgrpc::service]
pub trait Oracle {
    /// Answers.
    async fn ask(&self, question: i64) -> i64;
}

#[derive(Default)]
struct Implementation {
    noted: Mutex<Vec<u32>>,
}

impl Probe for Implementation {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn fail(&self, code: u32) -> Result<(), Failure> {
        Err(Failure { code })
    }

    async fn echo(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    async fn sleep(&self, millis: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    }

    async fn ask_back(&self, ctx: &Context, question: i64) -> i64 {
        OracleClient::new(ctx.client()).ask(question).await.unwrap_or(-1)
    }

    async fn note(&self, number: u32, slow: bool) {
        if slow {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.noted.lock().expect("no test panics with it").push(number);
    }

    async fn noted(&self) -> Vec<u32> {
        self.noted.lock().expect("no test panics with it").clone()
    }
}

impl Oracle for Implementation {
    async fn ask(&self, question: i64) -> i64 {
        question + 42
    }
}

/// A server that runs, and where.
struct Bed {
    address: Address,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<Stopped, ServeError>>,
}

impl Bed {
    async fn new(address: &str) -> Self {
        let service = ProbeService::new(Implementation::default());
        let server = trusted::server(Server::new(service)).listen(address);
        let server = server.bind().await.expect("it is free");
        let address = server.addresses().remove(0);
        let (stop, stopped) = oneshot::channel();
        Self { address, stop, server: tokio::spawn(server.run_until(stopped)) }
    }

    async fn client(&self) -> ProbeClient {
        self.connect().await.expect("it listens")
    }

    async fn connect(&self) -> Result<ProbeClient, ConnectError> {
        self.builder().connect().await.map(ProbeClient::new)
    }

    fn builder(&self) -> ClientBuilder {
        let builder = trusted::client(Client::builder(&self.address.to_string()));
        match self.address {
            // What many clients send at once must find room in the kernel, or it is lost.
            Address::Udp(_) => builder.max_in_flight(32),
            _ => builder,
        }
    }
}

async fn calls_are_answered(address: String) {
    let bed = Bed::new(&address).await;
    let probe = bed.client().await;
    assert_eq!(probe.add(2, 3).await.unwrap(), 5);
    let (five, forty_two) = tokio::try_join!(probe.add(2, 3), probe.add(40, 2)).unwrap();
    assert_eq!((five, forty_two), (5, 42));
}

async fn errors_of_a_method_arrive_typed(address: String) {
    let bed = Bed::new(&address).await;
    let error = bed.client().await.fail(7).await.unwrap_err();
    assert!(matches!(error, CallError::Method(Failure { code: 7 })), "{error}");
}

async fn notifications_keep_their_order(address: String) {
    let bed = Bed::new(&address).await;
    let probe = bed.client().await;
    for number in 0..20 {
        probe.note(number, number % 5 == 0).await.unwrap();
    }
    let all = async {
        loop {
            let noted = probe.noted().await.unwrap();
            if noted.len() == 20 {
                break noted;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let noted = tokio::time::timeout(Duration::from_secs(5), all).await.unwrap();
    assert_eq!(noted, (0..20).collect::<Vec<_>>());
}

async fn a_call_that_times_out_leaves_the_connection_whole(address: String) {
    let bed = Bed::new(&address).await;
    let probe = bed.client().await;
    let late = probe.sleep(2_000).timeout(Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(late, CallError::TimedOut(_)) && late.was_sent(), "{late}");
    assert_eq!(probe.sleep(1).await.unwrap(), 1);
}

async fn large_messages_arrive_whole(address: String) {
    let bed = Bed::new(&address).await;
    let probe = bed.client().await;
    let data: Vec<u8> = (0..2 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
    let (first, second) = tokio::try_join!(probe.echo(&data), probe.echo(&data)).unwrap();
    assert!(first == data && second == data, "bytes were lost or changed places");
}

async fn many_calls_of_many_clients_find_their_answers(address: String) {
    let bed = Bed::new(&address).await;
    let clients = join_all((0..8).map(|_| bed.client())).await;
    let calls = (0..4_000).zip(clients.iter().cycle()).map(|(n, client)| client.add(n, 1));
    let sums = try_join_all(calls).await.unwrap();
    assert_eq!(sums, (1..=4_000).collect::<Vec<_>>());
}

async fn the_server_calls_back_over_the_same_connection(address: String) {
    let bed = Bed::new(&address).await;
    let oracle = OracleService::new(Implementation::default());
    let client = bed.builder().serve(oracle).connect().await.unwrap();
    assert_eq!(ProbeClient::new(client).ask_back(8).await.unwrap(), 50);
}

/// W13, with the bytes as another implementation would write them.
async fn a_peer_that_half_closes_gets_all_answers(address: String) {
    let bed = Bed::new(&address).await;
    let mut stream = dial(&bed.address, &trusted::dial(DialOptions::default())).await.unwrap();
    // [0, 1, "sleep", [50]] and [0, 2, "add", [2, 3]] (W2)
    let requests = b"\x94\x00\x01\xa5sleep\x91\x32\x94\x00\x02\xa3add\x92\x02\x03";
    let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(requests)])).await.unwrap();
    assert_eq!(written, requests.len());
    poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
    let mut answers = BytesMut::new();
    while poll_fn(|cx| stream.poll_read(cx, &mut answers)).await.unwrap() > 0 {}
    // [1, 2, nil, 5] and then [1, 1, nil, 50]
    assert_eq!(answers[..], *b"\x94\x01\x02\xc0\x05\x94\x01\x01\xc0\x32");
}

async fn shutting_down_answers_what_is_at_work_and_frees_the_address(address: String) {
    let bed = Bed::new(&address).await;
    let builder = bed.builder().reconnect(Reconnect::never());
    let probe = ProbeClient::new(builder.connect().await.unwrap());
    let at_work = tokio::spawn(probe.sleep(100));
    // Once this is answered the call before it has begun.
    probe.add(0, 0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(bed.stop);
    assert_eq!(at_work.await.unwrap().unwrap(), 100);
    assert_eq!(bed.server.await.unwrap().unwrap().aborted, 0);
    let error = probe.add(1, 1).await.unwrap_err();
    assert!(matches!(error, CallError::Closed(_)), "{error}");
    let again = Client::builder(&bed.address.to_string());
    trusted::client(again).connect().await.expect_err("nobody listens any more");
    Bed::new(&bed.address.to_string()).await.client().await.add(1, 1).await.unwrap();
}

/// Runs the whole list over each transport of streams; the expression is a new address at each call.
macro_rules! transports {
    ($($transport:ident => $address:expr,)*) => { $(
        mod $transport {
            common_behaviours! { $address }
            behaviours! {
                $address;
                notifications_keep_their_order,
                large_messages_arrive_whole,
                the_server_calls_back_over_the_same_connection,
                a_peer_that_half_closes_gets_all_answers,
                shutting_down_answers_what_is_at_work_and_frees_the_address,
            }
        }
    )* };
}

/// Runs what does not need a connection: what datagrams do as well. What they do otherwise is in `udp.rs`.
macro_rules! transports_of_datagrams {
    ($($transport:ident => $address:expr,)*) => { $(
        mod $transport {
            common_behaviours! { $address }
        }
    )* };
}

macro_rules! common_behaviours {
    ($address:expr) => {
        behaviours! {
            $address;
            calls_are_answered,
            errors_of_a_method_arrive_typed,
            a_call_that_times_out_leaves_the_connection_whole,
            many_calls_of_many_clients_find_their_answers,
        }
    };
}

macro_rules! behaviours {
    ($address:expr; $($behaviour:ident,)*) => { $(
        #[tokio::test]
        async fn $behaviour() {
            super::$behaviour($address).await;
        }
    )* };
}

/// A name that no other test has, nor another run.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("msgrpc-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

transports! {
    tcp => "tcp://127.0.0.1:0".to_owned(),
    memory => format!("memory://{}", super::name()),
}

transports_of_datagrams! {
    udp => "udp://127.0.0.1:0".to_owned(),
}

#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
transports! {
    tls => "tls://127.0.0.1:0".to_owned(),
}

#[cfg(unix)]
transports! {
    unix_path => format!("unix://{}", std::env::temp_dir().join(super::name()).display()),
}

#[cfg(target_os = "linux")]
transports! {
    unix_abstract => format!("unix:@{}", super::name()),
}
