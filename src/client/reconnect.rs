//! `Reconnect`: when a client tries for another connection, and when it gives up.
//!
//! The policy is a value of the builder; [`Tries`] is its state in one client. Neither connects.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// What a client does when its connection ends, or none is to be had.
///
/// By default it tries again for ever. Before each try it waits for a time drawn at random between nothing
/// and a bound, which is 50 ms at first and doubles with each try up to 12 s (exponential backoff with full
/// jitter): after an outage a thousand clients come back spread over time, not all at once. The bound is
/// small again once a connection has proved good: a call was answered on it, or it has lived for 30 s. A
/// server that merely accepts connections proves nothing.
///
/// ```
/// use std::time::Duration;
/// use msgrpc::{Client, Reconnect};
///
/// // As txmsgpackrpc does by default: five tries, then the client is closed.
/// let builder = Client::builder("tcp://127.0.0.1:8000").reconnect(Reconnect::tries(5));
/// // For ever, but with at most a second between tries.
/// let policy = Reconnect::default().max_interval(Duration::from_secs(1));
/// let builder = Client::builder("tcp://127.0.0.1:8000").reconnect(policy);
/// ```
#[derive(Clone, Debug)]
pub struct Reconnect {
    tries: Option<u32>,
    initial_interval: Duration,
    max_interval: Duration,
    proven_after: Duration,
    silent_timeouts: u32,
    seed: Option<u64>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            tries: None,
            initial_interval: Duration::from_millis(50),
            max_interval: Duration::from_secs(12),
            proven_after: Duration::from_secs(30),
            silent_timeouts: 3,
            seed: None,
        }
    }
}

impl Reconnect {
    /// Never: a connection that has ended stays ended, and all later calls fail with
    /// [`CallError::Closed`](crate::CallError::Closed). The first connection has one try.
    pub fn never() -> Self {
        Self::tries(0)
    }

    /// At most `tries` in a row, counted from the last connection that proved good; then the client is
    /// closed, and calls fail with [`CallError::NotConnected`](crate::CallError::NotConnected).
    pub fn tries(tries: u32) -> Self {
        Self { tries: Some(tries), ..Self::default() }
    }

    /// The longest wait before the first try. Default: 50 ms: nobody notices it, and clients that have lost
    /// one server at the same moment do not come back at the same moment. At least 1 ms.
    #[must_use]
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// The longest wait before any try. Default: 12 s, as in txmsgpackrpc: a server that is back is found
    /// within it.
    #[must_use]
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.max_interval = interval;
        self
    }

    /// How long a connection must live to prove good without having answered a call. Default: 30 s: longer
    /// than it takes to refuse a client, by its certificate or by a limit.
    #[must_use]
    pub fn proven_after(mut self, time: Duration) -> Self {
        self.proven_after = time;
        self
    }

    /// After how many calls in a row that were not answered in time the connection is replaced, if the peer
    /// has sent not a single byte since the first of them and at least 5 s have passed. `None`: never.
    ///
    /// A peer that has vanished without a reset, by a pulled cable or a firewall that forgot the connection,
    /// is noticed only so. Default: 3: one or two may be a slow method, and calls that are under way on a
    /// connection that is replaced are lost. A server that works on one call at a time and answers nothing
    /// meanwhile wants a larger number, or `None`. Pools and balancers take this setting from their clients, and
    /// nothing else of the policy; [`never`](Self::never) has none.
    #[must_use]
    pub fn silent_timeouts(mut self, calls: impl Into<Option<u32>>) -> Self {
        self.silent_timeouts = calls.into().unwrap_or(0);
        self
    }

    /// Draws the waits from this seed, so that a test or a simulation repeats. Default: a seed of its own
    /// for each client.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Whether an ended connection stays ended.
    pub(super) fn is_never(&self) -> bool {
        self.tries == Some(0)
    }

    /// See [`silent_timeouts`](Self::silent_timeouts); 0: never.
    pub(super) fn most_silent_timeouts(&self) -> u32 {
        if self.is_never() { 0 } else { self.silent_timeouts }
    }
}

/// The tries of one client since its last good connection.
#[derive(Debug)]
pub(super) struct Tries {
    policy: Reconnect,
    rng: Xoshiro256PlusPlus,
    made: u32,
    /// Waits since the last good connection.
    waits: u32,
    /// What became of the last try, or of the last connection.
    error: Option<Arc<str>>,
}

