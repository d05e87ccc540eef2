//! Signals end a server: a child process is one, and is sent some.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use msgrpc::{CallError, Server};

#[msgrpc::service]
trait Sleeper {
    async fn sleep(&self, millis: u64) -> u64;
}

struct Bed;

impl Sleeper for Bed {
    async fn sleep(&self, millis: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    }
}

/// Tells a child process what it is.
const CHILD: &str = "MSGRPC_TEST_SIGNALS";

/// Precedes what a child says, among what its test framework says.
const MARK: &str = "child: ";

/// The child: a server that says where it is, and how it ended.
#[test]
fn a_server_in_a_process_of_its_own() {
    let Some(kind) = std::env::var_os(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::new(SleeperService::new(Bed)).listen("tcp://127.0.0.1:0");
        let server = server.bind().await.unwrap();
        // Who waits for the address may send a signal at once.
        let say = |text: String| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\n{MARK}{text}").unwrap();
            out.flush().unwrap();
        };
        let address = server.addresses()[0].to_string();
        let stopped = if kind == "future" {
            let stop = async {
                let signal = msgrpc::signal::shutdown();
                tokio::pin!(signal);
                assert!(futures::poll!(signal.as_mut()).is_pending());
                say(address);
                signal.await.unwrap();
            };
            server.run_until(stop).await
        } else {
            let run = server.run_until_signal();
            tokio::pin!(run);
            assert!(futures::poll!(run.as_mut()).is_pending());
            say(address);
            run.await
        };
        say(stopped.unwrap().to_string());
    });
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Process {
    fn start(kind: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_server_in_a_process_of_its_own", "--exact", "--nocapture"])
            .env(CHILD, kind)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines, address: String::new() };
        process.address = process.says();
        process
    }

    /// What it says next.
    fn says(&mut self) -> String {
        let mut said = self.lines.by_ref().map(Result::unwrap);
        said.find_map(|line| line.strip_prefix(MARK).map(str::to_owned)).unwrap()
    }

    fn send(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// What it says of its end, which is a success.
    fn end(mut self) -> String {
        let stopped = self.says();
        assert!(self.child.wait().unwrap().success());
        stopped
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        drop(self.child.kill());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_server_in_order() {
    for (kind, signal) in [("server", "-TERM"), ("server", "-INT"), ("future", "-TERM")] {
        let process = Process::start(kind);
        let sleeper = SleeperClient::connect(&process.address).await.unwrap();
        sleeper.sleep(0).await.unwrap();
        let call = tokio::spawn(sleeper.sleep(300));
        // The answer of the second call shows that the first one is at work.
        sleeper.sleep(0).await.unwrap();
        process.send(signal);
        assert_eq!(call.await.unwrap().unwrap(), 300, "{kind} {signal}");
        let expected = "1 answered, 0 aborted, 0 refused; 1 connections closed, 0 aborted";
        assert_eq!(process.end(), expected, "{kind} {signal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let process = Process::start("server");
    let sleeper = SleeperClient::connect(&process.address).await.unwrap();
    let call = tokio::spawn(sleeper.sleep(3_600_000));
    sleeper.sleep(0).await.unwrap();
    process.send("-TERM");
    // The refusal shows that the first signal has been seen.
    while sleeper.sleep(0).await.is_ok() {}
    let begun = Instant::now();
    process.send("-INT");
    assert!(matches!(call.await.unwrap(), Err(CallError::Closed(_))));
    let stopped = process.end();
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    assert!(stopped.contains(" 1 aborted, 1 refused; "), "{stopped}");
}
