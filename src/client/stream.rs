//! Calls over a stream's connection: a client's hold on it, one call, one notification.
//!
//! Used by [`Client`](super::Client) for every transport that is a stream of bytes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use msgrpc_core::connection::Ticket;
use msgrpc_core::{Deadline, MsgId};
use msgrpc_transport::Stream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::check_size;
use crate::caller::{Answer, Outgoing};
use crate::connection::{Closing, Connection, Driver, Manners, Services, Settled, now};
use crate::context;
use crate::error::{CallError, CloseReason, Closed, TimedOut};
use crate::router::Router;

/// A client's hold on its connection, shared by its clones and calls.
pub(crate) struct StreamLink {
    connection: Arc<Connection>,
    /// It closes with the last hold; one that was lent does not.
    owned: bool,
}

impl StreamLink {
    /// The hold on a new connection over `stream`. Must be called within a tokio runtime.
    pub(super) fn start(stream: Stream, manners: &Manners, router: Arc<Router>) -> Self {
        let tasks = TaskTracker::new();
        tasks.close();
        let connection = Arc::new(Connection::new(&stream, manners, tasks.clone()));
        let blocking = Arc::new(Semaphore::new(manners.limits.blocking));
        let context = context::Context::new(Arc::clone(&connection), blocking);
        let services = Services { router, context };
        tasks.spawn(Driver::new(&connection, stream, services));
        Self { connection, owned: true }
    }

    /// A hold on a connection that somebody else owns.
    pub(super) fn borrowed(connection: &Arc<Connection>) -> Self {
        Self { connection: Arc::clone(connection), owned: false }
    }

    /// The peer in error texts.
    pub(super) fn peer_name(&self) -> &Arc<str> {
        self.connection.peer_name()
    }

    pub(super) fn closed(&self) -> Option<Arc<CloseReason>> {
        self.connection.closed()
    }

    /// Cancelled when the connection has ended.
    pub(super) fn gone(&self) -> CancellationToken {
        self.connection.gone().clone()
    }

    /// Closes after what is queued is written, and waits for that.
    pub(super) async fn close(self: Arc<Self>) {
        let connection = Arc::clone(&self.connection);
        connection.close(Closing::Flush);
        if self.owned {
            drop(self);
            connection.tasks().wait().await;
        } else if connection.closed().is_none() {
            // The tasks of a connection that was lent are its server's.
            connection.gone().cancelled().await;
        }
    }
}

impl Drop for StreamLink {
    fn drop(&mut self) {
        if self.owned {
            self.connection.close(Closing::Flush);
        }
    }
}

impl fmt::Debug for StreamLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamLink").field("peer", self.peer_name()).finish_non_exhaustive()
    }
}

/// One call over a stream's connection: a future of its answer.
#[derive(Debug)]
pub(super) struct StreamExchange {
    link: Arc<StreamLink>,
    call: Outgoing,
    timeout: Option<Duration>,
    deadline: Option<Deadline>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Not polled yet.
    Prepared,
    /// Waiting for its turn.
    Waiting(Ticket),
    /// Queued or sent.
    Sent(MsgId),
    /// Its outcome was given.
    Ended,
}

impl StreamExchange {
    pub(super) fn new(link: Arc<StreamLink>, call: Outgoing, timeout: Option<Duration>) -> Self {
        Self { link, call, timeout, deadline: None, step: Step::Prepared }
    }

    /// Queues the call when its turn has come.
    fn poll_send(&mut self, cx: &Context<'_>) -> Poll<Result<MsgId, CallError>> {
        let connection = &self.link.connection;
        let mut ticket = None;
        if let Step::Waiting(place) = self.step {
            ticket = Some(place);
        } else {
            check_size(connection.limits(), &self.call)?;
            self.deadline = self.timeout.and_then(|timeout| Deadline::after(now(), timeout));
        }
        let polled = connection.poll_call(&self.call, &mut ticket, self.deadline, cx.waker());
        // From here on the drop of this future knows what to give back.
        self.step = ticket.map_or(Step::Prepared, Step::Waiting);
        match polled {
            Poll::Ready(Ok(msgid)) => {
                self.step = Step::Sent(msgid);
                Poll::Ready(Ok(msgid))
            }
            Poll::Ready(Err(reason)) => Poll::Ready(Err(self.closed(reason, false))),
            Poll::Pending if self.deadline.is_some_and(|deadline| deadline.is_over(now())) => {
                Poll::Ready(Err(self.timed_out(false)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn closed(&self, reason: Arc<CloseReason>, sent: bool) -> CallError {
        closed(&self.link, &self.call, reason, sent)
    }

    fn timed_out(&self, sent: bool) -> CallError {
        CallError::TimedOut(TimedOut {
            method: self.call.method.clone(),
            peer: Arc::clone(self.link.connection.peer_name()),
            after: self.timeout.unwrap_or_default(),
            sent,
        })
    }
}

fn closed(link: &StreamLink, call: &Outgoing, reason: Arc<CloseReason>, sent: bool) -> CallError {
    let peer = Arc::clone(link.peer_name());
    CallError::Closed(Closed { method: call.method.clone(), peer, reason, sent })
}

impl Future for StreamExchange {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let msgid = match this.step {
            Step::Sent(msgid) => msgid,
            Step::Ended => return Poll::Pending,
            Step::Prepared | Step::Waiting(_) => match ready!(this.poll_send(cx)) {
                Ok(_) => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            },
        };
        let settled = ready!(this.link.connection.poll_settled(msgid, cx.waker()));
        this.step = Step::Ended;
        Poll::Ready(match settled {
            Settled::Answered(outcome) => Ok(Answer::new(outcome)),
            Settled::TimedOut { sent } => Err(this.timed_out(sent)),
            Settled::Closed { sent } => {
                let reason = this.link.connection.closed();
                Err(this.closed(reason.unwrap_or_else(|| Arc::new(CloseReason::Local)), sent))
            }
        })
    }
}

impl Drop for StreamExchange {
    fn drop(&mut self) {
        match self.step {
            Step::Sent(msgid) => self.link.connection.forget(msgid, now()),
            Step::Waiting(ticket) => self.link.connection.leave(ticket),
            Step::Prepared | Step::Ended => {}
        }
    }
}

/// One notification over a stream's connection: ready when it is queued.
#[derive(Debug)]
pub(super) struct StreamPosting {
    link: Arc<StreamLink>,
    notification: Outgoing,
    ticket: Option<Ticket>,
}

impl StreamPosting {
    pub(super) fn new(link: Arc<StreamLink>, notification: Outgoing) -> Self {
        Self { link, notification, ticket: None }
    }
}

impl Future for StreamPosting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { link, notification, ticket } = &mut *self;
        check_size(link.connection.limits(), notification)?;
        let queued = ready!(link.connection.poll_notify(notification, ticket, cx.waker()));
        Poll::Ready(queued.map_err(|reason| closed(link, notification, reason, false)))
    }
}

impl Drop for StreamPosting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.link.connection.leave(ticket);
        }
    }
}
