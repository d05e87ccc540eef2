//! Pending calls: which msgid waits for which answer, and until when.
//!
//! Used by [`Outbound`](crate::connection::Outbound); knows nothing of bytes. Every call that enters
//! leaves exactly once: collected after it was settled (answered, timed out, or failed with the
//! connection), or forgotten by its caller.
//!
//! ```text
//!             settle                  collect, forget
//! insert ─▶ Pending ──────────▶ Settled ─────────────▶ (free)
//!            │    │ expire         ▲ late answer, grace   ▲
//!     forget │    └─────────▶ TimedOut                    │
//!            ▼                     │ collect, forget      │ late answer, grace
//!        Forgotten ◀───────────────┘                      │
//!            └────────────────────────────────────────────┘
//! ```
//!
//! A call is *in flight* while its answer may come: `Pending`, `TimedOut` and `Forgotten`.

use std::time::{Duration, Instant};

use crate::msgid::MsgId;

/// Calls by msgid: a table indexed by the low bits of a counting id, each slot storing the whole id,
/// so that a late answer cannot reach a newer call.
///
/// Its length is a power of two and at least twice the number of calls in it; it grows with them and
/// is bounded by whoever bounds them. All operations take constant time, amortized, but for
/// [`expire`](Self::expire) and [`settle_all`](Self::settle_all), which look at every slot.
#[derive(Debug)]
pub struct CallMap<T> {
    slots: Vec<Option<Slot<T>>>,
    /// The number that the next call tries first, below [`MsgId::BOUND`].
    next: u32,
    /// Slots in use.
    used: usize,
    /// Slots that are `Pending`.
    pending: usize,
    /// Slots that are `TimedOut` or `Forgotten`; `pending + given_up <= used`.
    given_up: usize,
    /// No slot has to be looked at before this time; `None` when none has a deadline.
    earliest: Option<Instant>,
}

#[derive(Debug)]
struct Slot<T> {
    msgid: MsgId,
    state: State,
    deadline: Option<Deadline>,
    /// Where its request begins in the stream of bytes sent.
    offset: u64,
    value: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Settled,
    TimedOut,
    Forgotten,
}

impl<T> Slot<T> {
    fn become_settled(&mut self) -> &mut T {
        self.state = State::Settled;
        self.deadline = None;
        &mut self.value
    }
}

/// When a call times out: due at `at`, and to be looked at by `latest`, so that the deadlines of many
/// calls are served by one look at the table.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    /// How late it may be noticed, in microseconds: a slot of the table is kept small.
    slack: u32,
}

impl Deadline {
    /// The deadline `timeout` after `now`, noticed at most `max(1 ms, timeout / 64)` late, and never
    /// more than an hour.
    ///
    /// `None` when the clock cannot count that far.
    pub fn after(now: Instant, timeout: Duration) -> Option<Self> {
        const LEAST: u32 = 1_000;
        const MOST: u32 = 3_600_000_000;
        let slack = u32::try_from(timeout.as_micros() / 64).unwrap_or(MOST).clamp(LEAST, MOST);
        let at = now.checked_add(timeout)?;
        at.checked_add(Duration::from_micros(slack.into()))?;
        Some(Self { at, slack })
    }

    /// Whether it has passed.
    pub fn is_over(&self, now: Instant) -> bool {
        self.at <= now
    }

    /// When to look, at the latest.
    pub fn latest(&self) -> Instant {
        self.at + Duration::from_micros(self.slack.into())
    }
}

impl<T> CallMap<T> {
    /// An empty map whose first call gets the id `first`.
    pub fn starting_at(first: u32) -> Self {
        Self {
            slots: Vec::new(),
            next: first % MsgId::BOUND,
            used: 0,
            pending: 0,
            given_up: 0,
            earliest: None,
        }
    }

    /// Enters a call and gives it the next free id. `offset`: where its request begins in the stream.
    pub fn insert(&mut self, value: T, deadline: Option<Deadline>, offset: u64) -> MsgId {
        if self.slots.len() < (self.used + 1) * 2 {
            self.grow();
        }
        // At most half of the slots are in use, so that a free one comes up; a long-lived call is
        // stepped over once in as many ids as there are slots.
        let msgid = loop {
            let msgid = MsgId(self.next);
            self.next = (self.next + 1) % MsgId::BOUND;
            let index = self.index(msgid);
            if self.slots[index].is_none() {
                self.slots[index] =
                    Some(Slot { msgid, state: State::Pending, deadline, offset, value });
                break msgid;
            }
        };
        self.used += 1;
        self.pending += 1;
        self.note(deadline);
        msgid
    }

    /// The answer came, or none will: the call's value, to put the outcome into. `None` when nobody
    /// waits for it (W7).
    pub fn settle(&mut self, msgid: MsgId) -> Option<&mut T> {
        let index = self.index(msgid);
        match self.state(msgid)? {
            State::Settled => None,
            State::Forgotten => {
                self.free(index);
                None
            }
            State::TimedOut => {
                self.given_up -= 1;
                self.slots[index].as_mut()?.become_settled();
                None
            }
            State::Pending => {
                self.pending -= 1;
                Some(self.slots[index].as_mut()?.become_settled())
            }
        }
    }

