//! Requests that come again: executed once, answered from memory.
//!
//! Used by the server of datagrams where [`DatagramOptions::dedup`](super::DatagramOptions) is on. What is kept is
//! bounded by number, by bytes and by time; a request is told by its peer, its msgid and all its bytes.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use msgrpc_core::MsgId;

use super::answer::Answer;

/// What tells a request from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    peer: SocketAddr,
    msgid: MsgId,
    /// Of its bytes: an id that a peer uses anew is not the same request.
    bytes: u64,
}

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing: it is to be executed, and then [answered](Memory::answered) or [forgotten](Memory::forget).
    New,
    /// It is at work, and will be answered once.
    AtWork,
    /// It was answered so.
    Answered(Answer),
}

/// The requests seen and their answers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Mutex<Kept>,
    hasher: RandomState,
}

/// `order` has the answered entries of `entries`, oldest first; `bytes` is the sum of their answers.
#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Key, Option<Answer>>,
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

/// How long an answer is kept: longer than datagrams live, and than clients send again.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Requests kept, those at work included.
const MOST: usize = 4_096;

/// Bytes of answers kept.
const MOST_BYTES: usize = 16 << 20;

impl Memory {
    pub(super) fn key(&self, peer: SocketAddr, msgid: MsgId, frame: &[u8]) -> Key {
        Key { peer, msgid, bytes: self.hasher.hash_one(frame) }
    }

    /// What is known of a request; a new one is at work from now on.
    pub(super) fn enter(&self, key: Key, now: Instant) -> Seen {
        let mut kept = self.lock();
        kept.expire(now);
        match kept.entries.get(&key) {
            Some(Some(answer)) => Seen::Answered(answer.clone()),
            Some(None) => Seen::AtWork,
            None => {
                kept.entries.insert(key, None);
                kept.shrink();
                Seen::New
            }
        }
    }

    /// A request that was at work has this answer.
    pub(super) fn answered(&self, key: Key, answer: Answer, now: Instant) {
        let mut kept = self.lock();
        kept.bytes += answer.datagram.len();
        kept.entries.insert(key, Some(answer));
        kept.order.push_back((now, key));
        kept.shrink();
    }

    /// A request that was at work has no answer.
    pub(super) fn forget(&self, key: Key) {
        self.lock().entries.remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn expire(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= KEPT_FOR) {
            self.drop_oldest();
        }
    }

    /// Those at work are never dropped: there are as many as may be at work.
    fn shrink(&mut self) {
        while !self.order.is_empty() && (self.entries.len() > MOST || self.bytes > MOST_BYTES) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front()
            && let Some(Some(answer)) = self.entries.remove(&key)
        {
            self.bytes -= answer.datagram.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::amplification::Kind;
    use super::*;

    fn answer(datagram: &'static [u8]) -> Answer {
        Answer { datagram: Bytes::from_static(datagram), kind: Kind::Outcome }
    }

    fn key(memory: &Memory, number: u32) -> Key {
        memory.key(SocketAddr::from(([192, 0, 2, 1], 7)), MsgId::new(number), b"frame")
    }

    #[test]
    fn a_request_is_new_then_at_work_then_answered_for_a_minute() {
        let (memory, now) = (Memory::default(), Instant::now());
        let request = key(&memory, 1);
        assert_eq!(memory.enter(request, now), Seen::New);
        assert_eq!(memory.enter(request, now + KEPT_FOR * 2), Seen::AtWork, "it takes its time");
        memory.answered(request, answer(b"answer"), now);
        let last = now + Duration::from_millis(59_999);
        assert_eq!(memory.enter(request, last), Seen::Answered(answer(b"answer")));
        assert_eq!(memory.enter(request, now + KEPT_FOR), Seen::New);
        memory.forget(request);
        assert_eq!(memory.enter(request, now), Seen::New);
    }

    #[test]
    fn another_peer_another_id_and_other_bytes_are_another_request() {
        let (memory, now) = (Memory::default(), Instant::now());
        let peer = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let keys = [
            memory.key(peer(7), MsgId::new(1), b"frame"),
            memory.key(peer(8), MsgId::new(1), b"frame"),
            memory.key(peer(7), MsgId::new(2), b"frame"),
            memory.key(peer(7), MsgId::new(1), b"other"),
        ];
        for key in keys {
            assert_eq!(memory.enter(key, now), Seen::New);
        }
    }

    #[test]
    fn the_oldest_answers_give_way() {
        let (memory, now) = (Memory::default(), Instant::now());
        let at_work = key(&memory, 9_999_999);
        assert_eq!(memory.enter(at_work, now), Seen::New);
        for number in 0..5_000 {
            let request = key(&memory, number);
            assert_eq!(memory.enter(request, now), Seen::New);
            memory.answered(request, answer(b"answer"), now);
        }
        assert_eq!(memory.lock().entries.len(), MOST);
        assert_eq!(memory.lock().order.len(), MOST - 1);
        assert_eq!(memory.enter(at_work, now), Seen::AtWork);
        assert_eq!(memory.enter(key(&memory, 0), now), Seen::New, "it was the oldest");
        assert!(matches!(memory.enter(key(&memory, 4_999), now), Seen::Answered(_)));
    }

    #[test]
    fn the_bytes_of_answers_are_bounded() {
        let (memory, now) = (Memory::default(), Instant::now());
        let answer = Answer { datagram: vec![0; 65_000].into(), kind: Kind::Outcome };
        for number in 0..1_000 {
            let request = key(&memory, number);
            assert_eq!(memory.enter(request, now), Seen::New);
            memory.answered(request, answer.clone(), now);
        }
        let kept = memory.lock();
        assert_eq!(kept.entries.len(), MOST_BYTES / 65_000);
        assert_eq!(kept.bytes, kept.entries.len() * 65_000);
    }
}
