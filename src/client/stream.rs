//! Calls over streams: one call, one notification, each over as many connections as it takes.
//!
//! Used by [`Client`](super::Client) for every transport that is a stream of bytes. What never left is sent
//! again by itself on the connection that follows; what may have left, only if it is marked idempotent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use msgrpc_core::connection::Ticket;
use msgrpc_core::{Deadline, MsgId};

use super::check_size;
use super::link::StreamLink;
use crate::caller::{Answer, Outgoing};
use crate::connection::{Connection, Refusal, Settled, now};
use crate::error::{CallError, CloseReason, Closed, NotConnected, TimedOut};

/// One call over a client's connections: a future of its answer.
///
/// ```text
///          room            answered, timed out,
/// Prepared ───────▶ Sent ────────────────────────▶ Ended
///     │             ▲  │    or lost
///     │ no room     │  │
///     │        turn │  │ the connection ended, and nothing of the call
///     ▼             │  ▼ has left, or it may be executed twice
///  Waiting ─────────┘ Prepared, on the next connection
/// ```
#[derive(Debug)]
pub(super) struct StreamExchange {
    link: Arc<StreamLink>,
    call: Outgoing,
    timeout: Option<Duration>,
    deadline: Option<Deadline>,
    step: Step,
    /// It was sent before, on a connection that is gone: how it ends unless it is answered now.
    lost: Option<Box<Closed>>,
}

#[derive(Debug)]
enum Step {
    /// Not polled yet.
    Prepared,
    /// Waiting for its turn, or for the stream.
    Waiting(Arc<Connection>, Ticket),
    /// Queued or sent.
    Sent(Arc<Connection>, MsgId),
    /// Its outcome was given.
    Ended,
}

impl StreamExchange {
    pub(super) fn new(link: Arc<StreamLink>, call: Outgoing, timeout: Option<Duration>) -> Self {
        Self { link, call, timeout, deadline: None, step: Step::Prepared, lost: None }
    }

    /// Queues the call on `connection` or one that follows it, when its turn has come. Ready: it cannot.
    fn poll_send(
        &mut self,
        mut connection: Arc<Connection>,
        mut ticket: Option<Ticket>,
        cx: &Context<'_>,
    ) -> Poll<CallError> {
        loop {
            let polled = connection.poll_call(&self.call, &mut ticket, self.deadline, cx.waker());
            let refusal = match polled {
                Poll::Ready(Ok(msgid)) => {
                    self.step = Step::Sent(connection, msgid);
                    return Poll::Pending;
                }
                Poll::Pending => {
                    let error = self.is_late().then(|| self.unsent(&connection));
                    // The drop of this future gives the place back.
                    if let Some(ticket) = ticket {
                        self.step = Step::Waiting(connection, ticket);
                    }
                    return error.map_or(Poll::Pending, Poll::Ready);
                }
                Poll::Ready(Err(refusal)) => refusal,
            };
            let next = follow(&self.link, &self.call, &connection, refusal);
            (connection, ticket) = match next {
                Ok(next) if self.is_late() => return Poll::Ready(self.unsent(&next)),
                Ok(next) => (next, None),
                Err(error) => return Poll::Ready(self.lost().unwrap_or(error)),
            };
        }
    }

    /// The connection ended under the call; `sent`: a byte of it may reach the peer. Where it is sent again.
    fn resend(
        &mut self,
        ended: &Arc<Connection>,
        sent: bool,
    ) -> Result<Arc<Connection>, CallError> {
        let reason = ended.closed().unwrap_or_else(|| Arc::new(CloseReason::Local));
        let next = self.link.follower(ended, &reason);
        if !sent {
            return match next {
                Some(next) if self.is_late() => Err(self.unsent(&next)),
                Some(next) => Ok(next),
                None => {
                    let error = closed(&self.call, ended, reason, false);
                    Err(self.lost().unwrap_or(CallError::Closed(error)))
                }
            };
        }
        let error = closed(&self.call, ended, reason, true);
        match next {
            Some(next) if self.call.idempotent && !self.is_late() && self.link.may_repeat() => {
                self.lost = Some(Box::new(error));
                Ok(next)
            }
            _ => Err(CallError::Closed(error)),
        }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.is_over(now()))
    }

    /// How a call ends that was sent before but not now.
    fn lost(&mut self) -> Option<CallError> {
        self.lost.take().map(|lost| CallError::Closed(*lost))
    }

    /// Why it was not sent on `connection` in time.
    fn unsent(&mut self, connection: &Connection) -> CallError {
        let lost = self.lost();
        lost.unwrap_or_else(|| late(&self.link, &self.call, connection, self.timeout))
    }
}

