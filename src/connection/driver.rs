//! The task of one connection: reads, writes, watches the time, and ends it.
//!
//! One poll is one turn: write what callers queued, handle what arrived, write what that brought about.
//! After a turn that woke several callers, they all run once before the next turn writes, so that their
//! calls leave together. Reading never waits for writing: both are polled in every turn.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use msgrpc_core::connection::Reach;
use msgrpc_transport::Stream;

use super::alarm::{Alarm, now, require_clock};
use super::dispatch::{Dispatcher, Intake, Services};
use super::idle::Idle;
use super::reader::{Progress, Reader};
use super::writer::Writer;
use super::{Closing, Connection, Settled};
use crate::error::CloseReason;
use crate::shutdown::add;

/// Batches handled in one turn before other tasks may run.
const BATCHES: usize = 4;

/// How long the peer has to close after we have, so that what we wrote last reaches it: closing a
/// socket with bytes unread resets the connection.
const LINGER: Duration = Duration::from_millis(500);

/// Drives one connection; its future ends with it.
#[derive(Debug)]
pub(crate) struct Driver {
    connection: Arc<Connection>,
    stream: Stream,
    reader: Reader,
    writer: Writer,
    dispatcher: Dispatcher,
    alarm: Alarm,
    /// When a call is due, as of the beginning of this turn.
    calls_due: Option<Instant>,
    /// Since when a message has been incomplete.
    partial: Option<Instant>,
    /// Since when the peer's sending side has been closed.
    half_closed: Option<Instant>,
    idle: Idle,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// Our sending side is being closed.
    Closing(Arc<CloseReason>),
    /// It is closed; what the peer still sends is discarded until it closes as well.
    Lingering(Arc<CloseReason>),
    Ended,
}

/// How a connection ends.
enum End {
    /// What was written still reaches the peer.
    InOrder(CloseReason),
    /// Nothing more can be done for it.
    Now(CloseReason),
}

impl Driver {
    pub(crate) fn new(connection: &Arc<Connection>, stream: Stream, services: Services) -> Self {
        require_clock();
        Self {
            connection: Arc::clone(connection),
            stream,
            reader: Reader::new(connection),
            writer: Writer::default(),
            dispatcher: Dispatcher::new(connection, services),
            alarm: Alarm::default(),
            calls_due: None,
            partial: None,
            half_closed: None,
            idle: Idle::new(connection.limits().idle_timeout),
            phase: Phase::Open,
        }
    }

