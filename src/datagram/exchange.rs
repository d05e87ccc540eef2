//! Calls over datagrams: one call, one notification, as futures.
//!
//! Made by [`Client`](crate::Client). They are sent at their first poll.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use msgrpc_core::MsgId;

use super::DatagramLink;
use super::link::Association;
use super::pending::Settled;
use crate::caller::{Answer, Outgoing};
use crate::connection::now;
use crate::error::{CallError, TimedOut, Unreachable};

/// One call over datagrams: a future of its answer.
#[derive(Debug)]
pub(crate) struct DatagramExchange {
    link: Arc<DatagramLink>,
    call: Outgoing,
    timeout: Option<Duration>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Not polled yet.
    Prepared,
    /// Sent, or to be sent.
    Begun(MsgId),
    /// Its outcome was given.
    Ended,
}

impl DatagramExchange {
    pub(crate) fn new(link: Arc<DatagramLink>, call: Outgoing, timeout: Option<Duration>) -> Self {
        Self { link, call, timeout, step: Step::Prepared }
    }

    fn outcome(&self, settled: Settled) -> Result<Answer, CallError> {
        let association = self.link.association();
        let method = &self.call.method;
        let peer = || Arc::clone(association.peer_name());
        Err(match settled {
            Settled::Answered(outcome) => return Ok(Answer::new(outcome)),
            Settled::TimedOut { sent } => CallError::TimedOut(TimedOut {
                method: method.clone(),
                peer: peer(),
                after: self.timeout.unwrap_or_default(),
                sent,
            }),
            Settled::Unreachable(error) => {
                CallError::Unreachable(Unreachable { method: method.clone(), peer: peer(), error })
            }
            Settled::Refused(error) => association.not_sent(&self.call, &error),
            Settled::Closed { sent } => {
                association.closed(&self.call, association.closed_by(), sent)
            }
        })
    }
}

impl Future for DatagramExchange {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let association = this.link.association();
        let msgid = match this.step {
            Step::Begun(msgid) => msgid,
            Step::Ended => return Poll::Pending,
            Step::Prepared => {
                let deadline = this.timeout.and_then(|timeout| now().checked_add(timeout));
                match association.begin(&this.call, deadline, cx.waker()) {
                    Ok(msgid) => this.step = Step::Begun(msgid),
                    Err(error) => {
                        this.step = Step::Ended;
                        return Poll::Ready(Err(error));
                    }
                }
                // It may have been refused at once, or even answered: its waker was told then.
                return Poll::Pending;
            }
        };
        let settled = ready!(association.poll_settled(msgid, cx.waker()));
        this.step = Step::Ended;
        Poll::Ready(this.outcome(settled))
    }
}

impl Drop for DatagramExchange {
    fn drop(&mut self) {
        if let Step::Begun(msgid) = self.step {
            self.link.association().forget(msgid);
        }
    }
}

/// One notification over datagrams: ready when the kernel has it.
pub(crate) struct DatagramPosting {
    link: Arc<DatagramLink>,
    notification: Outgoing,
    /// Under way, when the kernel had no room at once.
    sending: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
}

impl DatagramPosting {
    pub(crate) fn new(link: Arc<DatagramLink>, notification: Outgoing) -> Self {
        Self { link, notification, sending: None }
    }

    /// Sends it at once, or begins to wait for room.
    fn begin(&mut self) -> Result<Option<io::Result<()>>, CallError> {
        let association = self.link.association();
        let datagram = association.write_notification(&self.notification)?;
        match association.try_notify(&datagram) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Ok(Some(sent)),
        }
        let association: Arc<Association> = Arc::clone(association);
        self.sending =
            Some(Box::pin(async move { association.socket.send(&datagram, None, None).await }));
        Ok(None)
    }
}

impl Future for DatagramPosting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let sent = if this.sending.is_none() { this.begin()? } else { None };
        let sent = match (sent, &mut this.sending) {
            (Some(sent), _) => sent,
            (None, Some(sending)) => ready!(sending.as_mut().poll(cx)),
            (None, None) => return Poll::Pending,
        };
        let association = this.link.association();
        Poll::Ready(sent.map_err(|error| association.not_sent(&this.notification, &error)))
    }
}

impl fmt::Debug for DatagramPosting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramPosting")
            .field("notification", &self.notification)
            .finish_non_exhaustive()
    }
}
