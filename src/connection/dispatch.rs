//! Runs requests and notifications: polled once where they arrived, on a task of their own if they wait.
//!
//! The driver's part that calls services. No user's code runs under a lock, and a panic of it ends in a
//! fault. Notifications of one connection run one after another, in order of arrival (W15).

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use msgrpc_core::{Fault, FaultCode, MsgId, OwnedInvocation};

use super::Connection;
use crate::context::Context as CallContext;
use crate::router::Router;
use crate::service::{Outcome, OutcomeFuture, Request};

/// What a connection serves.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) router: Arc<Router>,
    /// What handlers learn about the connection.
    pub(crate) context: CallContext,
}

/// Starts the requests of one connection.
#[derive(Debug)]
pub(super) struct Dispatcher {
    connection: Arc<Connection>,
    services: Services,
    lane: Arc<Lane>,
    /// No more requests are started.
    pub(super) draining: bool,
}

impl Dispatcher {
    pub(super) fn new(connection: &Arc<Connection>, services: Services) -> Self {
        let lane = Arc::new(Lane::default());
        Self { connection: Arc::clone(connection), services, lane, draining: false }
    }

    /// Starts one. Ready: its outcome, of which nothing is sent for a notification.
    pub(super) fn start(&mut self, invocation: OwnedInvocation) -> Poll<Outcome> {
        let msgid = invocation.msgid();
        if self.draining && msgid.is_some() {
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
        let running = match Running::start(&self.services, invocation) {
            Started::Pending(running) => running,
            Started::Ready(outcome) => {
                if msgid.is_none() {
                    self.lane.leave();
                }
                return Poll::Ready(outcome);
            }
        };
        let connection = Arc::clone(&self.connection);
        connection.at_work.fetch_add(1, Ordering::Relaxed);
        match msgid {
            Some(msgid) => self.connection.tasks.spawn(request(connection, msgid, running)),
            None => {
                let lane = Arc::clone(&self.lane);
                let services = self.services.clone();
                self.connection.tasks.spawn(notifications(connection, services, lane, running))
            }
        };
        Poll::Pending
    }
}

/// A request that was not ready at once.
async fn request(connection: Arc<Connection>, msgid: MsgId, running: Running) {
    let gone = connection.gone.clone();
    let outcome = gone.run_until_cancelled(running).await;
    connection.finish(outcome.map(|outcome| (msgid, outcome)));
}

/// A notification that was not ready at once, and those that came after it.
async fn notifications(
    connection: Arc<Connection>,
    services: Services,
    lane: Arc<Lane>,
    first: Running,
) {
    let gone = connection.gone.clone();
    let mut running = Some(first);
    loop {
        let alive = match running.take() {
            Some(running) => gone.run_until_cancelled(running).await.is_some(),
            None => !gone.is_cancelled(),
        };
        connection.finish(None);
        let next = if alive { lane.next() } else { lane.clear() };
        match next {
            Next::Run(invocation) => {
                if let Started::Pending(pending) = Running::start(&services, invocation) {
                    running = Some(pending);
                }
            }
            Next::Dropped(count) => {
                connection.at_work.fetch_sub(count, Ordering::Relaxed);
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
        match state.waiting.pop_front() {
            Some(invocation) => Next::Run(invocation),
            None => {
                state.busy = false;
                Next::Dropped(0)
            }
        }
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

/// A handler that has begun.
enum Started {
    Ready(Outcome),
    Pending(Running),
}

/// A handler's future; a panic in it, also while it is made or dropped, is a fault.
struct Running(Option<OutcomeFuture>);

impl Running {
    /// Makes the future and polls it once. Whoever takes it over polls it again at once, with its own
    /// waker.
    fn start(services: &Services, invocation: OwnedInvocation) -> Started {
        let started = catch_unwind(AssertUnwindSafe(|| {
            let request = Request::new(invocation, services.context.clone());
            let mut future = services.router.call(request);
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => Ok(outcome),
                Poll::Pending => Err(future),
            }
        }));
        match started {
            Ok(Ok(outcome)) => Started::Ready(outcome),
            Ok(Err(future)) => Started::Pending(Self(Some(future))),
            Err(panic) => Started::Ready(panicked(&*panic)),
        }
    }

    /// Drops the future, which may panic as well.
    fn discard(&mut self) {
        let future = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            drop(panicked(&*panic));
        }
    }
}

impl Future for Running {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) => panicked(&*panic),
        };
        self.discard();
        Poll::Ready(outcome)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.discard();
        }
    }
}

/// What the peer learns of a panic: that there was one. Its message goes to the log.
fn panicked(panic: &(dyn std::any::Any + Send)) -> Outcome {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    tracing::error!(panic = text, "a method panicked");
    Fault::new(FaultCode::Internal, "internal error").into()
}

/// The fault for an outcome over the limit (W10).
pub(super) fn too_large(bytes: usize, limit: usize) -> Fault {
    let text = format!("the result of {bytes} bytes is larger than the {limit} that may be sent");
    Fault::new(FaultCode::TooLarge, text)
}
