//! Runs requests and notifications: polled once where they arrived, on a task of their own if they wait.
//!
//! The driver's part that calls services. No user's code runs under a lock, and a panic of it ends in a
//! fault. Notifications of one connection run one after another, in order of arrival (W15).

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use msgrpc_core::{Fault, FaultCode, MsgId, OwnedInvocation};

use super::stopwatch::{Stopwatch, Timed, timed};
use super::{Connection, Done};
use crate::context::Context as CallContext;
use crate::method_timeouts::Due;
use crate::router::Router;
use crate::running::{Running, Started};
use crate::service::{Outcome, Request};
use crate::shutdown::add;

/// What a connection serves.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) router: Arc<Router>,
    /// What handlers learn about the connection.
    pub(crate) context: CallContext,
}

impl Services {
    /// Starts one, and tells when it is due.
    fn start(&self, invocation: OwnedInvocation) -> (Started, Option<Due>) {
        let due = self.router.due(|| invocation.method());
        let context = match &due {
            Some(due) => self.context.due_at(due.at),
            None => self.context.clone(),
        };
        (Running::start(|| self.router.call(Request::new(invocation, context))), due)
    }
}

/// Starts the requests of one connection.
#[derive(Debug)]
pub(super) struct Dispatcher {
    connection: Arc<Connection>,
    services: Services,
    lane: Arc<Lane>,
    pub(super) intake: Intake,
}

/// What is still started of what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    All,
    /// This side is ending: requests are refused, and what had arrived of notifications is run.
    Notifications,
    /// All that had arrived is in: notifications that come now are discarded.
    Nothing,
}

impl Dispatcher {
    pub(super) fn new(connection: &Arc<Connection>, services: Services) -> Self {
        Self {
            connection: Arc::clone(connection),
            services,
            lane: Arc::default(),
            intake: Intake::All,
        }
    }

    /// Whether a notification that has just come is too late; it is counted.
    pub(super) fn discards(&self, invocation: &OwnedInvocation) -> bool {
        let discards = self.intake == Intake::Nothing && invocation.msgid().is_none();
        if discards {
            add(&self.connection.tally.refused, 1);
            tracing::debug!(peer = %self.connection.peer_name(), "a notification came too late");
        }
        discards
    }

    /// Starts one. Ready: its outcome, of which nothing is sent for a notification.
    pub(super) fn start(
        &mut self,
        invocation: OwnedInvocation,
        stopwatch: &mut Stopwatch,
    ) -> Poll<Outcome> {
        let msgid = invocation.msgid();
        if self.intake != Intake::All && msgid.is_some() {
            add(&self.connection.tally.refused, 1);
            let fault = Fault::new(FaultCode::ShuttingDown, "the server is shutting down");
            return Poll::Ready(fault.into());
        }
        if invocation.method_bytes() > self.connection.limits.method_bytes {
            return Poll::Ready(Fault::unknown_method(invocation.method()).into());
        }
        let invocation = if msgid.is_none() {
            match self.lane.enter(&self.connection, invocation) {
                Some(invocation) => invocation,
                None => return Poll::Pending,
            }
        } else {
            invocation
        };
        stopwatch.start(invocation.raw_method());
        let begun = match self.services.start(invocation) {
            (Started::Pending(running), due) => Begun { running, method: stopwatch.latest(), due },
            (Started::Ready(outcome), _) => {
                if msgid.is_none() {
                    self.lane.leave();
                    if self.intake != Intake::All {
                        add(&self.connection.tally.answered, 1);
                    }
                }
                return Poll::Ready(outcome);
            }
        };
        let connection = Arc::clone(&self.connection);
        connection.at_work.fetch_add(1, Ordering::Relaxed);
        if let Some(msgid) = msgid {
            self.connection.tasks.spawn(request(connection, msgid, begun));
        } else {
            let (services, lane) = (self.services.clone(), Arc::clone(&self.lane));
            self.connection.tasks.spawn(notifications(connection, services, lane, begun));
        }
        Poll::Pending
    }
}

/// A request that was not ready at once.
async fn request(connection: Arc<Connection>, msgid: MsgId, begun: Begun) {
    let gone = connection.gone.clone();
    let outcome = gone.run_until_cancelled(run(&connection, begun)).await;
    connection.finish(outcome.map_or(Done::Dropped, |outcome| Done::Answered(msgid, outcome)));
}

/// What was not ready at once.
struct Begun {
    running: Running,
    method: Box<str>,
    due: Option<Due>,
}

/// Runs to the end, or until it is due.
async fn run(connection: &Connection, begun: Begun) -> Outcome {
    let Begun { running, method, due } = begun;
    let peer = &**connection.peer_name();
    let running = Timed { running, method: &method, peer };
    match due {
        None => running.await,
        Some(due) => due.limit(running, &method, peer, &connection.tally).await,
    }
}

/// A notification that was not ready at once, and those that came after it.
async fn notifications(
    connection: Arc<Connection>,
    services: Services,
    lane: Arc<Lane>,
    first: Begun,
) {
    let gone = connection.gone.clone();
    let mut running = Some(first);
    loop {
        let alive = match running.take() {
            Some(begun) => gone.run_until_cancelled(run(&connection, begun)).await.is_some(),
            None => !gone.is_cancelled(),
        };
        connection.finish(if alive { Done::Ran } else { Done::Dropped });
        let next = if alive { lane.next() } else { lane.clear() };
        match next {
            Next::Run(invocation) => {
                let method: Box<str> = invocation.method().into();
                let started = timed(connection.peer_name(), &method, || services.start(invocation));
                if let (Started::Pending(pending), due) = started {
                    running = Some(Begun { running: pending, method, due });
                }
            }
            Next::Dropped(count) => {
                connection.discard(count);
                return;
            }
        }
        // Many that are ready at once must not keep other tasks waiting.
        tokio::task::coop::consume_budget().await;
    }
}

/// The order of one connection's notifications.
#[derive(Debug, Default)]
struct Lane {
    state: Mutex<LaneState>,
}

#[derive(Debug, Default)]
struct LaneState {
    /// One runs, or is being started.
    busy: bool,
    /// Those that came meanwhile; they count as at work and are bounded with it.
    waiting: VecDeque<OwnedInvocation>,
}

enum Next {
    Run(OwnedInvocation),
    Dropped(usize),
}

impl Lane {
    /// Gives the notification back if it may start now; otherwise keeps it.
    fn enter(
        &self,
        connection: &Connection,
        invocation: OwnedInvocation,
    ) -> Option<OwnedInvocation> {
        let mut state = self.lock();
        if !state.busy {
            state.busy = true;
            return Some(invocation);
        }
        connection.at_work.fetch_add(1, Ordering::Relaxed);
        state.waiting.push_back(invocation);
        None
    }

    fn leave(&self) {
        self.lock().busy = false;
    }

    fn next(&self) -> Next {
        let mut state = self.lock();
        if let Some(invocation) = state.waiting.pop_front() {
            return Next::Run(invocation);
        }
        state.busy = false;
        Next::Dropped(0)
    }

    /// The connection is gone: nothing runs any more.
    fn clear(&self) -> Next {
        let mut state = self.lock();
        Next::Dropped(std::mem::take(&mut state.waiting).len())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fault for an outcome over the limit (W10).
pub(super) fn too_large(bytes: usize, limit: usize) -> Fault {
    let text = format!("the result of {bytes} bytes is larger than the {limit} that may be sent");
    Fault::new(FaultCode::TooLarge, text)
}
