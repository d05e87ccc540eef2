//! How long a peer has answered nothing: calls that timed out since its last byte.
//!
//! Kept by the reader, asked by the driver. A peer that vanished without a reset is told so from one that is
//! slow with a single method, whose other bytes still come.

use std::time::{Duration, Instant};

/// Shortest silence that means anything: calls with short timeouts, or many at once, time out together
/// while a peer is busy for a moment. As long as connecting anew may take.
const LEAST: Duration = Duration::from_secs(5);

/// Timeouts in a row, without a byte of the peer between them.
#[derive(Debug, Default)]
pub(super) struct Silence {
    timeouts: u32,
    /// When the first of them was; meaningless while there is none.
    since: Option<Instant>,
}

impl Silence {
    /// Bytes have come.
    #[inline]
    pub(super) fn end(&mut self) {
        self.timeouts = 0;
    }

    /// A call was not answered in time.
    pub(super) fn timed_out(&mut self, now: Instant) {
        if self.timeouts == 0 {
            self.since = Some(now);
        }
        self.timeouts = self.timeouts.saturating_add(1);
    }

    /// The number of timeouts, once they are `most`, of which 0 is none, and have gone on for long enough.
    pub(super) fn is_over(&self, most: u32, now: Instant) -> Option<u32> {
        let long = self.since.is_some_and(|since| now.saturating_duration_since(since) >= LEAST);
        (most > 0 && self.timeouts >= most && long).then_some(self.timeouts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_in_a_row_count_once_they_have_gone_on_for_five_seconds() {
        let (mut silence, begun) = (Silence::default(), super::super::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        for _ in 0..10 {
            silence.timed_out(at(0));
        }
        assert_eq!(silence.is_over(3, at(0)), None, "all at once, which tells nothing");
        assert_eq!(silence.is_over(3, at(5)), Some(10));
        assert_eq!(silence.is_over(0, at(5)), None, "switched off");
        silence.end();
        assert_eq!(silence.is_over(3, at(9)), None);
        silence.timed_out(at(10));
        silence.timed_out(at(20));
        assert_eq!(silence.is_over(3, at(20)), None);
        silence.timed_out(at(21));
        assert_eq!(silence.is_over(3, at(21)), Some(3));
    }
}
