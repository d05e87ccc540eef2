//! The calls of a client over datagrams: which msgid waits for which answer, until when, and what is to be sent.
//!
//! Stands under the lock of [`Association`](super::link::Association); it does no I/O and has no clock: `now` is an
//! argument. Every call that enters leaves exactly once: collected after it was settled, or forgotten by its caller.
//!
//! ```text
//! begin ─▶ InLine ─▶ Unsent ─▶ Sent ─▶ Settled ─▶ (collected)
//!            │  a call ended │   ▲ the kernel has room
//!            └───────────────┴───┴──▶ (forgotten)
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use msgrpc_core::{MsgId, Payload};

use super::Retransmit;

/// The calls of one client.
#[derive(Debug)]
pub(super) struct Pending {
    calls: HashMap<MsgId, Call>,
    /// Calls that are `InLine`, by their tickets.
    line: BTreeMap<u64, MsgId>,
    /// Calls that are `Unsent`, by their tickets.
    unsent: BTreeMap<u64, MsgId>,
    next_ticket: u64,
    /// Calls that are `Unsent` or `Sent`: at most `max_in_flight`.
    in_flight: usize,
    max_in_flight: usize,
    /// When each call is to be looked at, each once.
    alarms: BTreeSet<(Instant, MsgId)>,
    retired: Retired,
}

#[derive(Debug)]
struct Call {
    stage: Stage,
    /// Its request; empty once it is not to be sent any more.
    datagram: Bytes,
    deadline: Option<Instant>,
    retransmit: Retransmit,
    /// How often it was sent again.
    resent: u32,
    /// Its entry in `alarms`.
    alarm: Option<Instant>,
    waker: Waker,
}

#[derive(Debug)]
enum Stage {
    InLine(u64),
    Unsent(u64),
    Sent,
    Settled(Settled),
}

/// What became of a call.
#[derive(Debug)]
pub(super) enum Settled {
    /// Its encoded result or error.
    Answered(Result<Payload, Payload>),
    /// Its deadline is over.
    TimedOut { sent: bool },
    /// The network says that nobody is there.
    Unreachable(Arc<io::Error>),
    /// The system refused to send it.
    Refused(io::Error),
    /// The client was closed.
    Closed { sent: bool },
}

/// A new call.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) deadline: Option<Instant>,
    pub(super) retransmit: Retransmit,
    pub(super) waker: Waker,
}

/// Where a new call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Its caller sends it now.
    Now,
    /// It will be sent when another has ended.
    Later,
}

impl Pending {
    pub(super) fn new(max_in_flight: usize) -> Self {
        Self {
            calls: HashMap::new(),
            line: BTreeMap::new(),
            unsent: BTreeMap::new(),
            next_ticket: 0,
            in_flight: 0,
            max_in_flight: max_in_flight.max(1),
            alarms: BTreeSet::new(),
            retired: Retired::default(),
        }
    }

    /// An id that no call has, and none has had for a minute, of those that `draw` gives.
    pub(super) fn free_msgid(&mut self, now: Instant, mut draw: impl FnMut() -> MsgId) -> MsgId {
        self.retired.expire(now);
        loop {
            let msgid = draw();
            if !self.calls.contains_key(&msgid) && !self.retired.ids.contains(&msgid) {
                return msgid;
            }
        }
    }

    /// Enters a call under a [free id](Self::free_msgid).
    pub(super) fn begin(
        &mut self,
        msgid: MsgId,
        datagram: Bytes,
        request: Request,
        now: Instant,
    ) -> Turn {
        let Request { deadline, retransmit, waker } = request;
        let turn = if self.in_flight < self.max_in_flight { Turn::Now } else { Turn::Later };
        let stage = match turn {
            Turn::Now => Stage::Sent,
            Turn::Later => Stage::InLine(enter(&mut self.line, &mut self.next_ticket, msgid)),
        };
        let call = Call { stage, datagram, deadline, retransmit, resent: 0, alarm: None, waker };
        self.calls.insert(msgid, call);
        if turn == Turn::Now {
            self.in_flight += 1;
            self.note_sent(msgid, now);
        } else {
            self.set_alarm(msgid, deadline);
        }
        turn
    }

