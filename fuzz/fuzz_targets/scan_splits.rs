//! The scanner's verdict does not depend on how the bytes are split, under limits small and large.
//!
//! Input: four bytes for the limits, eight for the lengths of the pieces, then what is scanned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msgrpc_core::scan::{ScanLimits, check};

fuzz_target!(|input: &[u8]| {
    let Some(([size, wide, depth, elements, pieces @ ..], bytes)) = input.split_first_chunk::<12>()
    else {
        return;
    };
    let message_bytes = usize::from(u16::from_be_bytes([*wide, *size]));
    let small = ScanLimits::new(message_bytes, usize::from(*depth), usize::from(*elements));
    let large = ScanLimits::new(8 << 20, 128, 1 << 20);
    for limits in [small, large] {
        check::agrees_with_itself_in_pieces(bytes, limits, pieces);
    }
});
