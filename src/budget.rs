//! How many calls may be sent a second time: a bucket that every call fills a little.
//!
//! Used by the calls of clients, pools and balancers. Without it a server that is overloaded and drops its connections
//! would get each call several times, and be overloaded the more.

use std::sync::atomic::{AtomicU32, Ordering};

/// Hundredths of a repetition: each call brings `percent`, each repetition takes [`WHOLE`].
#[derive(Debug)]
pub(crate) struct RetryBudget {
    hundredths: AtomicU32,
    percent: u32,
}

const WHOLE: u32 = 100;

/// Repetitions that there are before any call was made: the first ones may be lost.
const INITIAL: u32 = 10;

/// Repetitions that calls can save up, so that a long quiet time does not end in a storm.
const MOST: u32 = 200;

/// Calls of a hundred that may be repeated, by default.
pub(crate) const PERCENT: u32 = 20;

impl RetryBudget {
    /// The budget of which `percent` of the calls may be repeated; with 0, none ever.
    pub(crate) fn new(percent: u32) -> Self {
        let hundredths = if percent == 0 { 0 } else { INITIAL * WHOLE };
        Self { hundredths: AtomicU32::new(hundredths), percent: percent.min(WHOLE) }
    }

    /// A call is made.
    pub(crate) fn earn(&self) {
        // Two at once may both pass the bound: by a fraction of one repetition.
        if self.percent > 0 && self.hundredths.load(Ordering::Relaxed) < MOST * WHOLE {
            self.hundredths.fetch_add(self.percent, Ordering::Relaxed);
        }
    }

    /// Whether one more may be repeated, which is then counted.
    pub(crate) fn spend(&self) -> bool {
        let order = Ordering::Relaxed;
        self.hundredths.fetch_update(order, order, |left| left.checked_sub(WHOLE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repetitions(budget: &RetryBudget) -> usize {
        (0..1000).take_while(|_| budget.spend()).count()
    }

    #[test]
    fn a_fifth_of_the_calls_may_be_repeated_after_the_first_ten() {
        let budget = RetryBudget::new(PERCENT);
        assert_eq!(repetitions(&budget), 10);
        (0..104).for_each(|_| budget.earn());
        assert_eq!(repetitions(&budget), 20);
        budget.earn();
        assert_eq!(repetitions(&budget), 1, "what is left over counts");
    }

    #[test]
    fn no_more_than_200_are_saved_up() {
        let budget = RetryBudget::new(PERCENT);
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!(repetitions(&budget), 200);
    }

    #[test]
    fn without_a_share_nothing_is_repeated() {
        let budget = RetryBudget::new(0);
        (0..1000).for_each(|_| budget.earn());
        assert_eq!(repetitions(&budget), 0);
    }
}