    /// The kernel had no room for a call that was about to be sent.
    pub(super) fn postpone(&mut self, msgid: MsgId, datagram: Bytes) {
        if let Some(call) = self.calls.get_mut(&msgid)
            && matches!(call.stage, Stage::Sent)
        {
            call.stage = Stage::Unsent(enter(&mut self.unsent, &mut self.next_ticket, msgid));
            call.datagram = datagram;
            let deadline = call.deadline;
            self.set_alarm(msgid, deadline);
        }
    }

    /// The next call to be sent; it counts as sent from now on.
    pub(super) fn next_unsent(&mut self, now: Instant) -> Option<(MsgId, Bytes)> {
        let (_, msgid) = self.unsent.pop_first()?;
        let call = self.calls.get_mut(&msgid)?;
        call.stage = Stage::Sent;
        let datagram = call.datagram.clone();
        self.note_sent(msgid, now);
        Some((msgid, datagram))
    }

    /// An answer came; false: nobody waits for it (W7).
    pub(super) fn answer(
        &mut self,
        msgid: MsgId,
        outcome: Result<Payload, Payload>,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) -> bool {
        let is_awaited =
            self.calls.get(&msgid).is_some_and(|call| matches!(call.stage, Stage::Sent));
        if is_awaited {
            self.settle(msgid, Settled::Answered(outcome), now, woken);
        }
        is_awaited
    }

    /// A call that was about to be sent was not.
    pub(super) fn refuse(
        &mut self,
        msgid: MsgId,
        error: io::Error,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) {
        self.settle(msgid, Settled::Refused(error), now, woken);
    }

    /// All calls that were sent, but for `except`, reach nobody.
    pub(super) fn unreachable(
        &mut self,
        error: &Arc<io::Error>,
        except: Option<MsgId>,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) {
        let is_sent = |call: &Call| matches!(call.stage, Stage::Sent);
        let sent =
            self.calls.iter().filter(|(msgid, call)| Some(**msgid) != except && is_sent(call));
        let sent: Vec<_> = sent.map(|(msgid, _)| *msgid).collect();
        for msgid in sent {
            self.settle(msgid, Settled::Unreachable(Arc::clone(error)), now, woken);
        }
    }

