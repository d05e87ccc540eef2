//! The driver turn by turn, against a scripted peer: what no test from outside can bring about at will.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use msgrpc_core::connection::Chunk;
use msgrpc_core::{FaultFormat, Limits, Payload};
use msgrpc_transport::{Address, Peer, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use super::{Closing, Connection, Driver, Manners, Services, Settled};
use crate::caller::{Outgoing, Timeout};
use crate::error::CloseReason;
use crate::router::Router;
use crate::service::{Outcome, OutcomeFuture, Request, Service};
use crate::{ServiceDescriptor, Style};

/// The peer's end of a connection, as the system shows it.
#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    to_read: Vec<u8>,
    written: Vec<u8>,
    /// The peer has closed its sending side.
    ended: bool,
    /// Writing fails.
    broken: bool,
    /// Nothing is taken.
    full: bool,
    /// What was written is held back.
    unflushable: bool,
}

impl Script {
    fn says(&self, bytes: &[u8]) {
        self.0.lock().unwrap().to_read.extend_from_slice(bytes);
    }

    fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().written)
    }
}

impl AsyncRead for Script {
    /// Never wakes: each test polls the driver by itself.
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut lines = self.0.lock().unwrap();
        if lines.to_read.is_empty() && !lines.ended {
            return Poll::Pending;
        }
        let count = buffer.remaining().min(lines.to_read.len());
        buffer.put_slice(&lines.to_read.drain(..count).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut lines = self.0.lock().unwrap();
        if lines.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if lines.full {
            return Poll::Pending;
        }
        lines.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.lock().unwrap().unflushable { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Answers `late` with many bytes once it is told to, everything else at once.
struct Gate(Arc<Notify>);

impl Service for Gate {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        const GATE: ServiceDescriptor = ServiceDescriptor::new("Gate", &[]);
        &GATE
    }

    fn call(&self, request: Request) -> OutcomeFuture {
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            if request.method() != "late" {
                return Outcome::result(&1, Style::Named);
            }
            gate.notified().await;
            Outcome::result(&"x".repeat(1000), Style::Named)
        })
    }
}

/// A connection whose driver runs when it is told to.
struct Bench {
    script: Script,
    gate: Arc<Notify>,
    connection: Arc<Connection>,
    driver: Driver,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let (script, gate) = (Script::default(), Arc::default());
        let local: Address = "memory://bench".parse().unwrap();
        let stream = Stream::new(script.clone(), Peer::named("script"), local);
        let manners = Manners::new(limits, FaultFormat::default());
        let connection = Arc::new(Connection::new(&stream, &manners, TaskTracker::new()));
        let router = Router::new(vec![Arc::new(Gate(Arc::clone(&gate)))]).unwrap();
        let blocking = Arc::new(Semaphore::new(1));
        let context = crate::context::Context::new(Arc::clone(&connection), blocking);
        let services = Services { router: Arc::new(router), context };
        let driver = Driver::new(&connection, stream, services);
        Self { script, gate, connection, driver, woken: Arc::new(Woken(false.into())) }
    }

    fn turn(&mut self) -> Poll<()> {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        Pin::new(&mut self.driver).poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }
}

fn outgoing(method: &'static str) -> Outgoing {
    let params = Payload::encode(&[0_u8; 0], Style::Named).unwrap();
    Outgoing::new(method.into(), params, Timeout::default())
}

const LATE: &[u8] = b"\x94\x00\x01\xa4late\x90";
const QUICK: &[u8] = b"\x94\x00\x02\xa5quick\x90";
const ANSWER: &[u8] = b"\x94\x01\x02\xc0\x01";

#[tokio::test]
async fn what_was_held_back_starts_once_a_caller_has_written_the_answers_before_it() {
    let mut limits = Limits::server();
    limits.output_bytes = 1000;
    let mut bench = Bench::new(limits);
    bench.script.says(LATE);
    assert!(bench.turn().is_pending());
    bench.gate.notify_one();
    tokio::task::yield_now().await;
    assert_eq!(bench.connection.at_work(), 0, "its answer is queued");
    // A caller that is alone begins to write.
    let mut chunk = Chunk::default();
    let owed = {
        let mut state = bench.connection.lock();
        state.outbound.poll_output(&mut chunk);
        state.writing = true;
        state.outbound.unwritten_bytes()
    };
    bench.script.says(QUICK);
    assert!(bench.turn().is_pending());
    assert!(!bench.is_woken(), "there is nothing that may be done");
    bench.connection.has_written(chunk, owed);
    assert!(bench.is_woken(), "there is room for another answer");
    assert!(bench.turn().is_pending());
    assert_eq!(bench.script.heard(), ANSWER);
}

