//! One call of a group under way: sent at the first poll, ended by its deadline or by the last answer expected.
//!
//! Used by [`GroupCall`](super::GroupCall), [`Replies`](super::Replies) and [`FirstReply`](super::FirstReply), which
//! decode. Dropping it ends the call.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::replace;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use msgrpc_core::value::EncodeError;
use msgrpc_core::{MsgId, Payload, datagram};
use tokio::time::Sleep;

use super::Group;
use super::collect::{RawReply, Terms};
use super::error::{GroupError, NoReplies, TooFew};
use super::link::{Link, Options};
use crate::connection::now;
use crate::error::EncodeFailed;

/// A call of a group: what is asked, and what has come of it.
pub(super) struct Asking {
    pub(super) group: Group,
    pub(super) method: Cow<'static, str>,
    pub(super) terms: Terms,
    pub(super) at_least: usize,
    step: Step,
}

enum Step {
    /// Not polled yet.
    Prepared(Result<Payload, EncodeError>),
    /// The system had no room for the datagram.
    Sending(BoxFuture<'static, io::Result<()>>, UnderWay),
    /// It is sent.
    Collecting(UnderWay),
    /// It has ended, or failed.
    Ended,
}

/// A call in the collector; it leaves when this is dropped.
struct UnderWay {
    group: Group,
    msgid: MsgId,
    deadline: Pin<Box<Sleep>>,
}

impl Asking {
    pub(super) fn new(
        group: Group,
        method: Cow<'static, str>,
        params: Result<Payload, EncodeError>,
    ) -> Self {
        let Options { wait, max_replies, max_reply_bytes, dedup_by_source, .. } =
            group.link().options;
        let (replies, bytes) = (max_replies, max_reply_bytes);
        let terms = Terms { wait, expect: None, dedup_by_source, replies, bytes, each: false };
        Self { group, method, terms, at_least: 1, step: Step::Prepared(params) }
    }

    /// Waits until the deadline is over, or as many have answered as are expected.
    pub(super) fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), GroupError>> {
        let call = ready!(self.poll_sent(cx))?;
        if call.is_complete(cx) {
            return Poll::Ready(Ok(()));
        }
        call.deadline.as_mut().poll(cx).map(Ok)
    }

    /// Waits for the next reply; `None` when all there will be was given.
    pub(super) fn poll_reply(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<RawReply>, GroupError>> {
        let call = ready!(self.poll_sent(cx))?;
        if let Some(reply) = call.take() {
            return Poll::Ready(Ok(Some(reply)));
        }
        if call.is_complete(cx) || call.deadline.as_mut().poll(cx).is_ready() {
            // One may have come since the look above.
            return Poll::Ready(Ok(call.take()));
        }
        Poll::Pending
    }

    /// Ends the call: what it kept and nobody has taken.
    pub(super) fn end(&mut self) -> Vec<RawReply> {
        match replace(&mut self.step, Step::Ended) {
            Step::Collecting(call) => call.link().lock().collector.end(call.msgid, now()),
            Step::Prepared(_) | Step::Sending(..) | Step::Ended => Vec::new(),
        }
    }

    /// What is wrong with `replies`, of which `given` more were given already, if there are too few.
    pub(super) fn judge(
        &self,
        given: Given,
        replies: Vec<RawReply>,
    ) -> Result<Vec<RawReply>, GroupError> {
        let here = replies.iter().filter(|reply| reply.is_answer()).count();
        let answers = given.answers + here;
        if answers >= self.at_least {
            return Ok(replies);
        }
        let (method, group) = (self.method.clone(), Arc::clone(&self.group.link().address));
        let waited = self.terms.wait;
        if given.replies == 0 && replies.is_empty() {
            return Err(GroupError::NoReplies(NoReplies { method, group, waited }));
        }
        if self.at_least <= 1 {
            // Nobody answered, but what came instead is worth seeing.
            return Ok(replies);
        }
        let wanted = self.at_least;
        let few = TooFew { method, group, waited, wanted, answers, replies };
        Err(GroupError::TooFew(few))
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut UnderWay, GroupError>> {
        if let Step::Prepared(_) = self.step
            && let Step::Prepared(params) = replace(&mut self.step, Step::Ended)
        {
            self.step = self.start(params)?;
        }
        if let Step::Sending(send, _) = &mut self.step {
            let sent = ready!(send.as_mut().poll(cx));
            if let Step::Sending(_, call) = replace(&mut self.step, Step::Ended) {
                sent.map_err(|cause| self.not_sent(cause))?;
                self.step = Step::Collecting(call);
            }
        }
        match &mut self.step {
            Step::Collecting(call) => Poll::Ready(Ok(call)),
            Step::Prepared(_) | Step::Sending(..) | Step::Ended => Poll::Pending,
        }
    }

    /// Enters the call and sends its datagram.
    fn start(&self, params: Result<Payload, EncodeError>) -> Result<Step, GroupError> {
        let params = params
            .map_err(|error| GroupError::Encode(EncodeFailed::new(self.method.clone(), error)))?;
        let call = self.enter()?;
        let datagram = datagram::request(call.msgid, &self.method, &params);
        let limit = self.group.link().options.max_datagram;
        if datagram.len() > limit {
            let (method, bytes) = (self.method.clone(), datagram.len());
            return Err(GroupError::TooLarge { method, bytes, limit });
        }
        match call.link().try_send(&datagram) {
            Ok(()) => Ok(Step::Collecting(call)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let group = self.group.clone();
                let send = async move { group.link().send(&datagram).await };
                Ok(Step::Sending(Box::pin(send), call))
            }
            Err(error) => Err(self.not_sent(error)),
        }
    }

    fn enter(&self) -> Result<UnderWay, GroupError> {
        let link = self.group.link();
        let mut state = link.lock();
        let limit = link.options.max_in_flight;
        if state.collector.calls() >= limit {
            drop(state);
            return Err(GroupError::TooManyCalls { method: self.method.clone(), limit });
        }
        let msgid = state.collector.begin(self.terms, now(), rand::random);
        drop(state);
        let deadline = Box::pin(tokio::time::sleep(self.terms.wait));
        Ok(UnderWay { group: self.group.clone(), msgid, deadline })
    }

    fn not_sent(&self, cause: io::Error) -> GroupError {
        let (method, group) = (self.method.clone(), Arc::clone(&self.group.link().address));
        GroupError::NotSent { method, group, cause: Arc::new(cause) }
    }
}

/// What a stream has given already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    pub(super) replies: usize,
    pub(super) answers: usize,
}

impl UnderWay {
    fn link(&self) -> &Arc<Link> {
        self.group.link()
    }

    fn is_complete(&self, cx: &mut Context<'_>) -> bool {
        self.link().lock().collector.poll_complete(self.msgid, cx.waker())
    }

    fn take(&self) -> Option<RawReply> {
        self.link().lock().collector.take(self.msgid)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let dropped = self.link().lock().collector.end(self.msgid, now());
        // Not under the lock: there may be megabytes.
        drop(dropped);
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait: Duration = self.terms.wait;
        f.debug_struct("Asking")
            .field("group", &self.group)
            .field("method", &self.method)
            .field("wait", &wait)
            .finish_non_exhaustive()
    }
}
