//! Large buffers that nobody needs at the moment, kept by each thread for the next large message.
//!
//! Used by the reading half and by payloads. A large message costs its copies, not the pages that a fresh
//! buffer of its size would be made of. Never holds bytes of a message: a spare buffer is empty.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// Buffers that one thread keeps at most.
///
/// 8: as many large calls as one would have in flight at once.
const SPARES: usize = 8;

/// Smallest and largest buffer worth keeping, in bytes: together at most 2 MiB in a thread.
const KEPT_BYTES: std::ops::RangeInclusive<usize> = (16 << 10)..=(256 << 10);

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for at least `bytes`.
pub(crate) fn take(bytes: usize) -> BytesMut {
    let spare = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let index = spare.iter_mut().rposition(|buffer| buffer.try_reclaim(bytes))?;
        Some(spare.swap_remove(index))
    });
    // A thread that is ending has no spares.
    spare.ok().flatten().unwrap_or_else(|| BytesMut::with_capacity(bytes))
}

/// Takes back a buffer, if nobody else holds a part of it.
pub(crate) fn give(buffer: Bytes) {
    if let Ok(buffer) = buffer.try_into_mut() {
        give_mut(buffer);
    }
}

/// Takes back a buffer.
pub(crate) fn give_mut(mut buffer: BytesMut) {
    buffer.clear();
    // Its room counts from where its bytes begin: this moves them back to the front.
    let _moved = buffer.try_reclaim(*KEPT_BYTES.start());
    if !KEPT_BYTES.contains(&buffer.capacity()) {
        return;
    }
    let _ending = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < SPARES {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_part_is_given_back() {
        let mut buffer = take(20_000);
        buffer.resize(20_000, 7);
        let place = buffer.as_ptr();
        let whole = buffer.freeze();
        let part = whole.slice(5..);
        give(whole);
        assert_ne!(take(20_000).as_ptr(), place);
        give(part);
        let again = take(20_000);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn no_more_are_kept_than_are_worth_it() {
        for _ in 0..2 * SPARES {
            give_mut(BytesMut::with_capacity(*KEPT_BYTES.end() + 1));
            give_mut(BytesMut::with_capacity(100));
        }
        assert_eq!(SPARE.with_borrow(Vec::len), 0);
        let many: Vec<_> = (0..2 * SPARES).map(|_| take(*KEPT_BYTES.start())).collect();
        many.into_iter().for_each(give_mut);
        assert_eq!(SPARE.with_borrow(Vec::len), SPARES);
    }
}