#[tokio::test]
async fn a_peer_that_takes_no_faults_for_its_malformed_requests_is_let_go() {
    let mut limits = Limits::server();
    limits.output_bytes = 10_000;
    let mut bench = Bench::new(limits);
    bench.script.0.lock().unwrap().full = true;
    // A request whose method is a number.
    bench.script.says(&b"\x94\x00\x01\x05\x90".repeat(100_000));
    while bench.connection.closed().is_none() && !bench.script.0.lock().unwrap().to_read.is_empty()
    {
        let _ = bench.turn();
    }
    let queued = bench.connection.lock().outbound.unwritten_bytes();
    assert!(queued < 100_000, "{queued} bytes are queued");
    let reason = bench.connection.closed().expect("it is closed");
    assert!(matches!(*reason, CloseReason::Overloaded(_)), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_does_not_flush_is_stalled() {
    let mut bench = Bench::new(Limits::client());
    bench.script.0.lock().unwrap().unflushable = true;
    let sent = bench.connection.poll_notify(&outgoing("note"), &mut None, || None, Waker::noop());
    assert!(matches!(sent, Poll::Ready(Ok(()))));
    bench.connection.close(Closing::Flush);
    assert!(bench.turn().is_pending());
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(bench.turn().is_ready());
    let reason = bench.connection.closed().expect("it is closed");
    assert!(matches!(*reason, CloseReason::WriteStalled(_)), "{reason}");
}

#[tokio::test]
async fn an_answer_that_has_come_counts_although_writing_fails() {
    let mut bench = Bench::new(Limits::client());
    let call = |bench: &Bench| {
        let sent = bench.connection.poll_call(&outgoing("m"), &mut None, None, Waker::noop());
        let Poll::Ready(Ok(msgid)) = sent else { panic!("it is not sent") };
        msgid
    };
    let first = call(&bench);
    assert!(bench.turn().is_pending());
    bench.script.says(b"\x94\x01\x00\xc0\x07");
    bench.script.0.lock().unwrap().broken = true;
    let second = call(&bench);
    assert!(bench.turn().is_ready());
    let settled = |msgid| bench.connection.poll_settled(msgid, Waker::noop());
    let first = settled(first);
    assert!(matches!(&first, Poll::Ready(Settled::Answered(Ok(payload))) if **payload == [7]));
    assert!(matches!(settled(second), Poll::Ready(Settled::Closed { sent: false })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_answer_to_a_peer_that_has_half_closed_is_not_lost() {
    // Two threads race: a driver that looks at the queue first loses one answer in some hundreds.
    for round in 0..2000 {
        let mut bench = Bench::new(Limits::server());
        bench.script.says(LATE);
        bench.script.0.lock().unwrap().ended = true;
        assert!(bench.turn().is_pending());
        bench.gate.notify_one();
        while bench.turn().is_pending() {}
        assert!(!bench.script.heard().is_empty(), "round {round}");
    }
}

#[tokio::test]
async fn a_call_that_a_caller_is_writing_when_the_connection_ends_counts_as_sent() {
    for reset in [false, true] {
        let mut bench = Bench::new(Limits::client());
        let call = |bench: &Bench| {
            let sent = bench.connection.poll_call(&outgoing("m"), &mut None, None, Waker::noop());
            let Poll::Ready(Ok(msgid)) = sent else { panic!("it is not sent") };
            msgid
        };
        assert!(bench.turn().is_pending());
        let writing = call(&bench);
        // It is alone, takes what is queued, and is about to write it.
        let mut chunk = Chunk::default();
        {
            let mut state = bench.connection.lock();
            state.outbound.poll_output(&mut chunk);
            state.writing = true;
        }
        let queued = call(&bench);
        if reset {
            bench.connection.close(Closing::Abort);
        } else {
            bench.script.0.lock().unwrap().ended = true;
        }
        let _ = bench.turn();
        let settled = |msgid| bench.connection.poll_settled(msgid, Waker::noop());
        assert!(matches!(settled(writing), Poll::Ready(Settled::Closed { sent: true })));
        // A peer that only closes its sending side still gets what is queued.
        let Poll::Ready(Settled::Closed { sent }) = settled(queued) else { panic!("it waits") };
        assert_eq!(sent, !reset);
        bench.connection.has_written(chunk, 0);
        let _ = bench.turn();
        assert_eq!(!bench.script.heard().is_empty(), sent);
    }
}
