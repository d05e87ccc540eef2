//! What a reader must agree with, whatever the bytes: itself, however the stream is split.
//!
//! Used by the fuzz targets in `fuzz/`; not part of the public API, and only there with the feature
//! `fuzzing`. Panics when it does not.

use super::{Event, Inbound};
use crate::limits::Limits;

/// The same events come, and the same end, whether `stream` arrives at once or in pieces of these
/// lengths, used in turn.
///
/// # Panics
///
/// When they differ.
pub fn reads_the_same_in_pieces(stream: &[u8], lengths: &[u8]) {
    let whole = read(std::iter::once(stream));
    let mut rest = stream;
    let mut lengths = lengths.iter().cycle();
    let pieces = std::iter::from_fn(|| {
        let length = lengths.next().map_or(1, |length| usize::from(*length) + 1);
        let (piece, later) = rest.split_at(length.min(rest.len()));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(read(pieces), whole);
}

/// What an end sees: its events, and why it ends.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut limits = Limits::server();
    limits.message_bytes = 2048;
    let mut inbound = Inbound::new(&limits);
    let mut seen = Vec::new();
    for piece in pieces {
        inbound.buffer().extend_from_slice(piece);
        loop {
            match inbound.poll_event() {
                Ok(Some(Event::Invocation(invocation))) => {
                    let kept = invocation.keep();
                    assert_eq!(kept.method(), invocation.method);
                    seen.push(format!("{:?} {} {:x?}", kept.msgid(), kept.method(), kept.params()));
                }
                Ok(Some(event)) => seen.push(format!("{event:?}")),
                Ok(None) => break,
                // How much of a bad beginning had arrived may tell more or less about it.
                Err(error) => {
                    seen.push(format!("{:?}", std::mem::discriminant(&error)));
                    return seen;
                }
            }
        }
    }
    seen.push(format!("{:?}", inbound.handle_eof()));
    seen
}
