//! One live connection: the lock between callers, handlers and the driver, and who wakes whom.
//!
//! Shared by clients, handlers and the [`Driver`]. All that happens under the lock takes moments: no I/O,
//! no user's code. A caller that is alone on the connection writes by itself, between two short locks;
//! otherwise the driver writes what many callers have queued.

mod alarm;
mod awaiting;
mod dispatch;
mod driver;
mod idle;
mod reader;
mod silence;
mod stopwatch;
mod unfinished;
mod writer;

use std::io::IoSlice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use msgrpc_core::connection::{Admission, Chunk, Outbound, Ticket};
use msgrpc_core::{Deadline, FaultFormat, Limits, MsgId, Payload};
use msgrpc_transport::{Address, DirectWriter, Peer, Stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::Outgoing;
use crate::error::CloseReason;
use crate::service::Outcome;
use crate::shutdown::{Tally, add};

pub(crate) use alarm::{Alarm, now, require_clock};
pub(crate) use awaiting::Refusal;
use awaiting::Wire;
pub(crate) use dispatch::Services;
pub(crate) use driver::Driver;
use unfinished::Unfinished;

/// What all holders of a connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<State>,
    /// What is known of the stream once there is one.
    wire: OnceLock<Wire>,
    /// The peer in error texts until there is a stream.
    name: Arc<str>,
    /// Calls that may time out in a row in silence before the connection ends; 0: any number.
    silent_timeouts: u32,
    /// Requests and notifications of the peer that were started or kept and are not done.
    at_work: AtomicUsize,
    limits: Arc<Limits>,
    faults: FaultFormat,
    unfinished: Unfinished,
    /// Cancelled when nothing can be answered any more.
    gone: CancellationToken,
    /// Every task of the connection is in it.
    tasks: TaskTracker,
    /// What became of it all while it was closed by our will.
    tally: Arc<Tally>,
}

/// What stands under the lock.
#[derive(Debug)]
struct State {
    outbound: Outbound<Parked>,
    /// Wakes the driver's task; before there is a stream, the task that awaits one.
    driver: Option<Waker>,
    /// Wakes whoever replaces the connection when it takes no more calls.
    successor: Option<Waker>,
    /// A call was answered.
    answered: bool,
    /// The driver was woken and has not run since: no need to wake it again.
    scheduled: bool,
    /// Somebody holds bytes taken from the queue and not yet written.
    writing: bool,
    /// The driver has woken several callers and will write what they queue.
    gathering: bool,
    /// The driver holds requests back until there is room, or has stopped reading until there is or until
    /// we wait for an answer.
    paused: bool,
    /// When the driver looks at the calls' deadlines next.
    alarm: Option<Instant>,
    closing: Closing,
    closed: Option<Arc<CloseReason>>,
}

/// How a connection comes to its end by our will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closing {
    /// It does not.
    No,
    /// No more requests are started; those at work are answered, then it closes.
    Drain,
    /// What is queued is written, then it closes.
    Flush,
    /// It closes at once.
    Abort,
}

/// Where a waiting caller parks.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    waker: Option<Waker>,
    settled: Option<Settled>,
}

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Settled {
    /// Its encoded result or error.
    Answered(Result<Payload, Payload>),
    /// Its deadline is over; it is sent, or still will be.
    TimedOut,
    /// The connection is gone; whether a byte of the call may reach the peer.
    Closed { sent: bool },
}

impl Parked {
    fn settle(&mut self, settled: Settled, woken: &mut Vec<Waker>) {
        self.settled = Some(settled);
        woken.extend(self.waker.take());
    }
}

/// How something that was at work has ended.
#[derive(Debug)]
enum Done {
    /// A request, with its outcome.
    Answered(MsgId, Outcome),
    /// A notification that ran to its end.
    Ran,
    /// It was dropped, as nothing can be answered any more.
    Dropped,
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    pub(crate) limits: Arc<Limits>,
    pub(crate) faults: FaultFormat,
    /// Shared by all connections that behave so.
    pub(crate) unfinished: Unfinished,
}