impl Future for StreamExchange {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (connection, ticket) = match &this.step {
            Step::Sent(connection, msgid) => {
                match ready!(connection.poll_settled(*msgid, cx.waker())) {
                    Settled::Answered(outcome) => {
                        this.step = Step::Ended;
                        return Poll::Ready(Ok(Answer::new(outcome)));
                    }
                    Settled::TimedOut => {
                        let error = timed_out(&this.call, connection, this.timeout, true);
                        this.step = Step::Ended;
                        return Poll::Ready(Err(error));
                    }
                    Settled::Closed { sent } => {
                        let ended = Arc::clone(connection);
                        this.step = Step::Ended;
                        (this.resend(&ended, sent)?, None)
                    }
                }
            }
            Step::Waiting(connection, ticket) => {
                let place = (Arc::clone(connection), Some(*ticket));
                this.step = Step::Ended;
                place
            }
            Step::Prepared => {
                check_size(this.link.limits(), &this.call)?;
                this.deadline = this.timeout.and_then(|timeout| Deadline::after(now(), timeout));
                (this.link.enter(), None)
            }
            Step::Ended => return Poll::Pending,
        };
        this.poll_send(connection, ticket, cx).map(Err)
    }
}

impl Drop for StreamExchange {
    fn drop(&mut self) {
        match &self.step {
            Step::Sent(connection, msgid) => connection.forget(*msgid, now()),
            Step::Waiting(connection, ticket) => connection.leave(*ticket),
            Step::Prepared | Step::Ended => {}
        }
    }
}

/// One notification over a client's connections: ready when it is queued.
#[derive(Debug)]
pub(super) struct StreamPosting {
    link: Arc<StreamLink>,
    notification: Outgoing,
    timeout: Option<Duration>,
    /// Set when it first has to wait.
    deadline: Option<Deadline>,
    /// Where it waits.
    place: Option<(Arc<Connection>, Ticket)>,
}

impl StreamPosting {
    pub(super) fn new(
        link: Arc<StreamLink>,
        notification: Outgoing,
        timeout: Option<Duration>,
    ) -> Self {
        Self { link, notification, timeout, deadline: None, place: None }
    }
}

impl Future for StreamPosting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { link, notification, timeout, deadline, place } = &mut *self;
        let (mut connection, mut ticket) = if let Some((connection, ticket)) = place.take() {
            (connection, Some(ticket))
        } else {
            check_size(link.limits(), notification)?;
            (link.current(), None)
        };
        loop {
            let begin = || {
                let timeout = deadline.is_none().then_some(*timeout).flatten();
                *deadline = timeout.and_then(|after| Deadline::after(now(), after)).or(*deadline);
                *deadline
            };
            match connection.poll_notify(notification, &mut ticket, begin, cx.waker()) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(refusal)) => {
                    (connection, ticket) =
                        (follow(link, notification, &connection, refusal)?, None);
                }
                Poll::Pending => {
                    let is_late = deadline.is_some_and(|deadline| deadline.is_over(now()));
                    let error = is_late.then(|| late(link, notification, &connection, *timeout));
                    *place = ticket.map(|ticket| (connection, ticket));
                    return error.map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
                }
            }
        }
    }
}

impl Drop for StreamPosting {
    fn drop(&mut self) {
        if let Some((connection, ticket)) = self.place.take() {
            connection.leave(ticket);
        }
    }
}

/// Where a message goes that `connection` did not take.
fn follow(
    link: &StreamLink,
    message: &Outgoing,
    connection: &Arc<Connection>,
    refusal: Refusal,
) -> Result<Arc<Connection>, CallError> {
    let method = || message.method.clone();
    match refusal {
        Refusal::Crowded => {
            let most = link.limits().max_waiting;
            let reason = format!("{most} wait for a connection already, see `Limits::max_waiting`");
            Err(CallError::NotConnected(NotConnected::new(method(), reason, 0)))
        }
        Refusal::Closed(reason) => match &*reason {
            CloseReason::Unreachable { reason, .. } => {
                Err(link.not_connected(method(), || reason.to_string()))
            }
            _ => link
                .follower(connection, &reason)
                .ok_or_else(|| CallError::Closed(closed(message, connection, reason, false))),
        },
    }
}

/// Why a message was not sent in time, which waited at `connection`.
fn late(
    link: &StreamLink,
    message: &Outgoing,
    connection: &Connection,
    timeout: Option<Duration>,
) -> CallError {
    if connection.is_connected() {
        return timed_out(message, connection, timeout, false);
    }
    link.not_connected(message.method.clone(), || {
        let after = timeout.unwrap_or_default();
        format!("still connecting to {} after {after:?}", connection.peer_name())
    })
}

fn closed(
    message: &Outgoing,
    connection: &Connection,
    reason: Arc<CloseReason>,
    sent: bool,
) -> Closed {
    let peer = Arc::clone(connection.peer_name());
    Closed { method: message.method.clone(), peer, reason, sent }
}

fn timed_out(
    message: &Outgoing,
    connection: &Connection,
    timeout: Option<Duration>,
    sent: bool,
) -> CallError {
    CallError::TimedOut(TimedOut {
        method: message.method.clone(),
        peer: Arc::clone(connection.peer_name()),
        after: timeout.unwrap_or_default(),
        sent,
    })
}