    /// Looks at the calls whose time has come: ends those that are over, and gives the others back, to be sent again.
    /// `random` gives numbers between 0 and 1.
    pub(super) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) -> Vec<Bytes> {
        let mut again = Vec::new();
        while let Some((at, msgid)) = self.alarms.first().copied()
            && at <= now
        {
            let Some(call) = self.calls.get_mut(&msgid) else {
                self.alarms.pop_first();
                continue;
            };
            if call.deadline.is_some_and(|deadline| deadline <= now) {
                let sent = matches!(call.stage, Stage::Sent);
                self.settle(msgid, Settled::TimedOut { sent }, now, woken);
            } else {
                again.push(call.datagram.clone());
                call.resent += 1;
                self.note_sent(msgid, now);
            }
        }
        again
    }

    /// The client is closed: nobody is answered any more.
    pub(super) fn close(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        let all: Vec<_> = self.calls.keys().copied().collect();
        for msgid in all {
            let sent = match self.calls.get(&msgid).map(|call| &call.stage) {
                Some(Stage::Sent) => true,
                Some(Stage::InLine(_) | Stage::Unsent(_)) => false,
                Some(Stage::Settled(_)) | None => continue,
            };
            self.settle(msgid, Settled::Closed { sent }, now, woken);
        }
    }

    /// What became of a call; `waker` is told when it is known.
    pub(super) fn poll_settled(&mut self, msgid: MsgId, waker: &Waker) -> Poll<Settled> {
        let Some(call) = self.calls.get_mut(&msgid) else {
            return Poll::Ready(Settled::Closed { sent: true });
        };
        if !matches!(call.stage, Stage::Settled(_)) {
            call.waker.clone_from(waker);
            return Poll::Pending;
        }
        match self.calls.remove(&msgid) {
            Some(Call { stage: Stage::Settled(settled), .. }) => Poll::Ready(settled),
            _ => Poll::Pending,
        }
    }

    /// The caller is gone.
    pub(super) fn forget(&mut self, msgid: MsgId, now: Instant) {
        self.leave(msgid, now);
        self.calls.remove(&msgid);
    }

    /// When [`expire`](Self::expire) is to be called.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Whether there is something to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    fn settle(&mut self, msgid: MsgId, settled: Settled, now: Instant, woken: &mut Vec<Waker>) {
        self.leave(msgid, now);
        if let Some(call) = self.calls.get_mut(&msgid) {
            call.stage = Stage::Settled(settled);
            call.datagram = Bytes::new();
            woken.push(std::mem::replace(&mut call.waker, Waker::noop().clone()));
        }
    }

    /// A call waits no longer: its alarm, its place and its id are given back.
    fn leave(&mut self, msgid: MsgId, now: Instant) {
        self.set_alarm(msgid, None);
        let in_flight = match self.calls.get(&msgid).map(|call| &call.stage) {
            Some(Stage::InLine(ticket)) => {
                self.line.remove(ticket);
                false
            }
            Some(Stage::Unsent(ticket)) => {
                self.unsent.remove(ticket);
                true
            }
            Some(Stage::Sent) => {
                self.retired.add(msgid, now);
                true
            }
            Some(Stage::Settled(_)) | None => false,
        };
        if !in_flight {
            return;
        }
        self.in_flight -= 1;
        if let Some((_, next)) = self.line.pop_first()
            && let Some(call) = self.calls.get_mut(&next)
        {
            self.in_flight += 1;
            call.stage = Stage::Unsent(enter(&mut self.unsent, &mut self.next_ticket, next));
        }
    }

    /// A call was sent, for the first time or again: looks at it when it is over, or to be sent once more.
    fn note_sent(&mut self, msgid: MsgId, now: Instant) {
        let Some(call) = self.calls.get_mut(&msgid) else { return };
        let wait = call.retransmit.wait(call.resent, rand::random());
        let again = wait.and_then(|wait| now.checked_add(wait));
        if again.is_none() {
            call.datagram = Bytes::new();
        }
        let alarm = [again, call.deadline].into_iter().flatten().min();
        self.set_alarm(msgid, alarm);
    }

    fn set_alarm(&mut self, msgid: MsgId, alarm: Option<Instant>) {
        let Some(call) = self.calls.get_mut(&msgid) else { return };
        if let Some(old) = std::mem::replace(&mut call.alarm, alarm) {
            self.alarms.remove(&(old, msgid));
        }
        self.alarms.extend(alarm.map(|at| (at, msgid)));
    }
}

/// Enters `msgid` at the end.
fn enter(queue: &mut BTreeMap<u64, MsgId>, next_ticket: &mut u64, msgid: MsgId) -> u64 {
    let ticket = *next_ticket;
    *next_ticket += 1;
    queue.insert(ticket, msgid);
    ticket
}

/// Ids that were used, so that a late answer cannot reach a later call. `ids` are those in `order`.
#[derive(Debug, Default)]
struct Retired {
    order: VecDeque<(Instant, MsgId)>,
    ids: HashSet<MsgId>,
}

/// How long an id is not used again: longer than datagrams live.
const RETIRED_FOR: Duration = Duration::from_secs(60);

/// Ids kept, the latest: beyond a thousand calls a second the oldest go before their minute is over, and come up again
/// by a chance of one in 2^31 each.
const MOST_RETIRED: usize = 1 << 16;

impl Retired {
    fn add(&mut self, msgid: MsgId, now: Instant) {
        if self.ids.insert(msgid) {
            self.order.push_back((now, msgid));
        }
        if self.order.len() > MOST_RETIRED {
            self.drop_oldest();
        }
    }

    fn expire(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= RETIRED_FOR) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, msgid)) = self.order.pop_front() {
            self.ids.remove(&msgid);
        }
    }
}

#[cfg(test)]
mod tests;
