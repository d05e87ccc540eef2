//! Which calls of a group are under way, and what has come for each: a state machine without a socket or a clock.
//!
//! Used under the lock of a group's [`Link`](super::link::Link). It decodes nothing, and holds no more of a peer's bytes
//! than its bounds allow.
//!
//! ```text
//! begin ─▶ under way ──────────────────▶ complete ──▶ (gone)
//!            │  ▲ answer, garbage   expect(n)   end    ▲
//!            │  └──────────┐   └───────────────────────┤
//!            └─ take ──────┘           end, with the call's future
//! ```
//!
//! An id is drawn at random, and not again for a minute after its call has ended: what comes late finds nobody.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, Instant};

use msgrpc_core::{MsgId, Payload};

use crate::error::NoMessage;

/// How long the id of a call that has ended is not used again.
const ID_GRACE: Duration = Duration::from_secs(60);

/// Ids of ended calls that are remembered at most. Beyond it the oldest is forgotten: ids are random below 2^31, so that
/// it hardly comes again.
const ENDED_IDS: usize = 1 << 16;

/// Peers that sent garbage, as many as one call reports.
const GARBLING_PEERS: usize = 64;

/// What one call wants to be collected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How long from its beginning.
    pub(super) wait: Duration,
    /// The answers after which it is complete; `None`: the time decides.
    pub(super) expect: Option<usize>,
    /// Whether only the first answer of each address counts.
    pub(super) dedup_by_source: bool,
    /// Replies kept at most, and their bytes.
    pub(super) replies: usize,
    pub(super) bytes: usize,
    /// Whether its task is to be woken by each reply, not only when it is complete.
    pub(super) each: bool,
}

/// A reply as it came.
#[derive(Clone, Debug)]
pub(super) struct RawReply {
    pub(super) from: SocketAddr,
    pub(super) elapsed: Duration,
    pub(super) content: Content,
}

/// What a reply holds, still encoded.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The result, or the error.
    Answer(Result<Payload, Payload>),
    /// No message at all.
    Garbage(NoMessage),
}

/// What became of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is kept for its call.
    Kept,
    /// Nobody waits for it, or not any more.
    Late,
    /// Its address has answered already.
    Repeated,
    /// The call has as many replies, or bytes, as it may keep.
    OverLimit,
}

/// The calls of one group.
#[derive(Debug, Default)]
pub(super) struct Collector {
    calls: HashMap<MsgId, Gathering>,
    ended: Ended,
}

/// What has come for one call, and was not taken yet.
#[derive(Debug)]
struct Gathering {
    terms: Terms,
    begun: Instant,
    replies: VecDeque<RawReply>,
    /// The encoded bytes of `replies`.
    bytes: usize,
    /// Answers kept so far, also those that were taken.
    answers: usize,
    /// Whose answers are kept, if only the first of each counts.
    sources: HashSet<SocketAddr>,
    /// Who sent garbage: each is reported once.
    garbling: HashSet<SocketAddr>,
    waker: Option<Waker>,
}

impl Collector {
    /// Enters a call. `random`: numbers to draw its id from.
    pub(super) fn begin(
        &mut self,
        terms: Terms,
        now: Instant,
        mut random: impl FnMut() -> u32,
    ) -> MsgId {
        self.ended.forget(now);
        // Ids in use and remembered are a small part of 2^31, so that this ends at once.
        let msgid = loop {
            let msgid = MsgId::new(random() % MsgId::BOUND);
            if !self.calls.contains_key(&msgid) && !self.ended.contains(msgid) {
                break msgid;
            }
        };
        self.calls.insert(msgid, Gathering::new(terms, now));
        msgid
    }

    /// An answer to `msgid` came. The waker is that of the call, if it is to be woken.
    pub(super) fn handle_answer(
        &mut self,
        msgid: MsgId,
        from: SocketAddr,
        now: Instant,
        answer: Result<&[u8], &[u8]>,
    ) -> (Fate, Option<Waker>) {
        match self.calls.get_mut(&msgid) {
            Some(call) if call.is_open(now) => call.answer(from, now, answer),
            _ => (Fate::Late, None),
        }
    }

    /// A datagram that is no message came. It names no call, so that each that is under way reports its peer.
    pub(super) fn handle_garbage(
        &mut self,
        from: SocketAddr,
        now: Instant,
        error: &NoMessage,
    ) -> Vec<Waker> {
        let calls = self.calls.values_mut().filter(|call| call.is_open(now));
        calls.filter_map(|call| call.garbage(from, now, error)).collect()
    }

