//! The sender's half of a connection: pending calls, and bytes queued for the peer.
//!
//! Stands under the one lock of a connection; every method takes constant time, but for those that
//! run when a deadline has passed or the connection ends. Encodes nothing of the user's.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::chunk::Chunk;
use super::line::{Line, Ticket};
use crate::calls::{CallMap, Deadline};
use crate::limits::Limits;
use crate::message::{notification_head, request_head, response_head};
use crate::msgid::MsgId;
use crate::payload::Payload;

/// Calls and queued bytes; `S` is the slot that a waiting caller parks in.
#[derive(Debug)]
pub struct Outbound<S> {
    calls: CallMap<S>,
    line: Line,
    queue: Chunk,
    /// Bytes ever queued, and of those the ones that were written: `written <= queued`.
    queued: u64,
    written: u64,
    /// Bytes that a writer was given: `written <= taken <= queued`.
    taken: u64,
    owed: Owed,
    /// There is nobody to send to yet: whoever asks waits.
    held: bool,
    max_in_flight: usize,
    output_bytes: usize,
    grace: Duration,
    /// Those let through by an input; to be woken once the lock is released.
    woken: Vec<Waker>,
}

/// Whether a call may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// It may.
    Now,
    /// It waits its turn.
    Wait(Ticket),
}

/// How much of what was queued may reach the peer when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// What was written, and nothing more.
    Written,
    /// What a writer was given, who may be writing at this moment.
    Taken,
    /// Everything: what is queued still leaves.
    Queued,
}

impl<S: Default> Outbound<S> {
    /// The sending half of a connection with these limits.
    pub fn new(limits: &Limits) -> Self {
        Self {
            calls: CallMap::starting_at(0),
            line: Line::default(),
            queue: Chunk::default(),
            queued: 0,
            written: 0,
            taken: 0,
            owed: Owed::default(),
            held: false,
            max_in_flight: limits.max_in_flight.max(1),
            output_bytes: limits.output_bytes,
            grace: limits.forgotten_call_grace,
            woken: Vec::new(),
        }
    }

    // Commands.

    /// Lets nobody send: there is no stream yet. All who ask wait, first come, first served.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Lets through those who waited for a stream, as many as there is room for.
    pub fn open(&mut self) {
        self.held = false;
        self.let_through();
    }

    /// Asks to send a call of `size` bytes: at once, or when its turn comes, of which `waker` is told.
    pub fn admit(&mut self, size: usize, waker: &Waker, deadline: Option<Deadline>) -> Admission {
        if self.line.is_empty() && self.has_room() {
            Admission::Now
        } else {
            Admission::Wait(self.line.join(size, waker.clone(), deadline))
        }
    }

    /// As [`admit`](Self::admit), for a notification of `size` bytes: it is not in flight, so that only
    /// bytes that the peer does not take hold it back. `deadline` is asked for if it must wait.
    pub fn admit_notification(
        &mut self,
        size: usize,
        waker: &Waker,
        deadline: impl FnOnce() -> Option<Deadline>,
    ) -> Admission {
        if self.has_room_for_bytes() {
            Admission::Now
        } else {
            Admission::Wait(self.line.join_notification(size, waker.clone(), deadline()))
        }
    }

    /// Whether the turn of a waiting call has come. It must then [`leave`](Self::leave) the line and send.
    pub fn poll_turn(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        self.line.poll(ticket, waker)
    }

    /// Leaves the line, to send or to give up.
    pub fn leave(&mut self, ticket: Ticket) {
        self.line.leave(ticket);
        self.let_through();
    }

    /// Queues a request (W2) and parks `slot` under its new id.
    pub fn call(
        &mut self,
        method: &str,
        params: &Payload,
        deadline: Option<Deadline>,
        slot: S,
    ) -> MsgId {
        let msgid = self.calls.insert(slot, deadline, self.queued);
        self.push(|out| request_head(out, msgid, method), params);
        msgid
    }

    /// Queues a notification (W2).
    pub fn notify(&mut self, method: &str, params: &Payload) {
        self.push(|out| notification_head(out, method), params);
    }

    /// Queues an answer (W2): with an error the result is nil (W8).
    pub fn reply(&mut self, msgid: MsgId, outcome: Result<&Payload, &Payload>) {
        let start = self.queued;
        match outcome {
            Ok(result) => self.push(|out| response_head(out, msgid, false), result),
            Err(error) => {
                self.push(|out| response_head(out, msgid, true), error);
                self.queue.push(&[crate::wire::NIL]);
                self.queued += 1;
            }
        }
        self.owed.add(start, self.queued);
    }

    /// The caller of `msgid` is gone; the wire is not told (W7). `now` starts the grace of its id.
    pub fn forget(&mut self, msgid: MsgId, now: Instant) {
        self.calls.forget(msgid, Deadline::after(now, self.grace));
        self.let_through();
    }

    /// Takes the slot of a call that was answered, has timed out, or failed with the connection.
    #[inline]
    pub fn collect(&mut self, msgid: MsgId) -> Option<S> {
        self.calls.collect(msgid)
    }

    // Inputs.

    /// An answer came: the slot of its call, if somebody waits for it (W7).
    pub fn handle_response(&mut self, msgid: MsgId) -> Option<&mut S> {
        // The place becomes free whoever waits; those let through are woken by the caller's next step.
        self.calls.settle(msgid)
    }

