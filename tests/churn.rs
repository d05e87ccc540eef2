//! Connections that come and go by the thousand, and more of them than there are descriptors.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use msgrpc::{Client, Server};
use support::log::Log;
use support::{Bench, LabClient, LabService, Running, quiet, request, until};

/// One at a time: descriptors and the log are the process's.
fn alone() -> (MutexGuard<'static, ()>, &'static Log) {
    static ALONE: Mutex<()> = Mutex::new(());
    static LOG: OnceLock<Log> = OnceLock::new();
    (ALONE.lock().unwrap_or_else(PoisonError::into_inner), LOG.get_or_init(Log::start))
}

/// Runs `test` in a runtime that is gone before another test begins.
fn alone_in_a_runtime(test: impl AsyncFnOnce(&'static Log)) {
    let (_alone, log) = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(log));
    drop(runtime);
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A server at an address that costs no port for each connection.
async fn server(name: &str) -> Running {
    let address = format!("unix:@msgrpc-churn-{name}-{}", std::process::id());
    Running::start_at(Server::new(LabService::new(Bench::default())), &address).await
}

#[test]
fn ten_thousand_clients_that_call_and_go_leave_nothing_behind() {
    alone_in_a_runtime(async |log| {
        let server = server("calls").await;
        LabClient::connect(&server.address).await.unwrap().add(1, 2).await.unwrap();
        let metrics = tokio::runtime::Handle::current().metrics();
        quiet().await;
        let before = (open_descriptors(), metrics.num_alive_tasks(), log.lines_with("").len());
        for n in 0..10_000 {
            let client = Client::connect(&server.address).await.unwrap();
            let sum: i64 = client.call("add", (n, 2)).await.unwrap();
            assert_eq!(sum, n + 2);
            if n % 2 == 0 {
                client.close().await;
            }
        }
        let now = || (open_descriptors(), metrics.num_alive_tasks(), log.lines_with("").len());
        until("everything is as before", || now() == before).await;
    });
}

#[test]
fn ten_thousand_connections_without_a_byte_leave_nothing_and_are_not_logged() {
    alone_in_a_runtime(async |log| {
        let server = server("silent").await;
        let metrics = tokio::runtime::Handle::current().metrics();
        quiet().await;
        let before = (open_descriptors(), metrics.num_alive_tasks(), log.lines_with("").len());
        for _ in 0..10_000 {
            drop(server.wire().await);
        }
        let now = || (open_descriptors(), metrics.num_alive_tasks(), log.lines_with("").len());
        until("everything is as before", || now() == before).await;
        server.serves_others().await;
    });
}

/// Tells a child process that it is one.
const CHILD: &str = "MSGRPC_TEST_CHURN";

/// Precedes what a child says, among what its test framework says.
const MARK: &str = "child: ";

/// The child: a server that says where it is.
#[test]
fn a_server_in_a_process_of_its_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::new(LabService::new(Bench::default())).listen("tcp://127.0.0.1:0");
        let server = server.bind().await.unwrap();
        println!("\n{MARK}{}", server.addresses()[0]);
        server.run().await.unwrap();
    });
}

struct Process(Child);

impl Process {
    /// A server that may have 64 descriptors, and its address.
    fn start() -> (Self, String) {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", program.to_str().unwrap()])
            .args(["a_server_in_a_process_of_its_own", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix(MARK).map(str::to_owned)).unwrap();
        (Self(child), address)
    }

    /// Processor time used so far, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<_> = after_name.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Whether a server answers on this connection within two seconds.
fn answers(mut socket: &TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.write_all(&request(1, "add", (1, 2))).unwrap();
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).is_ok() && answer == [0x94, 1, 1, 0xc0, 3]
}

#[test]
fn a_server_without_descriptors_left_rests_and_goes_on_when_there_are_some() {
    let (_alone, _) = alone();
    let (process, address) = Process::start();
    let address = address.strip_prefix("tcp://").unwrap();
    let clients: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(answers(&clients[0]), "those who were accepted are served");
    let before = process.ticks();
    std::thread::sleep(Duration::from_secs(2));
    let used = process.ticks() - before;
    assert!(used <= 10, "{used} hundredths of a second in two seconds of waiting");
    assert!(answers(&clients[1]), "those who were accepted are still served");
    drop(clients);
    let begun = Instant::now();
    assert!(answers(&TcpStream::connect(address).unwrap()), "it has recovered");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
