//! Socket → messages → calls settled and requests started.
//!
//! The driver's part that reads. It never waits for writing or for a handler: what cannot be started is
//! held back within bounds, and answers to our own calls are seen all the same.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use msgrpc_core::connection::{Event, Inbound};
use msgrpc_core::scan::ScanError;
use msgrpc_core::{Fault, FaultCode, MsgId, OwnedInvocation, Payload, ProtocolError};
use msgrpc_transport::Stream;

use super::dispatch::Dispatcher;
use super::silence::Silence;
use super::stopwatch::Stopwatch;
use super::unfinished::Share;
use super::writer::Writer;
use super::{Connection, Settled};
use crate::error::CloseReason;
use crate::service::Outcome;

/// Messages handled before what they brought about is queued and others may run.
const BATCH: usize = 256;

/// Why a peer is let go that does not even take refusals.
const NOT_TAKEN: &str = "it does not take its answers";

/// What one batch of messages brought about, until it is queued: empty between batches.
#[derive(Debug, Default)]
struct Batch {
    /// Faults and outcomes that are ready.
    answers: Vec<(MsgId, Result<Payload, Payload>)>,
    /// Answers to our calls.
    settled: Vec<(MsgId, Result<Payload, Payload>)>,
    woken: Vec<Waker>,
}

thread_local! {
    /// Room that no connection of this thread needs at the moment, so that idle ones keep none.
    static SPARE: RefCell<Batch> = RefCell::default();
}

/// What arrives, and what is held back of it.
#[derive(Debug)]
pub(super) struct Reader {
    inbound: Inbound,
    /// Requests and notifications that may not be started yet.
    backlog: VecDeque<OwnedInvocation>,
    backlog_bytes: usize,
    batch: Batch,
    /// Calls that timed out since the peer's last byte.
    pub(super) silence: Silence,
    unfinished: Share,
    /// Bytes have arrived, or something is held back, since the last batch found nothing to do.
    may_hold_messages: bool,
    /// The peer has closed its sending side.
    pub(super) eof: bool,
}

/// How far a turn of reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Messages were handled, and this many callers woken; there may be more.
    Batch { woken: usize },
    /// Bytes have arrived.
    Read,
    /// All that has arrived was handled.
    Idle,
    /// Reading has stopped until there is room.
    Paused,
    /// The peer has closed its sending side.
    Eof,
}

impl Reader {
    pub(super) fn new(connection: &Connection) -> Self {
        Self {
            inbound: Inbound::new(connection.limits()),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            batch: Batch::default(),
            silence: Silence::default(),
            unfinished: Share::of(&connection.unfinished),
            may_hold_messages: false,
            eof: false,
        }
    }