impl Manners {
    pub(crate) fn new(limits: Limits, faults: FaultFormat) -> Self {
        Self { limits: Arc::new(limits), faults, unfinished: Unfinished::default() }
    }
}

impl Connection {
    /// A connection over `stream`, which its driver is to be made for.
    pub(crate) fn new(stream: &Stream, manners: &Manners, tasks: TaskTracker) -> Self {
        let wire = Wire::new(stream);
        let connection = Self::unwired(Arc::clone(&wire.peer_name), manners, tasks);
        // It is not set yet.
        let _ = connection.wire.set(wire);
        connection
    }

    fn unwired(name: Arc<str>, manners: &Manners, tasks: TaskTracker) -> Self {
        let Manners { limits, faults, unfinished } = manners;
        Self {
            state: Mutex::new(State {
                outbound: Outbound::new(limits),
                driver: None,
                successor: None,
                answered: false,
                scheduled: false,
                writing: false,
                gathering: false,
                paused: false,
                alarm: None,
                closing: Closing::No,
                closed: None,
            }),
            wire: OnceLock::new(),
            name,
            silent_timeouts: 0,
            at_work: AtomicUsize::new(0),
            limits: Arc::clone(limits),
            faults: *faults,
            unfinished: unfinished.clone(),
            gone: CancellationToken::new(),
            tasks,
            tally: Arc::default(),
        }
    }

    /// Counts its end there.
    pub(crate) fn counted(mut self, tally: &Arc<Tally>) -> Self {
        self.tally = Arc::clone(tally);
        self
    }

    // For callers.

    /// Queues a call, or waits for its turn; `ticket` is the place in the line meanwhile.
    pub(crate) fn poll_call(
        &self,
        call: &Outgoing,
        ticket: &mut Option<Ticket>,
        deadline: Option<Deadline>,
        waker: &Waker,
    ) -> Poll<Result<MsgId, Refusal>> {
        let mut state = self.lock();
        if state.is_crowded(&self.limits, *ticket) {
            return Poll::Ready(Err(Refusal::Crowded));
        }
        let size = call.params.len();
        let turn = state.poll_turn(ticket, waker, |out| out.admit(size, waker, deadline));
        if turn?.is_pending() {
            // Where there is no stream, nobody may be at work on one.
            if state.is_late() || state.outbound.is_held() {
                wake_driver(state);
            }
            return Poll::Pending;
        }
        let parked = Parked { waker: Some(waker.clone()), settled: None };
        let msgid = state.outbound.call(&call.method, &call.params, deadline, parked);
        if let Some(ticket) = ticket.take() {
            state.outbound.leave(ticket);
        }
        let alone = state.outbound.pending() == 1;
        self.send(state, alone);
        Poll::Ready(Ok(msgid))
    }

    /// Queues a notification, or waits for its turn until the `deadline`, which is asked for then.
    pub(crate) fn poll_notify(
        &self,
        notification: &Outgoing,
        ticket: &mut Option<Ticket>,
        deadline: impl FnOnce() -> Option<Deadline>,
        waker: &Waker,
    ) -> Poll<Result<(), Refusal>> {
        let mut state = self.lock();
        if state.is_crowded(&self.limits, *ticket) {
            return Poll::Ready(Err(Refusal::Crowded));
        }
        let size = notification.params.len();
        let admit = |out: &mut Outbound<_>| out.admit_notification(size, waker, deadline);
        let turn = state.poll_turn(ticket, waker, admit);
        if turn?.is_pending() {
            // Where there is no stream, nobody may be at work on one.
            if state.is_late() || state.outbound.is_held() {
                wake_driver(state);
            }
            return Poll::Pending;
        }
        state.outbound.notify(&notification.method, &notification.params);
        if let Some(ticket) = ticket.take() {
            state.outbound.leave(ticket);
        }
        self.send(state, false);
        Poll::Ready(Ok(()))
    }

