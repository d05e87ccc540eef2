//! The blocking client, from threads without a runtime.
#![cfg(feature = "blocking")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use msgrpc::blocking::{Client, ConnectError};
use msgrpc::{Address, CallError, Context, Server};
use tokio::runtime::Runtime;

/// What is called.
#[msgrpc::service]
pub trait Journal {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Fails with an error of its own.
    async fn fail(&self) -> Result<(), String>;
    /// Returns when the time is over.
    async fn sleep(&self, millis: u64);
    /// Calls back over the same connection.
    async fn ask_back(&self, ctx: &Context) -> i64;
    /// Keeps a line.
    #[msgrpc(notification)]
    async fn log(&self, line: &str);
}

/// What the client serves.
#[msgrpc::service]
pub trait Oracle {
    /// Answers.
    async fn ask(&self) -> i64;
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Journal for Lines {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn fail(&self) -> Result<(), String> {
        Err("no".to_owned())
    }

    async fn sleep(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    async fn ask_back(&self, ctx: &Context) -> i64 {
        OracleClient::new(ctx.client()).ask().await.unwrap_or(-1)
    }

    async fn log(&self, line: &str) {
        self.0.lock().expect("no test panics with it").push(line.to_owned());
    }
}

impl Oracle for Lines {
    async fn ask(&self) -> i64 {
        42
    }
}

/// A server on a runtime that the calling thread does not belong to.
struct Bed {
    runtime: Runtime,
    address: Address,
    lines: Lines,
}

impl Bed {
    fn new() -> Self {
        let (runtime, lines) = (Runtime::new().expect("threads can be had"), Lines::default());
        let server = Server::new(JournalService::new(lines.clone())).listen("tcp://127.0.0.1:0");
        let server = runtime.block_on(server.bind()).expect("a port is free");
        let address = server.addresses().remove(0);
        runtime.spawn(server.run());
        Self { runtime, address, lines }
    }

    fn client(&self) -> Client {
        Client::connect(&self.address.to_string()).expect("it listens")
    }
}

#[test]
fn calls_are_waited_for() {
    let bed = Bed::new();
    let journal = JournalClient::new(bed.client());
    assert_eq!(journal.add(2, 3).wait().unwrap(), 5);
    assert!(matches!(journal.fail().wait(), Err(CallError::Method(text)) if text == "no"));
    let late = journal.sleep(5_000).timeout(Duration::from_millis(10)).wait().unwrap_err();
    assert!(matches!(late, CallError::TimedOut(_)), "{late}");
    let sum: i64 = bed.client().call("add", (1, 2)).wait().unwrap();
    assert_eq!(sum, 3);
}

#[test]
fn threads_share_one_connection() {
    let bed = Bed::new();
    let journal = JournalClient::new(bed.client());
    thread::scope(|scope| {
        for n in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                for m in 0..50 {
                    assert_eq!(journal.add(n, m).wait().unwrap(), n + m);
                }
            });
        }
    });
}

#[test]
fn the_last_client_waits_until_its_notifications_are_sent() {
    let bed = Bed::new();
    let client = bed.client();
    let line = "x".repeat(100_000);
    for _ in 0..5 {
        client.notify("log", (&line,)).wait().unwrap();
    }
    let start = Instant::now();
    drop(client);
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    while bed.lines.0.lock().unwrap().len() < 5 {
        assert!(start.elapsed() < Duration::from_secs(5), "notifications were lost");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_client_serves_the_servers_calls_while_it_waits() {
    let bed = Bed::new();
    let builder = msgrpc::Client::builder(&bed.address.to_string());
    let builder = builder.serve(OracleService::new(Lines::default()));
    let journal = JournalClient::new(Client::connect_with(builder).unwrap());
    assert_eq!(journal.ask_back().wait().unwrap(), 42);
}

#[test]
fn a_call_outlives_its_client() {
    let bed = Bed::new();
    let call = JournalClient::new(bed.client()).add(2, 3);
    assert_eq!(call.wait().unwrap(), 5);
}

#[test]
fn nobody_there_says_so() {
    let error = Client::connect("tcp://127.0.0.1:1").unwrap_err();
    assert!(error.to_string().ends_with("connection refused. Is the server running?"), "{error}");
    assert!(Client::connect("127.0.0.1:1").is_err());
}

#[test]
fn within_a_runtime_it_refuses_and_calls_can_be_awaited() {
    let bed = Bed::new();
    let journal = JournalClient::new(bed.client());
    bed.runtime.block_on(async {
        let error = Client::connect(&bed.address.to_string()).unwrap_err();
        assert!(matches!(error, ConnectError::WithinRuntime));
        assert_eq!(
            error.to_string(),
            "a blocking client cannot be made within an async runtime; use `msgrpc::Client` there"
        );
        let error = journal.fail().wait().unwrap_err();
        assert!(!error.was_sent());
        assert_eq!(
            error.to_string(),
            "`fail` was not sent: a call cannot be waited for within an async runtime; \
             await it instead of `wait()`"
        );
        assert!(journal.log("x").wait().is_err());
        assert_eq!(journal.add(2, 3).await.unwrap(), 5);
        // The last one may be dropped there, too.
        drop(journal);
    });
}

#[test]
fn a_server_that_is_gone_fails_calls_at_once() {
    let bed = Bed::new();
    let builder = msgrpc::Client::builder(&bed.address.to_string());
    let builder = builder.reconnect(msgrpc::Reconnect::never());
    let journal = JournalClient::new(Client::connect_with(builder).unwrap());
    assert_eq!(journal.add(1, 1).wait().unwrap(), 2);
    let Bed { runtime, .. } = bed;
    drop(runtime);
    let error = journal.add(1, 1).wait().unwrap_err();
    assert!(matches!(error, CallError::Closed(_)), "{error}");
}

#[test]
fn a_server_that_comes_back_is_found_again() {
    let bed = Bed::new();
    let journal = JournalClient::new(bed.client());
    assert_eq!(journal.add(1, 1).wait().unwrap(), 2);
    let Bed { runtime, address, lines } = bed;
    drop(runtime);
    // The timeout of a call that waits on a thread without a runtime counts as well. That the server is gone is
    // noticed by another thread, perhaps after the first of these was sent.
    let late = loop {
        match journal.add(1, 1).timeout(Duration::from_millis(50)).wait().unwrap_err() {
            CallError::Closed(_) => {}
            error => break error,
        }
    };
    assert!(matches!(late, CallError::NotConnected(_)), "{late}");
    let runtime = Runtime::new().expect("threads can be had");
    let server = Server::new(JournalService::new(lines)).listen(&address);
    runtime.spawn(runtime.block_on(server.bind()).expect("the port is free again").run());
    assert_eq!(journal.add(2, 2).wait().unwrap(), 4);
}