    /// Handles one batch of messages, reading when none is complete.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        dispatcher: &mut Dispatcher,
        (writer, stream): (&mut Writer, &mut Stream),
        cx: &mut Context<'_>,
    ) -> Result<Progress, CloseReason> {
        if self.may_hold_messages {
            if self.batch.answers.capacity() + self.batch.settled.capacity() == 0 {
                self.batch = SPARE.take();
            }
            let mut pass = Pass::default();
            let handled = self.handle_batch(connection, dispatcher, &mut pass);
            pass.stopwatch.stop(connection.peer_name());
            let woken = self.deliver(connection, writer);
            if handled? > 0 || woken > 0 {
                return Ok(Progress::Batch { woken });
            }
        }
        if self.eof {
            return Ok(Progress::Eof);
        }
        if self.must_pause(connection) {
            return Ok(Progress::Paused);
        }
        let buffer = self.inbound.buffer();
        match stream.poll_read(cx, buffer) {
            Poll::Ready(Ok(0)) => {
                self.eof = true;
                self.inbound.handle_eof().map_err(CloseReason::Protocol)?;
                self.release();
                Ok(Progress::Eof)
            }
            Poll::Ready(Ok(_)) => {
                self.silence.end();
                self.may_hold_messages = true;
                Ok(Progress::Read)
            }
            Poll::Ready(Err(error)) => Err(read_error(error)),
            Poll::Pending => {
                self.release();
                let limit = connection.limits.unfinished_bytes;
                if !self.unfinished.hold(self.inbound.unfinished_bytes(), limit) {
                    return Err(CloseReason::Overloaded(UNFINISHED));
                }
                Ok(Progress::Idle)
            }
        }
    }

    /// Whether a message has begun that is not complete.
    pub(super) fn is_partial(&self) -> bool {
        self.inbound.is_partial()
    }

    /// Requests and notifications held back.
    pub(super) fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// Handles messages that are complete, at most a batch, and returns how many.
    fn handle_batch(
        &mut self,
        connection: &Connection,
        dispatcher: &mut Dispatcher,
        pass: &mut Pass,
    ) -> Result<usize, CloseReason> {
        let mut handled = 0;
        while handled < BATCH
            && !self.backlog.is_empty()
            && !pass.is_full(connection)
            && let Some(invocation) = self.backlog.pop_front()
        {
            self.backlog_bytes -= invocation.frame_bytes();
            handled += 1;
            self.run(connection, dispatcher, invocation, pass);
        }
        while handled < BATCH && !self.must_pause(connection) {
            let event = match self.inbound.poll_event() {
                Ok(Some(event)) => event,
                Ok(None) => {
                    self.may_hold_messages = !self.backlog.is_empty();
                    break;
                }
                Err(error) => {
                    self.refuse(connection, &error);
                    return Err(CloseReason::Protocol(error));
                }
            };
            handled += 1;
            match event {
                Event::Response(response) => {
                    let outcome = match response.outcome {
                        Ok(result) => Ok(result.keep()),
                        Err(error) => Err(error.keep()),
                    };
                    self.batch.settled.push((response.msgid, outcome));
                }
                Event::Invocation(invocation) => {
                    let invocation = invocation.keep();
                    if dispatcher.discards(&invocation) {
                        continue;
                    }
                    if !self.backlog.is_empty() || pass.is_full(connection) {
                        self.hold_back(connection, invocation)?;
                    } else {
                        self.run(connection, dispatcher, invocation, pass);
                    }
                }
                Event::Malformed(malformed) => {
                    tracing::debug!(peer = %connection.peer_name(), fault = %malformed.fault, "no message");
                    if malformed.msgid.is_some() && connection.lock().outbound.is_overflowing() {
                        return Err(CloseReason::Overloaded(NOT_TAKEN));
                    }
                    self.answer(connection, malformed.msgid, malformed.fault);
                }
                _ => {}
            }
        }
        Ok(handled)
    }

    /// Queues what a batch brought about, under one lock, and wakes those who wait for it.
    fn deliver(&mut self, connection: &Connection, writer: &mut Writer) -> usize {
        if self.batch.answers.is_empty() && self.batch.settled.is_empty() {
            return 0;
        }
        let mut state = connection.lock();
        for (msgid, outcome) in self.batch.answers.drain(..) {
            state.outbound.reply(msgid, outcome.as_ref());
        }
        for (msgid, outcome) in self.batch.settled.drain(..) {
            state.answered = true;
            if let Some(parked) = state.outbound.handle_response(msgid) {
                parked.settle(Settled::Answered(outcome), &mut self.batch.woken);
            }
        }
        state.outbound.poll_woken(&mut self.batch.woken);
        let woken = self.batch.woken.len();
        // With one caller woken, that one writes by itself; several are gathered into one write.
        state.gathering |= woken > 1;
        if woken <= 1 {
            writer.take(&mut state);
        }
        drop(state);
        self.batch.woken.drain(..).for_each(Waker::wake);
        woken
    }

    /// Starts a request; its outcome is queued with this batch if it is ready at once.
    fn run(
        &mut self,
        connection: &Connection,
        dispatcher: &mut Dispatcher,
        invocation: OwnedInvocation,
        pass: &mut Pass,
    ) {
        let msgid = invocation.msgid();
        if let Poll::Ready(outcome) = dispatcher.start(invocation, &mut pass.stopwatch)
            && let Some(msgid) = msgid
        {
            let outcome = connection.encode(outcome);
            let (Ok(payload) | Err(payload)) = &outcome;
            pass.take(payload.len());
            self.batch.answers.push((msgid, outcome));
        }
    }

    /// Keeps a request or notification until it may be started.
    fn hold_back(
        &mut self,
        connection: &Connection,
        invocation: OwnedInvocation,
    ) -> Result<(), CloseReason> {
        let limits = &connection.limits;
        if self.backlog_bytes < limits.backlog_bytes {
            self.backlog_bytes += invocation.frame_bytes();
            self.backlog.push_back(invocation);
            return Ok(());
        }
        // We read on only because we wait for answers of this peer ourselves.
        if invocation.msgid().is_none() {
            return Err(CloseReason::Overloaded("a notification could not be kept"));
        }
        if connection.lock().outbound.is_overflowing() {
            return Err(CloseReason::Overloaded(NOT_TAKEN));
        }
        let text = format!("{} requests are at work on this connection", connection.at_work());
        self.answer(connection, invocation.msgid(), Fault::new(FaultCode::Overloaded, text));
        Ok(())
    }

    /// Whether reading must stop: no more can be held back, and no answer of ours is awaited.
    fn must_pause(&self, connection: &Connection) -> bool {
        if self.backlog_bytes < connection.limits.backlog_bytes {
            return false;
        }
        let mut state = connection.lock();
        let pauses = state.outbound.pending() == 0;
        state.paused |= pauses;
        pauses
    }

    /// Answers the request whose message broke a limit, if it is known which one it was.
    fn refuse(&mut self, connection: &Connection, error: &ProtocolError) {
        if let ProtocolError::Scan { error, msgid } = error {
            let code = match error {
                ScanError::Reserved { .. } => FaultCode::InvalidRequest,
                _ => FaultCode::TooLarge,
            };
            self.answer(connection, *msgid, Fault::new(code, error.to_string()));
        }
    }

    fn answer(&mut self, connection: &Connection, msgid: Option<MsgId>, fault: Fault) {
        if let Some(msgid) = msgid {
            self.batch.answers.push((msgid, connection.encode(Outcome::from(fault))));
        }
    }

    /// Keeps no buffer and no room while nothing has arrived.
    fn release(&mut self) {
        self.inbound.release_buffer();
        SPARE.set(std::mem::take(&mut self.batch));
    }
}

/// What the peer is told, or rather the log, when no more can be kept.
const UNFINISHED: &str = "too many bytes of unfinished messages are held";

/// One batch on its way through the services.
#[derive(Debug, Default)]
struct Pass {
    /// What its answers may still grow to, in bytes; asked for when it is first needed.
    room: Option<usize>,
    stopwatch: Stopwatch,
}

impl Pass {
    /// Whether no more requests may be started.
    fn is_full(&mut self, connection: &Connection) -> bool {
        let bytes = *self.room.get_or_insert_with(|| {
            let mut state = connection.lock();
            let bytes = state.outbound.room();
            state.paused |= bytes == 0;
            bytes
        });
        bytes == 0 || connection.at_work() >= connection.limits.requests_at_work
    }

    fn take(&mut self, bytes: usize) {
        self.room = self.room.map(|room| room.saturating_sub(bytes));
    }
}

fn read_error(error: io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset => CloseReason::Peer,
        _ => CloseReason::Io(Arc::new(error)),
    }
}
