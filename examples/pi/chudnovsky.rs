//! π to any number of places, by the Chudnovsky series with binary splitting.
//!
//! ```text
//!  1            ∞    (-1)^k (6k)! (13591409 + 545140134 k)
//!  ─  =  12  ·  Σ    ─────────────────────────────────────
//!  π           k=0       (3k)! (k!)^3 640320^(3k + 3/2)
//! ```
//!
//! Each term adds 14.18 digits. Source: D. V. and G. V. Chudnovsky, "Approximations and complex
//! multiplication according to Ramanujan", 1988; the splitting after Haible and Papanikolaou, "Fast
//! multiprecision evaluation of series of rational numbers", 1998.

use dashu_int::IBig;
use dashu_int::ops::BitTest;

use crate::parallel::{Stop, Stopped, join};
use crate::product::product;
use crate::{decimal, newton};

/// `3.1415…` with exactly `places` decimals, cut off and not rounded, so that each result begins with all the shorter ones.
///
/// `places` is at most 100 million (terms are computed in 128 bits). Blocks the thread, and uses more of
/// them for the larger halves of the work.
///
/// # Errors
///
/// [`Stopped`] soon after `stop` is raised: it is looked at between two multiplications. The largest ones take
/// about 30 ms for a million places, and half a second for ten million.
pub(crate) fn pi(places: u32, stop: &Stop) -> Result<String, Stopped> {
    let mut spare = 20;
    loop {
        let count = places as usize + spare;
        let digits = digits(count, stop)?;
        let (digits, rest) = digits.split_at(places as usize);
        // The last few digits may be wrong, and wrong by a carry only if all spare ones before them are 0 or 9.
        let sure = &rest[..spare - 5];
        if sure.iter().any(|digit| *digit != sure[0]) || !matches!(sure[0], b'0' | b'9') {
            let point = if places == 0 { "3" } else { "3." };
            return Ok(point.chars().chain(digits.iter().map(|&digit| digit.into())).collect());
        }
        spare *= 2;
    }
}

/// The first `count` decimals of π, of which the last few may be wrong.
fn digits(count: usize, stop: &Stop) -> Result<Vec<u8>, Stopped> {
    let bits = decimal::bits(count);
    let terms = u32::try_from(count / 14).unwrap_or(u32::MAX) + 2;
    let series = Series { terms, bits, apart: (terms / 16).max(2000), stop };
    // π = 426880 √10005 · Q / T, and √10005 = 10005 · (1 / √10005)
    let (root, sum) = join(
        terms >= series.apart,
        || newton::inverse_sqrt(10_005, bits, stop),
        || {
            let sum = series.sum(0, terms)?;
            newton::quotient(&sum.q, &sum.t, bits, stop)
        },
    );
    let pi = (product(&sum?, &root?) >> bits) * (426_880_u64 * 10_005);
    decimal::digits(pi - (IBig::from(3) << bits), count, stop)
}

struct Series<'a> {
    terms: u32,
    /// Bits of the result that matter.
    bits: usize,
    /// From this many terms on the halves are summed side by side.
    apart: u32,
    stop: &'a Stop,
}

/// The terms of a range `a..b`: the products of p and of q, and the sum `T` with
/// `T / Q = Σ (13591409 + 545140134 k) · p(a+1)…p(k) / (q(a+1)…q(k))`, the first factors included for `a > 0`.
///
/// Only the proportions of the three matter, to the range itself and to those joined with it.
struct Range {
    p: IBig,
    q: IBig,
    t: IBig,
}

impl Series<'_> {
    fn sum(&self, from: u32, to: u32) -> Result<Range, Stopped> {
        if to - from == 1 {
            return Ok(Range::term(from));
        }
        let middle = from.midpoint(to);
        let apart = to - from >= self.apart;
        let (left, right) = join(apart, || self.sum(from, middle), || self.sum(middle, to));
        let (left, right) = (left?, right?);
        self.stop.check()?;
        let (t, (q, p)) = join(
            apart,
            || product(&right.q, &left.t) + product(&left.p, &right.t),
            || {
                // Nothing comes after the last range, so nobody asks for its p.
                let last = to == self.terms;
                let p = if last { IBig::ZERO } else { product(&left.p, &right.p) };
                (product(&left.q, &right.q), p)
            },
        );
        Ok(Range { p, q, t }.cut(self.bits.saturating_sub(47 * from as usize) + 64))
    }
}

impl Range {
    fn term(k: u32) -> Self {
        let k = i128::from(k);
        let a = 13_591_409 + 545_140_134 * k;
        if k == 0 {
            return Self { p: IBig::ONE, q: IBig::ONE, t: a.into() };
        }
        let p = -(6 * k - 5) * (2 * k - 1) * (6 * k - 1);
        // 640320³ / 24
        let q = 10_939_058_860_032_000 * k * k * k;
        Self { p: p.into(), q: q.into(), t: (p * a).into() }
    }

    /// Drops the bits beyond what matters: a range that starts at term k counts 47·k bits less than the first.
    fn cut(self, bits: usize) -> Self {
        let excess = self.q.bit_len().saturating_sub(bits);
        Self { p: self.p >> excess, q: self.q >> excess, t: self.t >> excess }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_ten(places: u32) -> String {
        let text = pi(places, &Stop::default()).unwrap();
        assert_eq!(text.len(), places as usize + 2);
        text.chars().skip(text.len() - 10).collect()
    }

    #[test]
    fn fifty_places_are_those_of_the_books() {
        let expected = "3.14159265358979323846264338327950288419716939937510";
        assert_eq!(pi(50, &Stop::default()).unwrap(), expected);
    }

    #[test]
    fn few_places_are_cut_off_and_not_rounded() {
        let texts = [0, 1, 4, 5].map(|places| pi(places, &Stop::default()).unwrap());
        assert_eq!(texts, ["3", "3.1", "3.1415", "3.14159"]);
    }

    #[test]
    fn every_result_begins_with_the_shorter_ones() {
        let long = pi(3000, &Stop::default()).unwrap();
        for places in (1..3000).step_by(97) {
            assert!(long.starts_with(&pi(places, &Stop::default()).unwrap()), "{places}");
        }
        // The Feynman point: six nines in a row, where a carry would show.
        assert!(pi(767, &Stop::default()).unwrap().ends_with("999999"));
    }

    #[test]
    fn many_places_end_as_other_programs_say() {
        assert_eq!(last_ten(1000), "2164201989");
        assert_eq!(last_ten(10_000), "5256375678");
        assert_eq!(last_ten(100_000), "5493624646");
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
    fn a_million_places_end_as_other_programs_say() {
        assert_eq!(last_ten(1_000_000), "5779458151");
    }

    #[test]
    fn a_raised_flag_stops_the_computation() {
        let stop = Stop::default();
        stop.raise();
        assert_eq!(pi(1_000_000, &stop), Err(Stopped));
    }
}