impl Tries {
    pub(super) fn new(policy: Reconnect) -> Self {
        let rng = match policy.seed {
            Some(seed) => Xoshiro256PlusPlus::seed_from_u64(seed),
            None => rand::make_rng(),
        };
        Self { policy, rng, made: 0, waits: 0, error: None }
    }

    /// A try begins.
    pub(super) fn begin(&mut self) {
        self.made = self.made.saturating_add(1);
    }

    /// The try failed, or the connection that it brought was lost.
    pub(super) fn failed(&mut self, error: impl Into<Arc<str>>) {
        self.error = Some(error.into());
    }

    /// A connection that lived for `lifetime` is over; `answered`: a call was answered on it.
    pub(super) fn lost(&mut self, answered: bool, lifetime: Duration) {
        if answered || lifetime >= self.policy.proven_after {
            (self.made, self.waits) = (0, 0);
        }
    }

    /// Whether no more may be made.
    pub(super) fn are_used_up(&self) -> bool {
        self.policy.tries.is_some_and(|tries| self.made >= tries)
    }

    /// How long to wait before the next one.
    pub(super) fn wait(&mut self) -> Duration {
        let Reconnect { initial_interval, max_interval, .. } = self.policy;
        let doubled = initial_interval.saturating_mul(1 << self.waits.min(31));
        self.waits = self.waits.saturating_add(1);
        self.up_to(doubled.min(max_interval))
    }

    /// How long to wait where only the program or its settings can help: about as long as ever.
    pub(super) fn long_wait(&mut self) -> Duration {
        let half = self.policy.max_interval / 2;
        half + self.up_to(half)
    }

    pub(super) fn made(&self) -> u32 {
        self.made
    }

    pub(super) fn error(&self) -> Option<&Arc<str>> {
        self.error.as_ref()
    }

    /// A time between nothing and `bound`.
    fn up_to(&mut self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.rng.random_range(0..=nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bounds of the first waits, in milliseconds.
    const BOUNDS: [u128; 10] = [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_000, 12_000];

    fn tries(seed: u64) -> Tries {
        Tries::new(Reconnect::default().seed(seed))
    }

    #[test]
    fn waits_double_up_to_twelve_seconds_and_are_spread_evenly_below_their_bound() {
        let mut sums = [0; BOUNDS.len()];
        for seed in 0..1000 {
            let mut tries = tries(seed);
            for (sum, bound) in sums.iter_mut().zip(BOUNDS) {
                let wait = tries.wait().as_micros();
                assert!(wait <= bound * 1000, "{wait} µs are more than {bound} ms");
                *sum += wait;
            }
        }
        for (sum, bound) in sums.into_iter().zip(BOUNDS) {
            let mean = sum / 1000;
            assert!((450 * bound..=550 * bound).contains(&mean), "{mean} µs of {bound} ms");
        }
    }

    #[test]
    fn a_seed_repeats_and_without_one_clients_differ() {
        let waits = |mut tries: Tries| -> Vec<_> { (0..20).map(|_| tries.wait()).collect() };
        assert_eq!(waits(tries(7)), waits(tries(7)));
        assert_ne!(waits(tries(7)), waits(tries(8)));
        assert_ne!(
            waits(Tries::new(Reconnect::default())),
            waits(Tries::new(Reconnect::default()))
        );
    }

    #[test]
    fn only_a_connection_that_proved_good_begins_the_count_anew() {
        let mut tries = Tries::new(Reconnect::tries(3));
        let second = Duration::from_secs(1);
        for (answered, lifetime, made) in [
            (false, 29 * second, 1),
            (false, Duration::ZERO, 2),
            (true, Duration::ZERO, 0),
            (false, second, 1),
            (false, 30 * second, 0),
        ] {
            tries.begin();
            tries.lost(answered, lifetime);
            assert_eq!(tries.made(), made);
            assert!(!tries.are_used_up());
        }
        (0..3).for_each(|_| tries.begin());
        assert!(tries.are_used_up());
        assert!(Tries::new(Reconnect::never()).are_used_up());
    }

    #[test]
    fn settings_at_their_ends_are_borne() {
        let longest = Reconnect::default().initial_interval(Duration::MAX);
        let mut tries = Tries::new(longest.max_interval(Duration::MAX).seed(1));
        for _ in 0..100 {
            let _pause = tries.wait();
        }
        assert!(tries.long_wait() >= Duration::MAX / 2);
        let shortest = Reconnect::default().initial_interval(Duration::ZERO);
        let mut tries = Tries::new(shortest.max_interval(Duration::ZERO));
        assert_eq!((tries.wait(), tries.long_wait()), (Duration::ZERO, Duration::ZERO));
    }
}
