//! Sockets that a service manager hands over: a child process gets some, and serves on them.
#![cfg(all(unix, feature = "listenfd"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use msgrpc::Server;

#[msgrpc::service]
trait Adder {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct Calc;

impl Adder for Calc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

/// Tells a child process that it is one.
const CHILD: &str = "MSGRPC_TEST_INHERIT";

/// Precedes what a child says, among what its test framework says.
const MARK: &str = "child: ";

/// Makes the sockets named by its first argument, and becomes the program of the others.
const MANAGER: &str = r#"
import os, socket, sys
kinds, program = sys.argv[1], sys.argv[2:]
made = []
for kind in kinds.split():
    if kind == "tcp":
        made.append(socket.create_server(("127.0.0.1", 0)))
    elif kind == "unix":
        made.append(socket.socket(socket.AF_UNIX))
        made[-1].bind("\0msgrpc-inherit-%d" % os.getpid())
        made[-1].listen()
    elif kind == "udp":
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made[-1].bind(("127.0.0.1", 0))
    elif kind == "deaf":
        made.append(socket.socket())
        made[-1].bind(("127.0.0.1", 0))
    elif kind == "file":
        made.append(open("/dev/null"))
high = [os.dup2(one.fileno(), 100 + place, False) for place, one in enumerate(made)]
for place, one in enumerate(high):
    os.dup2(one, 3 + place)
if made:
    os.environ["LISTEN_FDS"] = str(len(made))
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(program[0], program)
"#;

/// The child: serves on what it was given, and says where.
#[test]
fn a_server_in_a_process_of_its_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match Server::new(AdderService::new(Calc)).inherit().bind().await {
            Ok(server) => {
                let addresses: Vec<_> =
                    server.addresses().iter().map(ToString::to_string).collect();
                println!("\n{MARK}{}", addresses.join(" "));
                let again = Server::new(AdderService::new(Calc)).inherit().bind().await;
                println!("\n{MARK}{}", again.unwrap_err());
                server.run_until_signal().await.unwrap();
            }
            Err(error) => println!("\n{MARK}{error}"),
        }
    });
}

/// A child that was handed sockets of these kinds, and what it says.
fn start(kinds: &str) -> (Child, impl FnMut() -> String) {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new("python3")
        .args(["-c", MANAGER, kinds, program.to_str().unwrap()])
        .args(["a_server_in_a_process_of_its_own", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let says = move || lines.find_map(|line| line.strip_prefix(MARK).map(str::to_owned)).unwrap();
    (child, says)
}

#[tokio::test]
async fn sockets_of_tcp_and_unix_are_served_and_taken_once() {
    let (mut child, mut says) = start("tcp unix");
    let said = says();
    let addresses: Vec<_> = said.split(' ').collect();
    assert!(addresses[0].starts_with("tcp://127.0.0.1:"), "{said}");
    assert_eq!(addresses[1], format!("unix:@msgrpc-inherit-{}", child.id()));
    for address in &addresses {
        let adder = AdderClient::connect(address).await.unwrap();
        assert_eq!(adder.add(40, 2).await.unwrap(), 42);
    }
    assert!(says().starts_with("no sockets were handed over: "));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_cannot_be_listened_on_is_named() {
    let none = "no sockets were handed over: LISTEN_FDS is not set for this process. Start it by a \
                systemd socket unit, or try: systemd-socket-activate -l 8000 <program>";
    let of = |index: u8, what: &str| {
        format!("cannot listen on socket {index} of those handed over in LISTEN_FDS: {what}")
    };
    let cases = [
        ("", none.to_owned()),
        ("tcp udp", of(1, "it is no stream socket of TCP or Unix")),
        ("file", of(0, "it is no stream socket of TCP or Unix")),
        ("deaf", of(0, "it does not listen; call listen() before handing it over")),
    ];
    for (kinds, expected) in cases {
        let (mut child, mut says) = start(kinds);
        assert_eq!(says(), expected, "{kinds}");
        assert!(child.wait().unwrap().success());
    }
}
