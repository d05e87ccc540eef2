//! `Retransmit`: when a request is sent again whose answer has not come.
//!
//! Used by clients of datagrams for methods that are idempotent. It holds no state and no clock.

use std::time::Duration;

/// How often, and after how long, a call of an idempotent method is sent again while its answer has not come.
///
/// Networks lose datagrams. A request that is sent again has the same msgid and the same bytes, so that a server can
/// recognise it, and whichever answer comes first counts. The call's own timeout ends it all, and so does the network when
/// it says that nobody is there. A server that takes longer than the first wait gets the request again, and executes it
/// again unless it has [`dedup`](crate::DatagramOptions::dedup). Methods that are not `#[msgrpc(idempotent)]` are never
/// sent again.
///
/// ```
/// use std::time::Duration;
/// use msgrpc::Retransmit;
///
/// let quick = Retransmit::default().first(Duration::from_millis(50)).times(3);
/// assert_eq!(Retransmit::never().times, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retransmit {
    /// How long the first answer is waited for. Each wait after it is twice as long, and each is lengthened at random by
    /// up to a half, so that clients that began together do not go on together.
    ///
    /// Default: 500 ms: longer than a round trip anywhere on earth, so that a request is not sent twice where nothing
    /// was lost.
    pub first: Duration,

    /// How often it is sent again at most.
    ///
    /// Default: 5, which is after about 0.6, 1.9, 4.4, 9.4 and 19 s: a call with the default timeout of 30 s gets
    /// through where nine of ten datagrams are lost more often than not.
    pub times: u32,
}

impl Retransmit {
    /// Nothing is sent again.
    pub const fn never() -> Self {
        Self { first: Duration::from_millis(500), times: 0 }
    }

    /// Sets [`first`](Self#structfield.first).
    #[must_use]
    pub fn first(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// Sets [`times`](Self#structfield.times).
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// How long is waited after `sent` repetitions, when `random` is between 0 and 1; `None`: it is not sent again.
    pub(super) fn wait(&self, sent: u32, random: f64) -> Option<Duration> {
        if sent >= self.times {
            return None;
        }
        let wait = self.first.saturating_mul(2_u32.saturating_pow(sent)).clamp(SHORTEST, LONGEST);
        Some(wait.mul_f64(1.0 + random.clamp(0.0, 1.0) / 2.0))
    }
}

impl Default for Retransmit {
    fn default() -> Self {
        Self { times: 5, ..Self::never() }
    }
}

/// No wait is shorter, so that a client does not send as fast as it can.
const SHORTEST: Duration = Duration::from_millis(1);

/// No wait is longer, so that counting cannot overflow.
const LONGEST: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_up_to_a_half_more() {
        let retransmit = Retransmit::default();
        let waits = |random| (0..7).map_while(move |sent| retransmit.wait(sent, random));
        let millis: Vec<_> = waits(0.0).map(|wait| wait.as_millis()).collect();
        assert_eq!(millis, [500, 1_000, 2_000, 4_000, 8_000]);
        let millis: Vec<_> = waits(1.0).map(|wait| wait.as_millis()).collect();
        assert_eq!(millis, [750, 1_500, 3_000, 6_000, 12_000]);
        assert_eq!(Retransmit::never().wait(0, 0.5), None);
        let patient = Retransmit::default().first(Duration::MAX).times(u32::MAX);
        assert_eq!(patient.wait(100, 0.0), Some(LONGEST));
    }
}
