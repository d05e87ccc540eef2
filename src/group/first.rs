//! A group as a [`Caller`]: whoever answers first answers for all.
//!
//! Used by a generated client over a group, `FooClient::new(group)`, and for a group's notifications.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::replace;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use msgrpc_core::{Payload, datagram};

use super::Group;
use super::asking::Asking;
use super::collect::Content;
use super::error::GroupError;
use crate::caller::{Answer, Caller, Outgoing};
use crate::error::{CallError, NotConnected, TimedOut, TooLarge};

impl Caller for Group {
    type Exchange = FirstReply;
    type Posting = GroupPosting;

    /// The first answer, whosever it is and whatever it says. Garbage is passed over.
    ///
    /// It waits as long as the call's timeout, which is the group's `wait` by default.
    fn call(self, call: Outgoing) -> FirstReply {
        let wait = call.timeout.or(Some(self.link().options.wait)).unwrap_or(Duration::MAX);
        let mut asking = Asking::new(self, call.method, Ok(call.params));
        asking.terms.wait = wait;
        asking.terms.expect = Some(1);
        asking.terms.each = true;
        FirstReply(Some(asking))
    }

    /// Sends it once to all members.
    fn notify(self, notification: Outgoing) -> GroupPosting {
        let Outgoing { method, params, .. } = notification;
        GroupPosting { group: self, method, step: Posting::Prepared(params) }
    }
}

/// One call of a [`Group`] through a client: a future of the first answer.
///
/// # Cancel safety
///
/// Dropping it forgets the call, as for a [`GroupCall`](crate::GroupCall).
#[derive(Debug)]
pub struct FirstReply(Option<Asking>);

impl Future for FirstReply {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(asking) = &mut self.0 else { return Poll::Pending };
        let outcome = loop {
            match ready!(asking.poll_reply(cx)) {
                Ok(Some(raw)) => {
                    if let Content::Answer(answer) = raw.content {
                        break Ok(Answer::new(answer));
                    }
                }
                Ok(None) => break Err(timed_out(asking)),
                Err(error) => break Err(of_one_call(asking, error)),
            }
        };
        self.0 = None;
        Poll::Ready(outcome)
    }
}

fn timed_out(asking: &Asking) -> CallError {
    let (method, after) = (asking.method.clone(), asking.terms.wait);
    let peer = asking.group.link().address.to_string().into();
    CallError::TimedOut(TimedOut { method, peer, after, sent: true })
}

/// A call's error for what went wrong before anything was sent.
fn of_one_call(asking: &Asking, error: GroupError) -> CallError {
    let reason = match error {
        GroupError::Encode(error) => return CallError::Encode(error),
        GroupError::TooLarge { method, bytes, limit } => {
            return CallError::TooLarge(TooLarge::for_a_datagram(method, bytes, limit));
        }
        GroupError::TooManyCalls { limit, .. } => {
            format!("{limit} calls are under way in the group, which is its `max_in_flight`")
        }
        GroupError::NotSent { group, cause, .. } => format!("{group}: {cause}"),
        other => other.to_string(),
    };
    CallError::NotConnected(NotConnected::new(asking.method.clone(), reason, 0))
}

/// One notification of a [`Group`]: ready when it is sent.
///
/// # Cancel safety
///
/// Dropping it before it is ready sends nothing.
pub struct GroupPosting {
    group: Group,
    method: Cow<'static, str>,
    step: Posting,
}

enum Posting {
    /// Not polled yet: the arguments.
    Prepared(Payload),
    /// The system had no room for the datagram.
    Sending(BoxFuture<'static, io::Result<()>>),
    Ended,
}

impl GroupPosting {
    /// Sends the datagram if it can be sent at once; otherwise the future of that.
    fn start(
        &self,
        params: &[u8],
    ) -> Result<Option<BoxFuture<'static, io::Result<()>>>, CallError> {
        let link = self.group.link();
        let datagram = datagram::notification(&self.method, params);
        let (bytes, limit) = (datagram.len(), link.options.max_datagram);
        if bytes > limit {
            let method = self.method.clone();
            return Err(CallError::TooLarge(TooLarge::for_a_datagram(method, bytes, limit)));
        }
        match link.try_send(&datagram) {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let group = self.group.clone();
                Ok(Some(Box::pin(async move { group.link().send(&datagram).await })))
            }
            Err(error) => Err(self.not_sent(&error)),
        }
    }

    fn not_sent(&self, cause: &io::Error) -> CallError {
        let reason = format!("{}: {cause}", self.group.link().address);
        CallError::NotConnected(NotConnected::new(self.method.clone(), reason, 0))
    }
}

impl Future for GroupPosting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Posting::Prepared(_) = self.step
            && let Posting::Prepared(params) = replace(&mut self.step, Posting::Ended)
        {
            match self.start(&params)? {
                None => return Poll::Ready(Ok(())),
                Some(send) => self.step = Posting::Sending(send),
            }
        }
        let Posting::Sending(send) = &mut self.step else { return Poll::Pending };
        let sent = ready!(send.as_mut().poll(cx));
        self.step = Posting::Ended;
        Poll::Ready(sent.map_err(|cause| self.not_sent(&cause)))
    }
}

impl fmt::Debug for GroupPosting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupPosting").field("method", &self.method).finish_non_exhaustive()
    }
}
