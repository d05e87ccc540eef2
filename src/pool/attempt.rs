//! One call, or one notification, over whichever connection is lent for it.
//!
//! Used by pools and balancers. What was not sent is tried on another connection by itself; what may have been sent
//! only if it was marked idempotent, once, and within a budget.
//!
//! ```text
//!             one is free            answered, timed out
//!  Prepared ───────────────▶ Sent ───────────────────────▶ Ended
//!      │                   ▲  │ the connection ended, and
//!      ▼      one was lent │  │ nothing was sent, or may be again
//!   Waiting ───────────────┘  │
//!      ▲──────────────────────┘ none is free
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use msgrpc_core::{Fault, FaultCode};
use msgrpc_transport::BoxFuture;
use tokio::time::Instant;

use crate::budget::RetryBudget;
use crate::caller::{Answer, Caller, Outgoing};
use crate::client::{Client, Exchange, Posting};
use crate::error::{CallError, CloseReason, Closed, NotConnected};

/// Lends connections to calls.
pub(crate) trait Lend: Clone + Send + Sync + Unpin + 'static {
    /// A connection on loan.
    type Lease: Lease;

    /// A connection, if there is one at once.
    fn lend_now(&self) -> Option<Self::Lease>;

    /// A connection, until `deadline` is over or whatever else bounds the wait.
    fn lend(&self, deadline: Option<Instant>) -> BoxFuture<'static, Result<Self::Lease, Shortage>>;

    /// How long calls wait for their answer by default.
    fn timeout(&self) -> Option<Duration>;

    /// Other connections that a call of which nothing was sent is tried on.
    fn repeats(&self) -> usize;

    fn budget(&self) -> &RetryBudget;
}

/// A connection on loan to one call. Dropping it without [`end`](Self::end) means that nobody knows what became of
/// the call.
pub(crate) trait Lease: Send + Unpin + 'static {
    fn client(&self) -> &Client;

    /// The call is over, so.
    fn end(self, end: End<'_>);
}

/// How a call ended on its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End<'a> {
    /// The peer has answered.
    Answered,
    /// The peer has answered that it is shutting down.
    Refused,
    /// A notification is queued.
    Queued,
    /// It failed.
    Failed(&'a CallError),
}

/// Why there is no connection for a call.
#[derive(Debug)]
pub(crate) enum Shortage {
    /// Whoever lends was closed.
    Closed {
        /// Where it led to.
        peer: Arc<str>,
    },
    /// None could be had.
    None {
        /// The numbers, and the reasons.
        reason: String,
        tries: u32,
    },
}

impl Shortage {
    fn of(self, message: &Outgoing) -> CallError {
        let method = message.method.clone();
        match self {
            Self::Closed { peer } => {
                let reason = Arc::new(CloseReason::Local);
                CallError::Closed(Closed { method, peer, reason, sent: false })
            }
            Self::None { reason, tries } => {
                CallError::NotConnected(NotConnected::new(method, reason, tries))
            }
        }
    }
}

/// What is sent: a call or a notification.
pub(crate) trait Way: Send + Sync + 'static {
    type Output: Unpin;
    type Future: Future<Output = Result<Self::Output, CallError>> + Send + Unpin + 'static;

    /// How it ends when it succeeds.
    fn end(output: &Self::Output) -> End<'static>;

    fn start(client: Client, message: Outgoing, left: Option<Duration>) -> Self::Future;
}

/// A call.
#[derive(Debug)]
pub(crate) struct Calling;

impl Way for Calling {
    type Output = Answer;
    type Future = Exchange;

    fn end(answer: &Answer) -> End<'static> {
        let fault = answer.outcome().err().and_then(Fault::read);
        match fault {
            Some(fault) if fault.code() == FaultCode::ShuttingDown => End::Refused,
            _ => End::Answered,
        }
    }

    fn start(client: Client, mut message: Outgoing, left: Option<Duration>) -> Exchange {
        message.timeout = left.into();
        client.call(message)
    }
}

/// A notification.
#[derive(Debug)]
pub(crate) struct Notifying;

impl Way for Notifying {
    type Output = ();
    type Future = Posting;

    fn end((): &()) -> End<'static> {
        End::Queued
    }

    fn start(client: Client, message: Outgoing, _: Option<Duration>) -> Posting {
        client.notify(message)
    }
}

/// One call or notification under way.
pub(crate) struct Attempt<L: Lend, W: Way> {
    lender: L,
    message: Outgoing,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    /// How often it may still be tried elsewhere, as long as nothing was sent.
    repeats: usize,
    /// How a try ended that may have been executed.
    earlier: Option<Result<W::Output, CallError>>,
    step: Step<L, W>,
}

