//! A connection reads the same messages however its bytes are split, and never panics.
//!
//! Input: eight bytes for the lengths of the pieces, then the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msgrpc_core::connection::check;

fuzz_target!(|input: &[u8]| {
    if let Some((lengths, stream)) = input.split_first_chunk::<8>() {
        check::reads_the_same_in_pieces(stream, lengths);
    }
});
