//! A server that is killed again and again under load: nothing is executed twice, and every error is true.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, Client, Reconnect, Server};
use support::{Running, until};

/// Counts what it does.
#[msgrpc::service]
trait Ledger {
    /// Notes that `token` was executed; `padding` makes the request large.
    async fn book(&self, token: usize, padding: &[u8]) -> usize;
    /// The same, as far as its callers know.
    #[msgrpc(idempotent)]
    async fn confirm(&self, token: usize) -> usize;
}

/// How often each token was executed.
#[derive(Clone)]
struct Book(Arc<Entries>);

struct Entries {
    tokens: Vec<AtomicU32>,
    total: AtomicUsize,
}

impl Book {
    fn new() -> Self {
        let tokens = (0..MOST).map(|_| AtomicU32::new(0)).collect();
        Self(Arc::new(Entries { tokens, total: AtomicUsize::new(0) }))
    }

    fn execute(&self, token: usize) {
        self.0.tokens[token].fetch_add(1, Ordering::SeqCst);
        self.0.total.fetch_add(1, Ordering::SeqCst);
    }

    fn executions(&self, token: usize) -> u32 {
        self.0.tokens[token].load(Ordering::SeqCst)
    }

    fn total(&self) -> usize {
        self.0.total.load(Ordering::SeqCst)
    }
}

impl Ledger for Book {
    async fn book(&self, token: usize, _: &[u8]) -> usize {
        self.execute(token);
        if token.is_multiple_of(3) {
            // Some are cut off at work.
            tokio::task::yield_now().await;
        }
        token
    }

    async fn confirm(&self, token: usize) -> usize {
        self.execute(token);
        token
    }
}

/// Tokens there are.
const MOST: usize = 2_000_000;

/// How the calls of a run ended.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    lost: usize,
    unsent: usize,
}

/// Calls until told to stop, and judges each outcome by what was executed.
async fn call_on(
    ledger: LedgerClient,
    book: Book,
    (next, stop): (Arc<AtomicUsize>, Arc<AtomicBool>),
    padding: usize,
) -> Tally {
    let padding = vec![7; padding];
    let mut tally = Tally::default();
    while !stop.load(Ordering::SeqCst) {
        let first = next.fetch_add(8, Ordering::SeqCst);
        let calls = (first..first + 8).map(|token| ledger.book(token, &padding));
        for (token, outcome) in (first..).zip(join_all(calls).await) {
            match outcome {
                Ok(answer) => {
                    assert_eq!((answer, book.executions(token)), (token, 1));
                    tally.answered += 1;
                }
                Err(error) if error.was_sent() => {
                    assert!(matches!(error, CallError::Closed(_)), "{error}");
                    assert!(book.executions(token) <= 1, "executed twice: {error}");
                    tally.lost += 1;
                }
                Err(error) => {
                    assert_eq!(book.executions(token), 0, "it says that it was not sent: {error}");
                    tally.unsent += 1;
                }
            }
        }
        let token = next.fetch_add(1, Ordering::SeqCst);
        if ledger.confirm(token).await.is_ok() {
            assert!(book.executions(token) >= 1);
        }
    }
    tally
}

async fn restarts(address: &str, rounds: usize, padding: usize) {
    let book = Book::new();
    let service = || Server::new(LedgerService::new(book.clone()));
    let mut server = Running::start_at(service(), address).await;
    let address = server.address.clone();
    let policy = Reconnect::default().max_interval(Duration::from_millis(20));
    let client = Client::builder(&address).reconnect(policy).connect().await.unwrap();
    let (next, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let state = (Arc::clone(&next), Arc::clone(&stop));
            tokio::spawn(call_on(LedgerClient::new(client.clone()), book.clone(), state, padding))
        })
        .collect();
    for round in 0..rounds {
        let reached = book.total() + 100 + 17 * round;
        until("calls are executed", || book.total() >= reached).await;
        server.task.abort();
        server.task.await.unwrap_err();
        server = Running::restart_at(service, &address).await;
    }
    let reached = book.total() + 100;
    until("it works again", || book.total() >= reached).await;
    stop.store(true, Ordering::SeqCst);
    let tallies = join_all(callers).await.into_iter().map(Result::unwrap);
    let all = tallies.fold(Tally::default(), |all, one| Tally {
        answered: all.answered + one.answered,
        lost: all.lost + one.lost,
        unsent: all.unsent + one.unsent,
    });
    assert!(all.answered > 100 * rounds, "{all:?}");
    assert_eq!(all.unsent, 0, "those that never left waited for the next connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_tcp_nothing_is_executed_twice() {
    restarts("tcp://127.0.0.1:0", 15, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_tcp_large_requests_are_not_executed_twice_either() {
    restarts("tcp://127.0.0.1:0", 8, 40_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory_nothing_is_executed_twice() {
    restarts(&support::memory(), 15, 10).await;
}