    /// What became of a call; `waker` is told when it is known.
    pub(crate) fn poll_settled(&self, msgid: MsgId, waker: &Waker) -> Poll<Settled> {
        let mut state = self.lock();
        // A call that its own future waits for is in the map until it is collected here.
        let Some(parked) = state.outbound.slot(msgid) else {
            return Poll::Ready(Settled::Closed { sent: true });
        };
        if let Some(settled) = parked.settled.take() {
            state.outbound.release_slot(msgid);
            return Poll::Ready(settled);
        }
        match &mut parked.waker {
            Some(parked) => parked.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Poll::Pending
    }

    /// The future of a call is gone.
    pub(crate) fn forget(&self, msgid: MsgId, now: Instant) {
        let mut state = self.lock();
        state.outbound.forget(msgid, now);
        wake_next(state);
    }

    /// The future of a call that waited for its turn is gone, or is over its deadline.
    pub(crate) fn leave(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.outbound.leave(ticket);
        wake_next(state);
    }

    // For handlers.

    /// Something that was at work is done; queues its answer if there is one to send.
    fn finish(&self, done: Done) {
        let ended = !matches!(done, Done::Dropped);
        let answer = match done {
            Done::Answered(msgid, outcome) => Some((msgid, self.encode(outcome))),
            Done::Ran | Done::Dropped => None,
        };
        let mut state = self.lock();
        self.at_work.fetch_sub(1, Ordering::Relaxed);
        match state.closing {
            // Counted as aborted, so it must not be answered after all.
            Closing::Abort => return add(&self.tally.aborted, 1),
            Closing::Drain if ended => add(&self.tally.answered, 1),
            _ => {}
        }
        if let Some((msgid, outcome)) = &answer {
            state.outbound.reply(*msgid, outcome.as_ref());
        }
        wake_driver(state);
    }

    /// Notifications that were kept are dropped, as nothing runs any more.
    fn discard(&self, count: usize) {
        let state = self.lock();
        self.at_work.fetch_sub(count, Ordering::Relaxed);
        if state.closing == Closing::Abort {
            add(&self.tally.aborted, count);
        }
    }

    /// An outcome as it goes out.
    fn encode(&self, outcome: Outcome) -> Result<Payload, Payload> {
        let limit = self.limits.outbound_message_bytes;
        let outcome = outcome.encoded(self.faults);
        let (Ok(payload) | Err(payload)) = &outcome;
        // The array, the type, the longest msgid, and nil for what there is not.
        const HEADS: usize = 8;
        let bytes = payload.len() + HEADS;
        if bytes > limit {
            return Err(dispatch::too_large(bytes, limit).encode(self.faults));
        }
        outcome
    }

    // For owners.

    /// Brings the connection to its end; a stricter way overrides a milder one.
    pub(crate) fn close(&self, closing: Closing) {
        let mut state = self.lock();
        state.closing = state.closing.max(closing);
        wake_driver(state);
    }

    /// Refuses all calls from now on: there is nobody to call.
    pub(crate) fn refuse(&self, reason: CloseReason) {
        self.lock().closed = Some(Arc::new(reason));
    }

    /// Why it ended, if it has.
    pub(crate) fn closed(&self) -> Option<Arc<CloseReason>> {
        self.lock().closed.clone()
    }

    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.wire().peer
    }

    /// The peer in error texts; before there is a stream, where it is to lead.
    pub(crate) fn peer_name(&self) -> &Arc<str> {
        self.wire.get().map_or(&self.name, |wire| &wire.peer_name)
    }

    pub(crate) fn local(&self) -> &Address {
        &self.wire().local
    }

    fn wire(&self) -> &Wire {
        self.wire.get().expect("whoever asks was called over a stream")
    }

    /// Requests and notifications at work or kept.
    pub(crate) fn at_work(&self) -> usize {
        self.at_work.load(Ordering::Relaxed)
    }

