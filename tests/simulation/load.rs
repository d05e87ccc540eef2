//! Callers: calls of all kinds until a moment, then the proof that the client works again and leaves nothing behind.

use std::time::Duration;

use futures::future::join_all;
use msgrpc::Caller;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::ledger::{Book, LedgerClient, Token};

/// How much later than its timeout a call may end.
const SLACK: Duration = Duration::from_millis(100);

/// What one client host does.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) book: Book,
    pub(crate) seed: u64,
    pub(crate) callers: u64,
    /// Until when, in simulated time.
    pub(crate) until: Duration,
    /// How long a caller pauses between calls, at most.
    pub(crate) pause: Duration,
    /// How long calls take on the server, at most.
    pub(crate) work: Duration,
    /// Whether all calls have time enough, and are neither dropped nor idempotent.
    pub(crate) calm: bool,
}

impl Load {
    /// A few callers until then.
    pub(crate) fn new(book: &Book, seed: u64, until: Duration) -> Self {
        let book = book.clone();
        let (pause, work) = (Duration::from_millis(60), Duration::from_millis(60));
        Self { book, seed, callers: 3, until, pause, work, calm: false }
    }

    /// Calls until it is time.
    pub(crate) async fn run<C: Caller + Clone>(&self, ledger: &LedgerClient<C>) {
        join_all((0..self.callers).map(|caller| async move {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ (caller << 32));
            while turmoil::sim_elapsed().unwrap() < self.until {
                self.call(ledger, &mut rng).await;
                sleep(self.pause.mul_f64(rng.random())).await;
            }
        }))
        .await;
    }

    async fn call<C: Caller + Clone>(
        &self,
        ledger: &LedgerClient<C>,
        rng: &mut Xoshiro256PlusPlus,
    ) {
        let token = rng.random();
        let millis = u64::try_from(self.work.mul_f64(rng.random()).as_millis()).unwrap();
        let padding = vec![7; if rng.random_bool(0.1) { 20_000 } else { 20 }];
        let patience = [100, 400, 1_500][rng.random_range(0..3)];
        let patience = Duration::from_millis(if self.calm { 20_000 } else { patience });
        let idempotent = !self.calm && rng.random_bool(0.3);
        let dropped = (!self.calm && rng.random_bool(0.1))
            .then(|| patience.mul_f64(rng.random::<f64>() * 0.5));
        self.book.issue(token, idempotent);
        let call = if idempotent {
            ledger.confirm(token, millis, &padding)
        } else {
            ledger.book(token, millis, &padding)
        };
        let call = call.timeout(patience);
        let begun = Instant::now();
        let outcome = match dropped {
            None => Some(call.await),
            Some(after) => timeout(after, call).await.ok(),
        };
        let took = begun.elapsed();
        assert!(took <= patience + SLACK, "took {took:?} of {patience:?}: {outcome:?}");
        self.book.settle(token, outcome);
    }
}

/// Calls until one is answered, at the latest `within` from now.
pub(crate) async fn works_within<C: Caller + Clone>(
    ledger: &LedgerClient<C>,
    book: &Book,
    mut tokens: impl FnMut() -> Token,
    within: Duration,
) {
    let begun = Instant::now();
    let mut last = None;
    while begun.elapsed() < within {
        let token = tokens();
        book.issue(token, false);
        let outcome = ledger.book(token, 0, &[]).timeout(Duration::from_millis(200)).await;
        last = Some(format!("{outcome:?}"));
        let answered = outcome.is_ok();
        book.settle(token, Some(outcome));
        if answered {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not work again within {within:?}: {last:?}");
}

/// The tasks of this host.
pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
