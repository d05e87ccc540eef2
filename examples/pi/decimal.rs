//! A binary fraction to decimal digits, by halves: multiplications only, no division.
//!
//! The first half of the digits needs the upper half of the fraction's bits; the fraction times
//! `10^(half of the digits)` less its integer part holds the other half.

use dashu_int::ops::BitTest;
use dashu_int::{IBig, UBig};

use crate::parallel::{Stop, Stopped, join};
use crate::product::product;

/// Bits that hold `digits` decimal digits and some to spare: 196 / 59 is just above log₂ 10.
pub(crate) fn bits(digits: usize) -> usize {
    digits * 196 / 59 + SPARE
}

/// The first `count` digits of a fraction at scale [`bits`]`(count)`. The last few may be wrong.
pub(crate) fn digits(fraction: IBig, count: usize, stop: &Stop) -> Result<Vec<u8>, Stopped> {
    let levels = (count / PIECE).max(1).ilog2();
    let piece = count.div_ceil(1 << levels);
    let length = piece << levels;
    let mut powers = vec![IBig::from(5).pow(piece)];
    for level in 1..levels as usize {
        powers.push(product(&powers[level - 1], &powers[level - 1]));
    }
    let mut digits = vec![b'0'; length];
    let apart = (length / 16).max(PIECE * 8);
    let conversion = Conversion { powers, piece, apart, stop };
    conversion.fill(fraction << (bits(length) - bits(count)), &mut digits)?;
    digits.truncate(count);
    Ok(digits)
}

struct Conversion<'a> {
    /// `5^(piece · 2^i)` at index `i`; the powers of two are shifts.
    powers: Vec<IBig>,
    /// Digits of a piece that the big-integer crate converts.
    piece: usize,
    /// From this many digits on the halves are converted side by side.
    apart: usize,
    stop: &'a Stop,
}

impl Conversion<'_> {
    /// Fills `digits` from a fraction at scale `bits(digits.len())`.
    fn fill(&self, fraction: IBig, digits: &mut [u8]) -> Result<(), Stopped> {
        self.stop.check()?;
        let scale = bits(digits.len());
        if digits.len() <= self.piece {
            let text = ((fraction * &self.powers[0]) >> (scale - self.piece)).to_string();
            let zeros = digits.len() - text.len();
            digits[zeros..].copy_from_slice(text.as_bytes());
            return Ok(());
        }
        let half = digits.len() / 2;
        let below = scale - half;
        let level = (half / self.piece).ilog2() as usize;
        let (_, mut lower) = product(&fraction, &self.powers[level]).into_parts();
        lower.clear_high_bits(below);
        let mut upper = fraction >> (scale - bits(half));
        if lower.bit_len() < below - SPARE / 2 {
            // Cut off, the upper half may have fallen below the integer that it stands for.
            upper += UBig::ONE;
        }
        let lower = IBig::from(lower >> (below - bits(half)));
        let apart = digits.len() >= self.apart;
        let (first, last) = digits.split_at_mut(half);
        let (first, last) = join(apart, || self.fill(upper, first), || self.fill(lower, last));
        first.and(last)
    }
}

const SPARE: usize = 64;

/// Digits of a piece, about: short enough for a quadratic conversion.
const PIECE: usize = 400;