    // The lock.

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics but by a defect of ours; a call map that saw one is still sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what was queued: `alone`, at once and by this task; otherwise by the driver.
    fn send(&self, mut state: MutexGuard<'_, State>, alone: bool) {
        let may_write = alone && !state.writing && !state.gathering;
        let wire = self.wire.get().filter(|_| may_write);
        let Some(direct) = wire.and_then(|wire| wire.direct.as_ref()) else {
            return wake_driver(state);
        };
        let mut chunk = Chunk::default();
        state.outbound.poll_output(&mut chunk);
        state.writing = true;
        drop(state);
        let written = write_some(direct, &chunk);
        self.has_written(chunk, written);
    }

    /// A caller has written so many bytes of the chunk it took.
    fn has_written(&self, mut chunk: Chunk, written: usize) {
        chunk.advance(written);
        let mut state = self.lock();
        state.writing = false;
        state.outbound.handle_written(written);
        state.outbound.put_back(&mut chunk);
        // What was written may have made room for those in line.
        wake_next(state);
    }
}

impl State {
    /// Whether everything that was queued is written.
    fn is_flushed(&self) -> bool {
        !self.writing && self.outbound.is_queue_empty()
    }

    /// Whether the driver has something to do that a caller, who has just written, leaves to it.
    fn needs_driver(&self) -> bool {
        let ending = self.closing > Closing::No || self.closed.is_some();
        ending || self.paused || self.is_late() || !self.outbound.is_queue_empty()
    }

    /// Whether a deadline lies before the driver's alarm.
    fn is_late(&self) -> bool {
        let timeout = self.outbound.poll_timeout();
        timeout.is_some_and(|timeout| self.alarm.is_none_or(|alarm| timeout < alarm))
    }

    /// Whether no more may wait for a stream.
    fn is_crowded(&self, limits: &Limits, ticket: Option<Ticket>) -> bool {
        let crowded = self.outbound.is_held() && self.outbound.waiting() >= limits.max_waiting;
        crowded && ticket.is_none() && self.closed.is_none()
    }

    /// Whether one more message of the caller's may be queued.
    fn poll_turn(
        &mut self,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
        admit: impl FnOnce(&mut Outbound<Parked>) -> Admission,
    ) -> Poll<Result<(), Refusal>> {
        if let Some(reason) = &self.closed {
            return Poll::Ready(Err(Arc::clone(reason).into()));
        }
        if self.closing >= Closing::Flush {
            return Poll::Ready(Err(Arc::new(CloseReason::Local).into()));
        }
        let turn = match ticket {
            Some(ticket) => self.outbound.poll_turn(*ticket, waker),
            None => match admit(&mut self.outbound) {
                Admission::Now => true,
                Admission::Wait(place) => {
                    *ticket = Some(place);
                    false
                }
                _ => false,
            },
        };
        if turn { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Wakes the driver, unless it is about to run.
fn wake_driver(mut state: MutexGuard<'_, State>) {
    if !state.scheduled
        && let Some(driver) = state.driver.clone()
    {
        state.scheduled = true;
        drop(state);
        driver.wake();
    }
}

/// Wakes those whose turn has come, and the driver if it is needed.
fn wake_next(mut state: MutexGuard<'_, State>) {
    let mut woken = Vec::new();
    state.outbound.poll_woken(&mut woken);
    if state.needs_driver() {
        wake_driver(state);
    } else {
        drop(state);
    }
    woken.into_iter().for_each(Waker::wake);
}

/// Writes what the kernel takes at once. An error is left for the driver, which meets it again.
fn write_some(direct: &DirectWriter, chunk: &Chunk) -> usize {
    let mut slices = [IoSlice::new(&[]); writer::SLICES];
    let count = chunk.slices(&mut slices);
    direct.try_write(&slices[..count]).unwrap_or(0)
}

#[cfg(test)]
mod tests;