    /// The peer took `count` more bytes.
    pub fn handle_written(&mut self, count: usize) {
        self.written += count as u64;
        self.owed.written(self.written);
        self.queue.release();
    }

    /// Time has passed: settles the calls that are overdue. All of them count as sent, as one that is
    /// still queued leaves all the same.
    pub fn handle_time(&mut self, now: Instant, mut timed_out: impl FnMut(&mut S)) {
        let grace = Deadline::after(now, self.grace);
        self.calls.expire(now, grace, |_, slot| timed_out(slot));
        self.line.expire(now, &mut self.woken);
        self.let_through();
    }

    /// No answer can come any more: settles every call, and wakes all who wait for their turn. Each
    /// slot comes with whether a byte of its request may reach the peer.
    pub fn handle_closed(&mut self, reach: Reach, mut failed: impl FnMut(bool, &mut S)) {
        let reached = match reach {
            Reach::Written => self.written,
            Reach::Taken => self.taken,
            Reach::Queued => self.queued,
        };
        self.calls.settle_all(|offset, slot| failed(offset < reached, slot));
        self.woken.extend(self.line.wakers());
    }

    /// Puts back what a writer could not write, before what was queued meanwhile.
    pub fn put_back(&mut self, unwritten: &mut Chunk) {
        self.taken = self.written;
        std::mem::swap(&mut self.queue, unwritten);
        self.queue.append(unwritten);
    }

    // Outputs.

    /// Hands the queue to a writer whose own one is empty, and takes that one's buffers instead.
    pub fn poll_output(&mut self, writer: &mut Chunk) {
        debug_assert!(writer.is_empty(), "what was taken before goes out first");
        self.taken = self.queued;
        std::mem::swap(&mut self.queue, writer);
    }

    /// Those to wake, once the lock is released.
    pub fn poll_woken(&mut self, woken: &mut Vec<Waker>) {
        self.let_through();
        woken.append(&mut self.woken);
    }

    /// When [`handle_time`](Self::handle_time) is to be called, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.calls.earliest(), self.line.earliest()) {
            (Some(calls), Some(line)) => Some(calls.min(line)),
            (one, other) => one.or(other),
        }
    }

    // Getters.

    /// Frees the slot of a call that was settled, whose outcome was taken.
    #[inline]
    pub fn release_slot(&mut self, msgid: MsgId) {
        self.calls.release(msgid);
    }

    /// The slot of a call that has been neither collected nor forgotten.
    pub fn slot(&mut self, msgid: MsgId) -> Option<&mut S> {
        self.calls.value(msgid)
    }

    /// Calls that wait for an answer.
    pub fn pending(&self) -> usize {
        self.calls.pending()
    }

    /// Calls whose answer may still come: those that wait for it, and those that were given up.
    pub fn in_flight(&self) -> usize {
        self.calls.in_flight()
    }

    /// Whether there is nobody to send to yet.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Those who wait for their turn.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Bytes queued and not yet taken by the peer.
    pub fn unwritten_bytes(&self) -> usize {
        usize::try_from(self.queued - self.written).unwrap_or(usize::MAX)
    }

    /// Whether the queue that a writer would take is empty.
    pub fn is_queue_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that the peer has taken since the connection began.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Bytes of answers that may be queued before no more requests are started.
    pub fn room(&self) -> usize {
        let owed = usize::try_from(self.owed.bytes).unwrap_or(usize::MAX);
        self.output_bytes.saturating_sub(owed)
    }

    /// Whether twice as many bytes of answers are owed: a peer that does not even take refusals.
    pub fn is_overflowing(&self) -> bool {
        self.owed.bytes > 2 * self.output_bytes as u64
    }

    #[inline]
    fn push(&mut self, head: impl FnOnce(&mut Vec<u8>), payload: &Payload) {
        let tail = self.queue.tail();
        let start = tail.len();
        head(tail);
        let head_bytes = tail.len() - start;
        self.queue.push_payload(payload);
        self.queued += (head_bytes + payload.len()) as u64;
    }

    /// Whether one more call may be sent, next to those already let through.
    fn has_room(&self) -> bool {
        let (calls, _) = self.line.admitted();
        self.calls.in_flight() + calls < self.max_in_flight && self.has_room_for_bytes()
    }

    fn has_room_for_bytes(&self) -> bool {
        let (_, bytes) = self.line.admitted();
        !self.held && self.unwritten_bytes().saturating_add(bytes) < self.output_bytes
    }

    fn let_through(&mut self) {
        while !self.line.is_empty() && self.has_room_for_bytes() {
            let Some(waker) = self.line.admit(self.has_room()) else { return };
            self.woken.push(waker);
        }
    }
}

/// Which of the queued bytes are answers.
#[derive(Debug, Default)]
struct Owed {
    /// Runs of answers in the stream, in order, not touching: `[start, end)`.
    runs: VecDeque<(u64, u64)>,
    /// The sum of the runs' unwritten parts.
    bytes: u64,
}

impl Owed {
    fn add(&mut self, start: u64, end: u64) {
        self.bytes += end - start;
        match self.runs.back_mut() {
            Some((_, last)) if *last == start => *last = end,
            _ => self.runs.push_back((start, end)),
        }
    }

    fn written(&mut self, written: u64) {
        while let Some((start, end)) = self.runs.front_mut() {
            if *end > written {
                let taken = written.saturating_sub(*start);
                *start += taken;
                self.bytes -= taken;
                return;
            }
            self.bytes -= *end - *start;
            self.runs.pop_front();
        }
    }
}
