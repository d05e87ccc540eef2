//! What a scanner must agree with, whatever the bytes: rmp-serde's decoder, and itself however the
//! bytes are split.
//!
//! Used by the tests and by the fuzz targets in `fuzz/`; not part of the public API, and only there
//! with the feature `fuzzing`. Panics when they disagree.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is its verdict"
)]

use std::io::Cursor;

use rmp_serde::decode::Error;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Scan, ScanError, ScanLimits, Scanner};

/// Depth that both are given: rmp-serde, which recurses, survives it on any stack.
const DEPTH: usize = 128;

/// The scanner finds an end exactly where rmp-serde ends, and refuses what it refuses.
///
/// # Panics
///
/// When they disagree on `bytes`.
pub fn agrees_with_rmp_serde(bytes: &[u8]) {
    let mut decoder = rmp_serde::Deserializer::new(Cursor::new(bytes));
    // It counts down and refuses at zero.
    decoder.set_max_depth(DEPTH + 1);
    let decoded = IgnoredAny::deserialize(&mut decoder);
    let position = usize::try_from(decoder.position()).expect("it lies within the slice");

    match Scanner::new(ScanLimits::new(usize::MAX, DEPTH, usize::MAX)).scan(bytes) {
        Ok(Scan::Done { len }) => {
            assert!(decoded.is_ok(), "scanned {len} bytes, but {decoded:?}");
            assert_eq!(len, position);
            has_exact_byte_limit(bytes, len);
        }
        Ok(Scan::More { missing }) => {
            assert!(missing > 0);
            // Of an extension rmp-serde knows the depth before its type has come.
            let cut = matches!(
                decoded,
                Err(Error::InvalidMarkerRead(_)
                    | Error::InvalidDataRead(_)
                    | Error::DepthLimitExceeded)
            );
            assert!(cut, "{missing} bytes missing, but {decoded:?}");
        }
        Err(ScanError::TooDeep { .. }) => {
            assert!(matches!(decoded, Err(Error::DepthLimitExceeded)), "too deep, but {decoded:?}");
        }
        Err(ScanError::Reserved { offset }) => {
            assert!(matches!(decoded, Err(Error::TypeMismatch(_))), "reserved, but {decoded:?}");
            assert_eq!(bytes.get(offset), Some(&0xc1));
            assert_eq!(offset + 1, position);
        }
        Err(error) => panic!("{error}, without such a limit"),
    }
}

/// A value of `len` bytes passes a limit of `len` and no smaller one.
fn has_exact_byte_limit(bytes: &[u8], len: usize) {
    let scan = |limit| Scanner::new(ScanLimits::new(limit, DEPTH, usize::MAX)).scan(bytes);
    assert_eq!(scan(len), Ok(Scan::Done { len }));
    let limit = len - 1;
    if limit == 0 {
        return;
    }
    match scan(limit) {
        Err(ScanError::TooLarge { limit: named, claimed }) => {
            assert_eq!(named, limit);
            assert_eq!(claimed, len, "one byte over can only show at the last claim");
        }
        other => panic!("{other:?} with a limit of {limit} for {len} bytes"),
    }
}

/// In pieces of these lengths, repeated, the verdict is the same as on all of `bytes`; what is said to
/// be missing is missing; and the scanner never looks back.
///
/// `limits`: small ones show more. `pieces`: an empty one, and zeros, count as one byte.
///
/// # Panics
///
/// When the verdicts differ.
pub fn agrees_with_itself_in_pieces(bytes: &[u8], limits: ScanLimits, pieces: &[u8]) {
    let whole = Scanner::new(limits).scan(bytes);
    let mut scanner = Scanner::new(limits);
    let mut pieces = pieces.iter().cycle();
    let (mut received, mut needed, mut scanned) = (0, 0, 0);
    while received < bytes.len() {
        let piece = pieces.next().map_or(1, |piece| usize::from(*piece).max(1));
        received = bytes.len().min(received + piece);
        let verdict = scanner.scan(&bytes[..received]);
        match verdict {
            Ok(Scan::More { missing }) => {
                assert!(missing >= 1 && received + missing >= needed, "a claim was taken back");
                assert!(scanner.scanned() >= scanned, "looked back");
                (needed, scanned) = (received + missing, scanner.scanned());
            }
            Ok(Scan::Done { len }) => {
                assert!(received >= needed, "{needed} bytes claimed, complete with {received}");
                assert_eq!(scanner.scanned(), 0);
                assert_eq!(whole, Ok(Scan::Done { len }));
                return;
            }
            Err(error) => {
                assert_eq!(whole, Err(error));
                assert_eq!(scanner.scan(&bytes[..received]), Err(error), "it comes again");
                return;
            }
        }
    }
    if let Ok(Scan::More { missing }) = whole {
        assert_eq!(received + missing, needed.max(bytes.len() + 1));
    } else {
        assert!(bytes.is_empty(), "{whole:?} was not found in pieces");
    }
}
