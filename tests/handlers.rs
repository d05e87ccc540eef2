//! Methods that misbehave: they panic in every way, block, never end, outlive their callers, and what that does to others.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use msgrpc::{CallError, Client, Context, Limits, Server};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use support::log::Log;
use support::{Running, memory, request, value};
use tokio::time::Instant;

/// The log of this process.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(Log::start)
}

/// A value whose encoding panics, in the middle.
#[derive(Debug)]
struct Bomb;

impl Serialize for Bomb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut sequence = serializer.serialize_seq(Some(2))?;
        sequence.serialize_element("before")?;
        panic!("no encoding");
    }
}

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer)?;
        panic!("no decoding");
    }
}

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bomb")
    }
}

impl std::error::Error for Bomb {}

/// Panics when it is dropped.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

/// How a method panics.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Way {
    Text,
    Formatted,
    Number,
    InDrop,
}

impl Way {
    fn panic(self) {
        match self {
            Self::Text => panic!("a text"),
            Self::Formatted => panic!("a {} of {}", "text", 2),
            Self::Number => std::panic::panic_any(5_u8),
            Self::InDrop => drop(Fragile),
        }
    }
}

#[msgrpc::service]
trait Rogue {
    async fn at_once(&self, way: Way) -> u8;
    async fn late(&self, ctx: &Context, way: Way) -> u8;
    #[msgrpc(blocking)]
    fn on_a_thread(&self, way: Way) -> u8;
    #[msgrpc(spawn)]
    async fn on_a_task(&self, way: Way) -> u8;
    #[msgrpc(notification)]
    async fn note(&self, way: Way, late: bool);
    /// Ends well, but for what it leaves behind.
    async fn result_that_breaks(&self) -> Bomb;
    async fn error_that_breaks(&self) -> Result<u8, Bomb>;
    async fn argument_that_breaks(&self, bomb: Bomb) -> u8;
    /// Holds something fragile for ever.
    async fn holds(&self) -> u8;
    async fn blocks(&self, millis: u64, late: bool) -> u8;
    async fn fine(&self) -> u8;
    async fn detached(&self, ctx: &Context, millis: u64) -> u8;
    async fn attached(&self, millis: u64) -> u8;
    async fn ping(&self, ctx: &Context, left: u32) -> u32;
}

#[derive(Clone, Default)]
struct Knave {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Knave {
    async fn work(self, millis: u64) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn counts(&self) -> (usize, usize) {
        (self.begun.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst))
    }
}

impl Rogue for Knave {
    async fn at_once(&self, way: Way) -> u8 {
        way.panic();
        0
    }

    async fn late(&self, ctx: &Context, way: Way) -> u8 {
        let _held = (ctx.clone(), ctx.client());
        tokio::task::yield_now().await;
        way.panic();
        0
    }

    fn on_a_thread(&self, way: Way) -> u8 {
        way.panic();
        0
    }

    async fn on_a_task(&self, way: Way) -> u8 {
        way.panic();
        0
    }

    async fn note(&self, way: Way, late: bool) {
        if late {
            tokio::task::yield_now().await;
        }
        way.panic();
    }

    async fn result_that_breaks(&self) -> Bomb {
        Bomb
    }

    async fn error_that_breaks(&self) -> Result<u8, Bomb> {
        Err(Bomb)
    }

    async fn argument_that_breaks(&self, _: Bomb) -> u8 {
        0
    }

    async fn holds(&self) -> u8 {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let _fragile = Fragile;
        std::future::pending().await
    }

    async fn blocks(&self, millis: u64, late: bool) -> u8 {
        if late {
            tokio::task::yield_now().await;
        }
        std::thread::sleep(Duration::from_millis(millis));
        0
    }

    async fn fine(&self) -> u8 {
        1
    }

    async fn detached(&self, ctx: &Context, millis: u64) -> u8 {
        let work = self.clone().work(millis);
        u8::from(ctx.spawn(work).await.unwrap().is_some())
    }

    async fn attached(&self, millis: u64) -> u8 {
        self.clone().work(millis).await;
        1
    }

    async fn ping(&self, ctx: &Context, left: u32) -> u32 {
        match left {
            0 => 0,
            _ => match RogueClient::new(ctx.client()).ping(left - 1).await {
                Ok(depth) => depth + 1,
                Err(_) => 0,
            },
        }
    }
}

async fn rogue() -> (Running, Knave, RogueClient) {
    let knave = Knave::default();
    let server = Running::start(Server::new(RogueService::new(knave.clone()))).await;
    let client = RogueClient::connect(&server.address).await.unwrap();
    (server, knave, client)
}