    /// Takes the value of a call that is settled or timed out; the msgid of the latter stays reserved.
    pub fn collect(&mut self, msgid: MsgId) -> Option<T>
    where
        T: Default,
    {
        let index = self.index(msgid);
        match self.state(msgid)? {
            State::Settled | State::TimedOut => {
                let value = std::mem::take(&mut self.slots[index].as_mut()?.value);
                self.release(msgid);
                Some(value)
            }
            State::Pending | State::Forgotten => None,
        }
    }

    /// Drops the value of a call that is settled or timed out; the msgid of the latter stays reserved.
    #[inline]
    pub fn release(&mut self, msgid: MsgId)
    where
        T: Default,
    {
        let index = self.index(msgid);
        match self.state(msgid) {
            Some(State::Settled) => self.free(index),
            Some(State::TimedOut) => {
                if let Some(slot) = &mut self.slots[index] {
                    slot.state = State::Forgotten;
                    slot.value = T::default();
                }
            }
            _ => {}
        }
    }

    /// Its caller is gone: the id stays reserved until a late answer comes, or until `grace` is over.
    pub fn forget(&mut self, msgid: MsgId, grace: Option<Deadline>)
    where
        T: Default,
    {
        if self.collect(msgid).is_some() || self.state(msgid) != Some(State::Pending) {
            return;
        }
        let index = self.index(msgid);
        if let Some(slot) = self.slots[index].as_mut() {
            slot.state = State::Forgotten;
            slot.deadline = grace;
            slot.value = T::default();
            self.pending -= 1;
            self.given_up += 1;
            self.note(grace);
        }
    }

    /// Hands all pending calls whose deadline is over to `timed_out`, and frees the ids that were
    /// reserved until now. An id that timed out stays reserved for `grace`.
    pub fn expire(
        &mut self,
        now: Instant,
        grace: Option<Deadline>,
        mut timed_out: impl FnMut(u64, &mut T),
    ) {
        self.earliest = None;
        for index in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[index] else { continue };
            if slot.deadline.is_some_and(|deadline| deadline.is_over(now)) {
                match slot.state {
                    State::Pending => {
                        slot.state = State::TimedOut;
                        slot.deadline = grace;
                        self.pending -= 1;
                        self.given_up += 1;
                        timed_out(slot.offset, &mut slot.value);
                        self.note(grace);
                    }
                    State::TimedOut => {
                        self.given_up -= 1;
                        slot.become_settled();
                    }
                    State::Forgotten => self.free(index),
                    State::Settled => {}
                }
            } else {
                let deadline = slot.deadline;
                self.note(deadline);
            }
        }
    }

    /// Hands every pending call to `settled`, as the connection is gone, and reserves no id any more.
    pub fn settle_all(&mut self, mut settled: impl FnMut(u64, &mut T)) {
        self.earliest = None;
        for index in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[index] else { continue };
            match slot.state {
                State::Pending => {
                    self.pending -= 1;
                    settled(slot.offset, slot.become_settled());
                }
                State::TimedOut => {
                    self.given_up -= 1;
                    slot.become_settled();
                }
                State::Forgotten => self.free(index),
                State::Settled => {}
            }
        }
    }

    /// The value of a call that has been neither collected nor forgotten.
    pub fn value(&mut self, msgid: MsgId) -> Option<&mut T> {
        let index = self.index(msgid);
        let slot = self.slots.get_mut(index)?.as_mut()?;
        (slot.msgid == msgid && slot.state != State::Forgotten).then_some(&mut slot.value)
    }

    /// When [`expire`](Self::expire) is to be called, at the latest.
    pub fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// Calls that wait for an answer.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Calls whose answer may still come: the pending and the forgotten ones.
    pub fn in_flight(&self) -> usize {
        self.pending + self.given_up
    }

    fn state(&self, msgid: MsgId) -> Option<State> {
        let slot = self.slots.get(self.index(msgid))?.as_ref()?;
        (slot.msgid == msgid).then_some(slot.state)
    }

    fn note(&mut self, deadline: Option<Deadline>) {
        if let Some(latest) = deadline.map(|deadline| deadline.latest()) {
            self.earliest = Some(self.earliest.map_or(latest, |earliest| earliest.min(latest)));
        }
    }

    fn index(&self, msgid: MsgId) -> usize {
        // The length is a power of two, or zero.
        msgid.0 as usize & self.slots.len().wrapping_sub(1)
    }

    fn free(&mut self, index: usize) {
        if let Some(slot) = &self.slots[index] {
            self.used -= 1;
            if slot.state == State::Forgotten {
                self.given_up -= 1;
            }
            self.slots[index] = None;
        }
    }

    /// Doubles the table. Ids that differed in their low bits differ in one bit more as well.
    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(4);
        let old = std::mem::replace(&mut self.slots, Vec::with_capacity(length));
        self.slots.resize_with(length, || None);
        for slot in old.into_iter().flatten() {
            let index = self.index(slot.msgid);
            self.slots[index] = Some(slot);
        }
    }
}

#[cfg(test)]
mod tests;
