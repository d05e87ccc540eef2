//! When connections may be tried for again, after tries have failed.
//!
//! One for each pool, shared by all its tries. While nothing has failed they go side by side; after that one at a
//! time, each after a pause, until a connection has proven itself. A mere connect proves nothing: a server that accepts
//! and closes at once would be tried without end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// The pauses between the tries of one pool.
#[derive(Debug)]
pub(super) struct Backoff {
    state: Mutex<State>,
    /// Who tries while tries fail.
    lone: Semaphore,
    recovered: Notify,
    min_interval: Duration,
    max_interval: Duration,
}

#[derive(Debug)]
struct State {
    /// Rounds of tries that failed in a row.
    failures: u32,
    /// Which round this is: tries that went side by side fail as one.
    round: u64,
    not_before: Instant,
    failed: Instant,
}

/// Leave to try once.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    pub(super) round: u64,
    /// Nobody else tries meanwhile.
    _lone: Option<SemaphorePermit<'a>>,
}

impl Backoff {
    pub(super) fn new(min_interval: Duration, max_interval: Duration) -> Self {
        let now = Instant::now();
        let state = State { failures: 0, round: 0, not_before: now, failed: now };
        Self {
            state: Mutex::new(state),
            lone: Semaphore::new(1),
            recovered: Notify::new(),
            min_interval,
            max_interval,
        }
    }

    /// Waits until a connection may be tried for. Cancel safe.
    pub(super) async fn leave(&self) -> Leave<'_> {
        if let Some(round) = self.free_round() {
            return Leave { round, _lone: None };
        }
        // It is never closed.
        let lone = self.lone.acquire().await.ok();
        loop {
            let recovered = self.recovered.notified();
            if let Some(round) = self.free_round() {
                return Leave { round, _lone: None };
            }
            let State { not_before, round, .. } = *self.lock();
            if Instant::now() >= not_before {
                return Leave { round, _lone: lone };
            }
            tokio::select! {
                () = sleep_until(not_before) => {}
                () = recovered => {}
            }
        }
    }

    /// A try of `round` has failed; `permanent`: only the program or its settings can help.
    pub(super) fn fail(&self, round: u64, permanent: bool) {
        let mut state = self.lock();
        if state.round != round {
            return;
        }
        let now = Instant::now();
        if now.saturating_duration_since(state.failed) > self.max_interval.saturating_add(CALM) {
            state.failures = 0;
        }
        let doubled = self.min_interval.saturating_mul(1 << state.failures.min(MOST_DOUBLINGS));
        state.failures = state.failures.saturating_add(1);
        state.round = state.round.wrapping_add(1);
        state.failed = now;
        let pause = if permanent {
            let half = self.max_interval / 2;
            half.saturating_add(up_to(half))
        } else {
            up_to(doubled.min(self.max_interval))
        };
        state.not_before = now.checked_add(pause).unwrap_or(now);
    }

    /// A connection has proven itself: tries are free again.
    pub(super) fn recover(&self) {
        let mut state = self.lock();
        if state.failures == 0 {
            return;
        }
        state.failures = 0;
        state.round = state.round.wrapping_add(1);
        drop(state);
        self.recovered.notify_waiters();
    }

    /// Whether nobody may try now.
    pub(super) fn is_pausing(&self) -> bool {
        let state = self.lock();
        state.failures > 0 && Instant::now() < state.not_before
    }

    /// Rounds of tries that have failed in a row.
    pub(super) fn failures(&self) -> u32 {
        self.lock().failures
    }

    /// The round, if nobody need wait in it.
    fn free_round(&self) -> Option<u64> {
        let state = self.lock();
        (state.failures == 0).then_some(state.round)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time between nothing and `bound`.
fn up_to(bound: Duration) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rand::random_range(0..=nanos))
}

/// A connection that lived this long has worked, though nothing was answered on it; and what failed longer ago than
/// this and a pause says nothing of the present.
pub(super) const CALM: Duration = Duration::from_secs(30);
/// 50 ms doubled this often is beyond any sensible pause.
const MOST_DOUBLINGS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        Backoff::new(Duration::from_millis(50), Duration::from_secs(12))
    }

    /// Fails `times` in a row, and says how long the pauses were together.
    async fn fail(backoff: &Backoff, times: usize) -> Duration {
        let begun = Instant::now();
        for _ in 0..times {
            let leave = backoff.leave().await;
            backoff.fail(leave.round, false);
        }
        drop(backoff.leave().await);
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest() {
        let backoff = backoff();
        let first = fail(&backoff, 1).await;
        assert!(first <= Duration::from_millis(51), "{first:?}");
        let more = fail(&backoff, 40).await;
        assert!(more < 40 * Duration::from_secs(12), "{more:?}");
        assert!(more > Duration::from_secs(60), "drawn between nothing and 12 s: {more:?}");
        assert_eq!(backoff.failures(), 41);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_that_went_side_by_side_fail_as_one() {
        let backoff = backoff();
        let (one, two) = (backoff.leave().await, backoff.leave().await);
        backoff.fail(one.round, false);
        backoff.fail(two.round, false);
        assert_eq!(backoff.failures(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_one_tries_at_a_time() {
        let backoff = backoff();
        let leave = backoff.leave().await;
        backoff.fail(leave.round, false);
        let lone = backoff.leave().await;
        let wait = tokio::time::timeout(Duration::from_secs(60), backoff.leave());
        assert!(wait.await.is_err(), "another one has leave");
        drop(lone);
        drop(backoff.leave().await);
    }

    #[tokio::test(start_paused = true)]
    async fn proof_ends_every_pause() {
        let backoff = backoff();
        let leave = backoff.leave().await;
        backoff.fail(leave.round, true);
        let begun = Instant::now();
        let recovery = async {
            tokio::task::yield_now().await;
            backoff.recover();
        };
        let (_, _, ()) = tokio::join!(backoff.leave(), backoff.leave(), recovery);
        assert!(begun.elapsed().is_zero());
        backoff.fail(leave.round, false);
        assert_eq!(backoff.failures(), 0, "a try of an earlier round says nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_helped_waits_long_from_the_first() {
        let backoff = backoff();
        let leave = backoff.leave().await;
        backoff.fail(leave.round, true);
        let begun = Instant::now();
        drop(backoff.leave().await);
        assert!(begun.elapsed() >= Duration::from_secs(6));
    }
}