#[tokio::test]
async fn a_panic_of_any_kind_at_any_moment_is_an_internal_error_and_logged() {
    let log = log();
    let (server, _, rogue) = rogue().await;
    let ways = [
        (Way::Text, "panic=\"a text\""),
        (Way::Formatted, "panic=\"a text of 2\""),
        (Way::Number, "panic=\"a value that is no text\""),
        (Way::InDrop, "panic=\"dropped\""),
    ];
    for (way, logged) in ways {
        let before = log.lines_with(logged).len();
        let waiting = tokio::spawn(rogue.attached(20));
        let outcomes = [
            rogue.at_once(way).await,
            rogue.late(way).await,
            rogue.on_a_thread(way).await,
            rogue.on_a_task(way).await,
        ];
        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().to_string(), "[-32603] internal error", "{way:?}");
        }
        rogue.note(way, false).await.unwrap();
        rogue.note(way, true).await.unwrap();
        rogue.note(way, true).await.unwrap();
        assert_eq!(rogue.fine().await.unwrap(), 1, "the connection lives");
        assert_eq!(waiting.await.unwrap().unwrap(), 1, "who was at work is not disturbed");
        let logged_now = || log.lines_with(logged).len() - before;
        support::until("each is logged", || logged_now() == 7).await;
    }
    let stopped = server.stop().await;
    assert_eq!((stopped.aborted, stopped.answered), (0, 0), "nothing counts as at work any more");
}

#[tokio::test]
async fn a_value_whose_encoding_panics_is_an_internal_error_and_nothing_is_half_written() {
    let (server, _, rogue) = rogue().await;
    let fault = "[-32603] internal error";
    assert_eq!(rogue.result_that_breaks().await.unwrap_err().to_string(), fault);
    let error = rogue.error_that_breaks().await.unwrap_err();
    assert!(matches!(&error, CallError::Fault(_)), "{error:?}");
    assert_eq!(error.to_string(), fault);
    // On the wire: whole answers, and what comes after them.
    let mut wire = server.wire().await;
    let requests = [
        request(1, "result_that_breaks", ()),
        request(2, "fine", ()),
        request(3, "argument_that_breaks", (1,)),
        request(4, "fine", ()),
    ];
    wire.send(requests.concat()).await;
    let expected = [
        value((1, 1, fault, ())),
        value((1, 2, (), 1)),
        value((1, 3, fault, ())),
        value((1, 4, (), 1)),
    ];
    assert_eq!(wire.finish().await, expected);
    // Our own arguments are encoded in the caller's hands: its panic is its own, and the connection is whole.
    let call = std::panic::AssertUnwindSafe(|| rogue.argument_that_breaks(Bomb));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(rogue.fine().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_method_that_panics_when_it_is_dropped_harms_nobody() {
    let log = log();
    let (server, knave, _rogue) = rogue().await;
    let mut wire = server.wire().await;
    wire.send([request(1, "holds", ()), request(2, "holds", ())].concat()).await;
    support::until("both are at work", || knave.counts().0 == 2).await;
    drop(wire);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(log.lines_with("panic=\"dropped\"").len() >= 2);
    server.serves_fine().await;
    assert_eq!(server.stop().await.aborted, 0);
}

impl Running {
    async fn serves_fine(&self) {
        let rogue = RogueClient::connect(&self.address).await.unwrap();
        assert_eq!(rogue.fine().await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_blocks_holds_only_its_own_thread_up_and_is_warned_of() {
    let log = log();
    let (server, _, blocked) = rogue().await;
    let other = RogueClient::connect(&server.address).await.unwrap();
    for late in [false, true] {
        let before = log.lines_with("method=blocks").len();
        let call = tokio::spawn(blocked.blocks(1_200, late));
        let mut slowest = Duration::ZERO;
        while !call.is_finished() {
            let begun = Instant::now();
            assert_eq!(other.fine().await.unwrap(), 1);
            slowest = slowest.max(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(slowest < Duration::from_secs(1), "another connection waited for {slowest:?}");
        call.await.unwrap().unwrap();
        support::until("it is warned of", || log.lines_with("method=blocks").len() > before).await;
        let line = log.lines_with("method=blocks").pop().unwrap();
        assert!(line.starts_with("WARN message=a method held its thread, and"), "{line}");
        assert!(line.contains("methods=1 held=1.2"), "{line}");
    }
    // What is within bounds is not.
    blocked.blocks(10, false).await.unwrap();
    assert_eq!(log.lines_with("method=blocks").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn work_is_dropped_with_its_caller_unless_it_was_spawned() {
    let (server, knave, _rogue) = rogue().await;
    for (method, ended) in [("attached", 0), ("detached", 1)] {
        let mut wire = server.wire().await;
        wire.send(request(1, method, (100_000,))).await;
        support::quiet().await;
        drop(wire);
        // The grace of a peer that may only have closed its sending side is over long before.
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(knave.counts().1, ended, "{method}");
    }
    assert_eq!(knave.counts(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn calls_nested_deeper_than_may_be_at_work_end_with_their_timeout() {
    let one = |mut limits: Limits| {
        limits.max_in_flight = 1;
        limits.requests_at_work = 1;
        limits
    };
    let server = Server::new(RogueService::new(Knave::default())).limits(one(Limits::server()));
    let server = Running::start_at(server, &memory()).await;
    let builder = server.builder().limits(one(Limits::client())).timeout(Duration::from_secs(60));
    let client: Client =
        builder.serve(RogueService::new(Knave::default())).connect().await.unwrap();
    let rogue = RogueClient::new(client);
    let begun = Instant::now();
    // The third waits for its turn behind the first, which waits for it; answers are read all the while.
    assert!(rogue.ping(100).await.unwrap() <= 1);
    assert!(begun.elapsed() <= Duration::from_secs(61), "{:?}", begun.elapsed());
    assert_eq!(rogue.ping(1).await.unwrap(), 1, "the connection is whole");
}