enum Step<L: Lend, W: Way> {
    /// Not polled yet.
    Prepared,
    Waiting(BoxFuture<'static, Result<L::Lease, Shortage>>),
    /// On a connection; `None` only while it is put away.
    Sent(W::Future, Option<L::Lease>),
    /// Its outcome was given.
    Ended,
}

impl<L: Lend> Attempt<L, Calling> {
    pub(crate) fn call(lender: L, call: Outgoing) -> Self {
        let timeout = call.timeout.or(lender.timeout());
        Self::new(lender, call, timeout)
    }
}

impl<L: Lend> Attempt<L, Notifying> {
    pub(crate) fn notify(lender: L, notification: Outgoing) -> Self {
        Self::new(lender, notification, None)
    }
}

impl<L: Lend, W: Way> Attempt<L, W> {
    fn new(lender: L, message: Outgoing, timeout: Option<Duration>) -> Self {
        let repeats = lender.repeats();
        Self {
            lender,
            message,
            timeout,
            deadline: None,
            repeats,
            earlier: None,
            step: Step::Prepared,
        }
    }

    fn lend(&mut self) {
        match self.lender.lend_now() {
            Some(lease) => self.send(lease, self.left()),
            None => self.step = Step::Waiting(self.lender.lend(self.deadline)),
        }
    }

    /// What is left of the timeout.
    fn left(&self) -> Option<Duration> {
        match self.deadline {
            Some(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            None => self.timeout,
        }
    }

    fn send(&mut self, lease: L::Lease, left: Option<Duration>) {
        let future = W::start(lease.client().clone(), self.message.clone(), left);
        self.step = Step::Sent(future, Some(lease));
    }

    /// Tries on another connection what ended so, or says what to tell the caller.
    fn settle(
        &mut self,
        outcome: Result<W::Output, CallError>,
        refused: bool,
    ) -> Option<Result<W::Output, CallError>> {
        let (lost, sent) = match &outcome {
            Ok(_) => (refused, true),
            Err(error) => {
                let lost = matches!(error, CallError::Closed(_) | CallError::NotConnected(_));
                (lost, error.was_sent())
            }
        };
        let in_time = || self.deadline.is_none_or(|deadline| Instant::now() < deadline);
        if !lost || !in_time() {
            return Some(outcome.or_else(|error| self.told(error)));
        }
        if !sent && self.repeats > 0 {
            self.repeats -= 1;
        } else if sent && self.message.idempotent && self.lender.budget().spend() {
            // It is not sent a third time.
            self.message.idempotent = false;
            self.earlier = Some(outcome);
        } else {
            return Some(outcome.or_else(|error| self.told(error)));
        }
        self.lend();
        None
    }

    /// What the caller is told of an error: its own timeout, not what was left of it; and of the try that was sent,
    /// rather than of one after it that was not.
    fn told(&mut self, mut error: CallError) -> Result<W::Output, CallError> {
        if let Some(earlier) = self.earlier.take().filter(|_| !error.was_sent()) {
            return earlier;
        }
        if let (CallError::TimedOut(timed_out), Some(timeout)) = (&mut error, self.timeout) {
            timed_out.after = timeout;
        }
        Err(error)
    }
}

impl<L: Lend, W: Way> Future for Attempt<L, W> {
    type Output = Result<W::Output, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.step {
                Step::Prepared => {
                    this.deadline = this.timeout.and_then(|it| Instant::now().checked_add(it));
                    this.lender.budget().earn();
                    this.lend();
                }
                Step::Waiting(lending) => match ready!(lending.as_mut().poll(cx)) {
                    Ok(lease) => this.send(lease, this.left()),
                    Err(shortage) => {
                        this.step = Step::Ended;
                        let error = shortage.of(&this.message);
                        return Poll::Ready(this.told(error));
                    }
                },
                Step::Sent(future, lease) => {
                    let outcome = ready!(Pin::new(future).poll(cx));
                    let lease = lease.take();
                    this.step = Step::Ended;
                    let end = match &outcome {
                        Ok(output) => W::end(output),
                        Err(error) => End::Failed(error),
                    };
                    let refused = matches!(end, End::Refused);
                    if let Some(lease) = lease {
                        lease.end(end);
                    }
                    if let Some(outcome) = this.settle(outcome, refused) {
                        return Poll::Ready(outcome);
                    }
                }
                Step::Ended => return Poll::Pending,
            }
        }
    }
}

impl<L: Lend, W: Way> fmt::Debug for Attempt<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("message", &self.message).finish_non_exhaustive()
    }
}