    /// One turn of an open connection: why it ends, if it does.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let closing = self.begin_turn(cx);
        if closing == Closing::Abort {
            // Answers that are queued go out as far as there is room for them.
            self.write(cx)?;
            return Err(End::Now(CloseReason::Local));
        }
        if closing == Closing::Drain && self.dispatcher.intake == Intake::All {
            self.dispatcher.intake = Intake::Notifications;
        }
        self.exchange(cx)?;
        if self.reader.eof || closing > Closing::No {
            self.check_end(closing)?;
        }
        self.watch(cx)
    }

    /// Whether nothing is left to do for a connection that is closing, or half-closed.
    fn check_end(&mut self, closing: Closing) -> Result<(), End> {
        // In this order: whoever is done queues its answer and leaves work under one lock, so that the
        // answer of what is seen to have left is seen as well.
        let served = self.connection.at_work() == 0 && self.reader.backlog() == 0;
        let flushed = self.writer.is_idle() && self.connection.lock().is_flushed();
        let done = served && flushed;
        if self.reader.eof {
            self.fail_calls();
            if done {
                return Err(End::InOrder(CloseReason::Peer));
            }
            self.half_closed.get_or_insert_with(now);
        }
        if (closing == Closing::Flush && flushed) || (closing == Closing::Drain && done) {
            return Err(End::InOrder(CloseReason::Local));
        }
        Ok(())
    }

    /// Writes, reads, and writes what that brought about.
    fn exchange(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        self.write(cx)?;
        for batch in 0.. {
            let (connection, dispatcher) = (&self.connection, &mut self.dispatcher);
            let ways = (&mut self.writer, &mut self.stream);
            match self.reader.poll(connection, dispatcher, ways, cx) {
                Ok(Progress::Read) => self.idle.restart(),
                Ok(Progress::Batch { woken }) => {
                    self.partial = None;
                    if woken > 1 || batch >= BATCHES {
                        self.again(cx);
                        break;
                    }
                    self.write(cx)?;
                }
                Ok(Progress::Idle | Progress::Eof) => {
                    if self.dispatcher.intake == Intake::Notifications {
                        self.dispatcher.intake = Intake::Nothing;
                    }
                    break;
                }
                Ok(Progress::Paused) => {
                    // What was read and may not be started yet is no message that is late.
                    self.partial = None;
                    return Ok(());
                }
                Err(reason) => {
                    // An answer that says why may be queued; it goes out if there is room for it.
                    self.writer.take(&mut self.connection.lock());
                    self.write(cx)?;
                    return Err(End::InOrder(reason));
                }
            }
        }
        if !self.reader.is_partial() {
            self.partial = None;
        } else if self.partial.is_none() {
            self.partial = Some(now());
        }
        Ok(())
    }

    /// Handles what has arrived, as far as that goes at once; nothing can be written any more.
    fn read_rest(&mut self, cx: &mut Context<'_>) {
        let (connection, dispatcher) = (&self.connection, &mut self.dispatcher);
        for _ in 0..4 * BATCHES {
            let ways = (&mut self.writer, &mut self.stream);
            match self.reader.poll(connection, dispatcher, ways, cx) {
                Ok(Progress::Read | Progress::Batch { .. }) => {}
                _ => return,
            }
        }
    }

    /// Notes that the driver runs, takes what is queued, and tells how far the connection is closing.
    fn begin_turn(&mut self, cx: &Context<'_>) -> Closing {
        let mut state = self.connection.lock();
        state.scheduled = false;
        state.gathering = false;
        state.paused = false;
        match &mut state.driver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        // Whoever adds an earlier deadline after this wakes the driver.
        state.alarm = state.outbound.poll_timeout();
        self.calls_due = state.alarm;
        self.writer.take(&mut state);
        state.closing
    }

    /// Runs again, after everything that is ready now.
    fn again(&self, cx: &Context<'_>) {
        self.connection.lock().scheduled = true;
        cx.waker().wake_by_ref();
    }

    /// Writes what was taken, as far as the peer takes it now.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if self.writer.is_idle() {
            return Ok(());
        }
        match self.writer.poll(&self.connection, &mut self.stream, cx) {
            Poll::Ready(Err(error)) => {
                // What the peer said before it went still counts.
                self.read_rest(cx);
                Err(End::Now(write_error(error)))
            }
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Sets the alarm to the earliest deadline, and handles those that are over.
    fn watch(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        loop {
            self.watch_idle();
            let at = self.deadline();
            self.alarm.set(at);
            if self.alarm.poll(cx).is_pending() {
                return Ok(());
            }
            let now = now();
            let limits = self.connection.limits();
            let over = |since: Option<Instant>, limit: Duration| {
                since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
            };
            if over(self.partial, limits.partial_message_timeout) {
                let timeout = limits.partial_message_timeout;
                return Err(End::Now(CloseReason::PartialMessage(timeout)));
            }
            if over(self.half_closed, limits.half_close_grace) {
                return Err(End::Now(CloseReason::Peer));
            }
            if self.writer.stall_deadline(&self.connection).is_some_and(|at| at <= now) {
                return Err(End::Now(CloseReason::WriteStalled(limits.write_stall_timeout)));
            }
            self.watch_idle();
            if let Some(limit) = self.idle.over(now) {
                return Err(End::InOrder(CloseReason::Idle(limit)));
            }
            self.time_out_calls(now);
            let most = self.connection.silent_timeouts;
            if let Some(timeouts) = self.reader.silence.is_over(most, now) {
                return Err(End::Now(CloseReason::Unresponsive(timeouts)));
            }
        }
    }

    /// Starts or stops the idle clock.
    fn watch_idle(&mut self) {
        let Self { connection, reader, writer, partial, .. } = self;
        self.idle.watch(|| {
            if connection.at_work() > 0 || reader.backlog() > 0 || partial.is_some() {
                return true;
            }
            let state = connection.lock();
            state.outbound.in_flight() > 0 || !state.is_flushed() || !writer.is_idle()
        });
    }

    /// The earliest of all deadlines.
    fn deadline(&self) -> Option<Instant> {
        let limits = self.connection.limits();
        let own = [
            self.partial.and_then(|since| since.checked_add(limits.partial_message_timeout)),
            self.half_closed.and_then(|since| since.checked_add(limits.half_close_grace)),
            self.writer.stall_deadline(&self.connection),
            self.idle.deadline(),
        ];
        own.into_iter().flatten().chain(self.calls_due).min()
    }

    fn time_out_calls(&mut self, now: Instant) {
        let (mut woken, silence) = (Vec::new(), &mut self.reader.silence);
        let mut state = self.connection.lock();
        state.outbound.handle_time(now, |parked| {
            silence.timed_out(now);
            parked.settle(Settled::TimedOut, &mut woken);
        });
        state.outbound.poll_woken(&mut woken);
        state.alarm = state.outbound.poll_timeout();
        self.calls_due = state.alarm;
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// No answer can come any more: the peer has closed its sending side.
    fn fail_calls(&mut self) {
        if self.half_closed.is_none() {
            self.refuse_calls(&Arc::new(CloseReason::Peer), false);
        }
    }

    /// Fails the calls that wait, and those that come later. `gone`: nothing can be answered either.
    fn refuse_calls(&self, reason: &Arc<CloseReason>, gone: bool) {
        let mut woken = Vec::new();
        let mut state = self.connection.lock();
        let reach = match gone {
            // A caller is writing by itself: what it took may be leaving now.
            true if state.writing && !self.writer.is_writing() => Reach::Taken,
            true => Reach::Written,
            false => Reach::Queued,
        };
        if gone || state.closed.is_none() {
            state.outbound.handle_closed(reach, |sent, parked| {
                parked.settle(Settled::Closed { sent }, &mut woken);
            });
            state.outbound.poll_woken(&mut woken);
        }
        state.closed.get_or_insert_with(|| Arc::clone(reason));
        woken.extend(state.successor.take());
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Ends the connection: what waits fails, handlers are dropped.
    fn end(&mut self, reason: &Arc<CloseReason>) {
        tracing::debug!(peer = %self.connection.peer_name(), %reason, "connection ended");
        let cut_off = matches!(self.phase, Phase::Open);
        self.phase = Phase::Ended;
        self.count_end(cut_off);
        self.refuse_calls(reason, true);
        self.connection.gone.cancel();
    }

    /// Counts an end that is by our will.
    fn count_end(&self, cut_off: bool) {
        let tally = &self.connection.tally;
        match self.connection.lock().closing {
            Closing::No => {}
            Closing::Abort if cut_off => {
                add(&tally.connections_aborted, 1);
                add(&tally.aborted, self.reader.backlog());
            }
            _ => add(&tally.connections_closed, 1),
        }
    }

    /// Discards what the peer still sends. Ready at its end.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = BytesMut::with_capacity(4096);
        for _ in 0..BATCHES {
            buffer.clear();
            match std::task::ready!(self.stream.poll_read(cx, &mut buffer)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            match &this.phase {
                Phase::Open => match this.turn(cx) {
                    Ok(()) => return Poll::Pending,
                    Err(End::InOrder(reason)) => {
                        let reason = Arc::new(reason);
                        this.refuse_calls(&reason, true);
                        this.connection.gone.cancel();
                        this.alarm.set(now().checked_add(LINGER));
                        this.phase = Phase::Closing(reason);
                    }
                    Err(End::Now(reason)) => this.end(&Arc::new(reason)),
                },
                Phase::Closing(reason) => {
                    let reason = Arc::clone(reason);
                    match this.stream.poll_shutdown(cx) {
                        Poll::Pending => {
                            std::task::ready!(this.alarm.poll(cx));
                            this.end(&reason);
                        }
                        Poll::Ready(Ok(())) if !this.reader.eof => {
                            this.phase = Phase::Lingering(reason);
                        }
                        Poll::Ready(_) => this.end(&reason),
                    }
                }
                Phase::Lingering(reason) => {
                    let reason = Arc::clone(reason);
                    if this.alarm.poll(cx).is_pending() {
                        std::task::ready!(this.poll_drained(cx));
                    }
                    this.end(&reason);
                }
                Phase::Ended => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for Driver {
    /// A driver that is dropped, with its runtime or by an abort, leaves no caller waiting.
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Ended) {
            self.end(&Arc::new(CloseReason::Local));
        }
    }
}

fn write_error(error: io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => CloseReason::Peer,
        _ => CloseReason::Io(Arc::new(error)),
    }
}
