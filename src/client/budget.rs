//! How many calls may be sent a second time: a bucket that every call fills a little.
//!
//! Kept under the link's lock. Without it a server that is overloaded and drops its connections would get
//! each call several times, and be overloaded the more.

/// Hundredths of a repetition: each call brings `percent`, each repetition takes [`WHOLE`].
#[derive(Debug)]
pub(super) struct RetryBudget {
    hundredths: u32,
    percent: u32,
}

const WHOLE: u32 = 100;

/// Repetitions that a client has before it has made a call: it may have lost its first ones.
const INITIAL: u32 = 10;

/// Repetitions that calls can save up, so that a long quiet time does not end in a storm.
const MOST: u32 = 200;

impl RetryBudget {
    /// The budget of a client of which `percent` of the calls may be repeated; with 0, none ever.
    pub(super) fn new(percent: u32) -> Self {
        let hundredths = if percent == 0 { 0 } else { INITIAL * WHOLE };
        Self { hundredths, percent: percent.min(WHOLE) }
    }

    /// A call is made.
    #[inline]
    pub(super) fn earn(&mut self) {
        self.hundredths = (self.hundredths + self.percent).min(MOST * WHOLE);
    }

    /// Whether one more may be repeated, which is then counted.
    pub(super) fn spend(&mut self) -> bool {
        let left = self.hundredths.checked_sub(WHOLE);
        self.hundredths = left.unwrap_or(self.hundredths);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repetitions(budget: &mut RetryBudget) -> usize {
        (0..1000).take_while(|_| budget.spend()).count()
    }

    #[test]
    fn a_fifth_of_the_calls_may_be_repeated_after_the_first_ten() {
        let mut budget = RetryBudget::new(20);
        assert_eq!(repetitions(&mut budget), 10);
        (0..104).for_each(|_| budget.earn());
        assert_eq!(repetitions(&mut budget), 20);
        budget.earn();
        assert_eq!(repetitions(&mut budget), 1, "what is left over counts");
    }

    #[test]
    fn no_more_than_200_are_saved_up() {
        let mut budget = RetryBudget::new(20);
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!(repetitions(&mut budget), 200);
    }

    #[test]
    fn without_a_share_nothing_is_repeated() {
        let mut budget = RetryBudget::new(0);
        (0..1000).for_each(|_| budget.earn());
        assert_eq!(repetitions(&mut budget), 0);
    }
}
