//! Products of large integers by a floating-point Fourier transform.
//!
//! The big-integer crate multiplies large numbers with a number-theoretic transform in portable code; a
//! transform over `f64` runs on the processor's vector unit and is three times as fast. Rounding cannot
//! spoil a result unseen: every product is checked modulo a prime.
//!
//! ```text
//! words ─► balanced digits in base 2^16 ─► FFT ─┐
//! words ─► balanced digits in base 2^16 ─► FFT ─┴► × ─► inverse FFT ─► round, carry ─► words
//! ```

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use dashu_int::{IBig, UBig};
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// `left · right`.
pub(crate) fn product(left: &IBig, right: &IBig) -> IBig {
    let (left_sign, left_words) = left.as_sign_words();
    let (right_sign, right_words) = right.as_sign_words();
    let (short, long) = if left_words.len() < right_words.len() {
        (left_words, right_words)
    } else {
        (right_words, left_words)
    };
    if short.len() < MIN_WORDS || long.len() / 4 > short.len() {
        return left * right;
    }
    let words = Transform::new(DIGITS_PER_WORD * (short.len() + long.len())).product(short, long);
    if residue(&words) != residue_product(residue(short), residue(long)) {
        return left * right;
    }
    IBig::from_parts(left_sign * right_sign, UBig::from_words(&words))
}

/// Both directions of the transform of one length.
struct Transform {
    length: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl Transform {
    /// A transform of at least `digits` digits, in a length that the library has fast code for.
    fn new(digits: usize) -> Self {
        static PLANNER: LazyLock<Mutex<RealFftPlanner<f64>>> = LazyLock::new(Mutex::default);

        let power = digits.next_power_of_two();
        let lengths = [power / 16 * 9, power / 8 * 5, power / 4 * 3, power / 16 * 15, power];
        let length = lengths.into_iter().find(|&length| length >= digits).unwrap_or(power);
        let mut planner = PLANNER.lock().unwrap_or_else(PoisonError::into_inner);
        let forward = planner.plan_fft_forward(length);
        Self { length, forward, inverse: planner.plan_fft_inverse(length) }
    }

    fn product(&self, left: &[u64], right: &[u64]) -> Vec<u64> {
        let mut left_spectrum = self.spectrum(left);
        for (left, right) in left_spectrum.iter_mut().zip(self.spectrum(right)) {
            *left *= right;
        }
        // Real by nature; rounding may say otherwise, and the library would then complain.
        let last = left_spectrum.len() - 1;
        left_spectrum[0].im = 0.0;
        left_spectrum[last].im = 0.0;
        let mut digits = self.inverse.make_output_vec();
        self.inverse.process(&mut left_spectrum, &mut digits).expect("both made by this transform");
        self.words(&digits, left.len() + right.len())
    }

    /// Balanced digits, from -2^15 to 2^15: their products add up with errors far smaller than digits from 0 would.
    fn spectrum(&self, words: &[u64]) -> Vec<Complex<f64>> {
        let mut digits = self.forward.make_input_vec();
        let mut carry = 0;
        for (word, digits) in words.iter().zip(digits.as_chunks_mut::<DIGITS_PER_WORD>().0) {
            for (bytes, digit) in word.to_le_bytes().as_chunks::<2>().0.iter().zip(digits) {
                let value = i32::from(u16::from_le_bytes(*bytes)) + carry;
                carry = (value + 0x8000) >> 16;
                *digit = f64::from(value - (carry << 16));
            }
        }
        // The transform has room for the longer operand and more, since it is long enough for the product.
        digits[DIGITS_PER_WORD * words.len()] += f64::from(carry);
        let mut spectrum = self.forward.make_output_vec();
        self.forward.process(&mut digits, &mut spectrum).expect("both made by this transform");
        spectrum
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a digit of the product has at most 53 bits, of which the lowest 16 are kept; the length has fewer"
    )]
    fn words(&self, digits: &[f64], count: usize) -> Vec<u64> {
        // The library leaves out the division by the length.
        let scale = 1.0 / self.length as f64;
        let mut carry = 0;
        let word = |digits: &[f64; DIGITS_PER_WORD]| {
            let mut word = 0;
            for (position, digit) in digits.iter().enumerate() {
                let value = (digit * scale).round_ties_even() as i64 + carry;
                word |= u64::from(value as u16) << (16 * position);
                carry = value >> 16;
            }
            word
        };
        digits.as_chunks().0.iter().take(count).map(word).collect()
    }
}

/// The number modulo 2^61 - 1, where 2^64 is 8.
fn residue(words: &[u64]) -> u64 {
    words.iter().rev().fold(0, |residue, &word| fold(u128::from(residue) * 8 + u128::from(word)))
}

fn residue_product(left: u64, right: u64) -> u64 {
    fold(u128::from(left) * u128::from(right))
}

/// A number below 2^122 modulo 2^61 - 1, where 2^61 is 1.
#[expect(clippy::cast_possible_truncation, reason = "both halves are below 2^61")]
fn fold(number: u128) -> u64 {
    let sum = (number as u64 & PRIME) + (number >> 61) as u64;
    if sum >= PRIME { sum - PRIME } else { sum }
}

const PRIME: u64 = (1 << 61) - 1;
const DIGITS_PER_WORD: usize = 4;

/// Operands with fewer words are multiplied by the big-integer crate, which is faster there.
const MIN_WORDS: usize = 300;