    /// The oldest reply of a call that was not taken yet.
    pub(super) fn take(&mut self, msgid: MsgId) -> Option<RawReply> {
        let call = self.calls.get_mut(&msgid)?;
        let reply = call.replies.pop_front()?;
        call.bytes -= reply.bytes();
        Some(reply)
    }

    /// Whether a call has all that it expects; if not, `waker` is woken by what comes.
    pub(super) fn poll_complete(&mut self, msgid: MsgId, waker: &Waker) -> bool {
        let Some(call) = self.calls.get_mut(&msgid) else { return true };
        if !call.is_complete() {
            match &mut call.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        call.is_complete()
    }

    /// Ends a call: all that it kept goes.
    pub(super) fn end(&mut self, msgid: MsgId, now: Instant) -> Vec<RawReply> {
        let Some(call) = self.calls.remove(&msgid) else { return Vec::new() };
        self.ended.add(msgid, now);
        call.replies.into()
    }

    /// Calls under way.
    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }
}

impl Gathering {
    fn new(terms: Terms, begun: Instant) -> Self {
        Self {
            terms,
            begun,
            replies: VecDeque::new(),
            bytes: 0,
            answers: 0,
            sources: HashSet::new(),
            garbling: HashSet::new(),
            waker: None,
        }
    }

    /// Whether what comes now still counts.
    fn is_open(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) <= self.terms.wait && !self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.terms.expect.is_some_and(|expect| self.answers >= expect)
    }

    fn answer(
        &mut self,
        from: SocketAddr,
        now: Instant,
        answer: Result<&[u8], &[u8]>,
    ) -> (Fate, Option<Waker>) {
        if self.terms.dedup_by_source && self.sources.contains(&from) {
            return (Fate::Repeated, None);
        }
        let bytes = answer.map_or_else(<[u8]>::len, <[u8]>::len);
        // Garbage takes no answer's place.
        if self.replies.len() >= self.terms.replies.saturating_add(self.garbling.len())
            || self.bytes.saturating_add(bytes) > self.terms.bytes
            || self.sources.len() >= self.terms.replies
        {
            return (Fate::OverLimit, None);
        }
        if self.terms.dedup_by_source {
            self.sources.insert(from);
        }
        let content = Content::Answer(answer.map(Payload::copy).map_err(Payload::copy));
        self.keep(from, now, content);
        self.answers += 1;
        let wakes = self.terms.each || self.is_complete();
        (Fate::Kept, wakes.then(|| self.waker.take()).flatten())
    }

    /// Does not count as an answer: whether it was meant as one, nobody knows.
    fn garbage(&mut self, from: SocketAddr, now: Instant, error: &NoMessage) -> Option<Waker> {
        if self.garbling.len() >= GARBLING_PEERS || !self.garbling.insert(from) {
            return None;
        }
        self.keep(from, now, Content::Garbage(error.clone()));
        self.terms.each.then(|| self.waker.take()).flatten()
    }

    fn keep(&mut self, from: SocketAddr, now: Instant, content: Content) {
        let elapsed = now.saturating_duration_since(self.begun);
        let reply = RawReply { from, elapsed, content };
        self.bytes += reply.bytes();
        self.replies.push_back(reply);
    }
}

impl RawReply {
    /// Its encoded bytes.
    fn bytes(&self) -> usize {
        match &self.content {
            Content::Answer(Ok(payload) | Err(payload)) => payload.len(),
            Content::Garbage(_) => 0,
        }
    }

    /// Whether it answers the call, whatever it says.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self.content, Content::Answer(_))
    }
}

/// The ids of calls that have ended, for as long as something late may come for them.
#[derive(Debug, Default)]
struct Ended {
    /// In order of their ends; the same ids as in `ids`.
    order: VecDeque<(Instant, MsgId)>,
    ids: HashSet<MsgId>,
}

impl Ended {
    fn add(&mut self, msgid: MsgId, now: Instant) {
        if self.order.len() >= ENDED_IDS {
            self.forget_oldest();
        }
        self.order.push_back((now, msgid));
        self.ids.insert(msgid);
    }

    fn contains(&self, msgid: MsgId) -> bool {
        self.ids.contains(&msgid)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((ended, _)) = self.order.front()
            && now.saturating_duration_since(*ended) >= ID_GRACE
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, msgid)) = self.order.pop_front() {
            self.ids.remove(&msgid);
        }
    }
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
