//! Quotients and inverse square roots by Newton's iteration: each step doubles the number of right bits.
//!
//! Numbers are fixed-point: an integer `x` at scale `s` stands for `x / 2^s`. Results may be a few units off
//! in the last place; callers carry spare bits.
//! Source: Brent and Zimmermann, "Modern Computer Arithmetic", sections 3.4 and 3.5.

use dashu_int::ops::{BitTest, SquareRoot};
use dashu_int::{IBig, UBig};

use crate::parallel::{Stop, Stopped};
use crate::product::product;

/// `numerator / denominator` at scale `bits`, for positive operands of about the same length.
pub(crate) fn quotient(
    numerator: &IBig,
    denominator: &IBig,
    bits: usize,
    stop: &Stop,
) -> Result<IBig, Stopped> {
    let half = bits / 2 + SPARE;
    let exact = bits + SPARE;
    let length = denominator.bit_len();
    let inverse = reciprocal(denominator, half, stop)?;
    // q = n · x, with half of the bits …
    let lead = product(&rescale(numerator, length, half), &inverse) >> half;
    stop.check()?;
    // … and q + x · (n - d · q), with all.
    let back = product(&rescale(denominator, length, exact), &lead) >> half;
    stop.check()?;
    let rest = rescale(numerator, length, exact) - back;
    Ok((lead << (bits - half)) + (product(&rest, &inverse) >> (half + SPARE)))
}

/// `1 / √number` at scale `bits`.
pub(crate) fn inverse_sqrt(number: u32, bits: usize, stop: &Stop) -> Result<IBig, Stopped> {
    if bits <= DIRECT_BITS {
        return Ok(((UBig::ONE << (2 * bits)) / number).sqrt().into());
    }
    let half = bits / 2 + SPARE;
    let y = inverse_sqrt(number, half, stop)?;
    stop.check()?;
    // y + y · (1 - n · y²) / 2
    let error = (IBig::ONE << (2 * half)) - product(&y, &y) * number;
    let step = product(&y, &error) >> (3 * half + 1 - bits);
    Ok((y << (bits - half)) + step)
}

/// `2^length / divisor` at scale `bits`, `length` being the divisor's in bits.
fn reciprocal(divisor: &IBig, bits: usize, stop: &Stop) -> Result<IBig, Stopped> {
    let length = divisor.bit_len();
    let exact = bits + SPARE;
    if bits <= DIRECT_BITS {
        return Ok((IBig::ONE << (exact + bits)) / rescale(divisor, length, exact));
    }
    let half = bits / 2 + SPARE;
    let x = reciprocal(divisor, half, stop)?;
    stop.check()?;
    // x + x · (1 - d · x)
    let error = (IBig::ONE << (exact + half)) - product(&rescale(divisor, length, exact), &x);
    let step = product(&x, &(error >> half)) >> (half + SPARE);
    Ok((x << (bits - half)) + step)
}

/// The same number at another scale.
fn rescale(number: &IBig, from: usize, to: usize) -> IBig {
    if from > to { number >> (from - to) } else { number << (to - from) }
}

/// Bits by which each step is longer than its result, so that the errors of the steps do not add up to a unit's worth.
const SPARE: usize = 16;

/// Up to this many bits the big-integer crate's own division and root are as fast.
const DIRECT_BITS: usize = 4096;
