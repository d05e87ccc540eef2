//! A connection before its stream: those who call meanwhile stand in its line and are sent in their order.
//!
//! Used by the task that keeps a client connected. That task stands in for the driver until there is a
//! stream: it watches the deadlines of those who wait, and is woken when the connection is closed.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use msgrpc_core::connection::Reach;
use msgrpc_transport::{Address, DirectWriter, Peer, Stream};
use tokio_util::task::TaskTracker;

use super::alarm::{Alarm, now};
use super::{Closing, Connection, Manners};
use crate::error::CloseReason;

impl Connection {
    /// A connection that waits for its stream. `name`: where it is to lead, in error texts;
    /// `silent_timeouts`: calls that may time out in a row in silence, 0 for any number.
    pub(crate) fn awaited(
        name: Arc<str>,
        silent_timeouts: u32,
        manners: &Manners,
        tasks: TaskTracker,
    ) -> Self {
        let connection = Self { silent_timeouts, ..Self::unwired(name, manners, tasks) };
        connection.lock().outbound.hold();
        connection
    }

    /// Gives it its stream, for which the caller then runs a driver. False, and nothing happens, if it
    /// takes no calls any more.
    pub(crate) fn open(&self, stream: &Stream) -> bool {
        let (mut woken, wire) = (Vec::new(), Wire::new(stream));
        let mut state = self.lock();
        if state.closed.is_some() || self.wire.set(wire).is_err() {
            return false;
        }
        // Whoever waited is written by the driver's first turn, which needs no waking.
        state.driver = None;
        state.outbound.open();
        state.outbound.poll_woken(&mut woken);
        state.gathering = woken.len() > 1;
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        true
    }

    /// Watches over those who wait for a stream: wakes those whose deadline is over. Ready when the
    /// connection is closed by its owner.
    pub(crate) fn poll_awaited(&self, alarm: &mut Alarm, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut state = self.lock();
            if state.closing > Closing::No {
                return Poll::Ready(());
            }
            state.scheduled = false;
            state.driver = Some(cx.waker().clone());
            state.alarm = state.outbound.poll_timeout();
            let at = state.alarm;
            drop(state);
            alarm.set(at);
            std::task::ready!(alarm.poll(cx));
            let mut woken = Vec::new();
            let mut state = self.lock();
            state.outbound.handle_time(now(), |_| {});
            state.outbound.poll_woken(&mut woken);
            drop(state);
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether anybody waits for a stream.
    pub(crate) fn is_wanted(&self) -> bool {
        self.lock().outbound.waiting() > 0
    }

    /// Takes no calls any more; those who wait are told so. One that has a stream is closed.
    pub(crate) fn fail(&self, reason: &Arc<CloseReason>) {
        if self.is_connected() {
            return self.close(Closing::Abort);
        }
        let mut woken = Vec::new();
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| Arc::clone(reason));
        state.outbound.handle_closed(Reach::Written, |_, _| {});
        state.outbound.poll_woken(&mut woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Why it takes no more calls, once it does not. Its requests may still be at work.
    pub(crate) fn poll_ended(&self, cx: &Context<'_>) -> Poll<Arc<CloseReason>> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Poll::Ready(Arc::clone(reason));
        }
        state.successor = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether it has, or had, a stream.
    pub(crate) fn is_connected(&self) -> bool {
        self.wire.get().is_some()
    }

    /// Whether a call was answered.
    pub(crate) fn is_proven(&self) -> bool {
        self.lock().answered
    }
}

/// Why a call or notification cannot be queued.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The connection takes no more calls.
    Closed(Arc<CloseReason>),
    /// There is no stream yet, and as many wait for it as may.
    Crowded,
}

impl From<Arc<CloseReason>> for Refusal {
    fn from(reason: Arc<CloseReason>) -> Self {
        Self::Closed(reason)
    }
}

/// The stream as others than its driver see it.
#[derive(Debug)]
pub(super) struct Wire {
    /// Writes without the driver, where the transport allows it.
    pub(super) direct: Option<DirectWriter>,
    pub(super) peer: Peer,
    /// The peer in error texts.
    pub(super) peer_name: Arc<str>,
    pub(super) local: Address,
}

impl Wire {
    pub(super) fn new(stream: &Stream) -> Self {
        Self {
            direct: stream.direct(),
            peer: stream.peer().clone(),
            peer_name: stream.peer().to_string().into(),
            local: stream.local().clone(),
        }
    }
}
