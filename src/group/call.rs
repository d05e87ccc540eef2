//! `GroupCall` and `Replies`: a call of all members of a group, as one future and as a stream.
//!
//! Made by generated groups and by [`Group::call`](super::Group::call). They set what is collected, and decode it.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use msgrpc_core::Payload;
use msgrpc_core::value::EncodeError;
use serde::de::DeserializeOwned;

use super::Group;
use super::asking::{Asking, Given};
use super::error::GroupError;
use super::reply::{Reply, decode_all};
use crate::call::Call;
use crate::error::NoError;

/// A call of one method of every member of a group: a future of their replies, in order of arrival.
///
/// Its arguments were encoded when it was made; the request is sent once, at the first poll, and counts from there. On
/// the wire: `[0, msgid, method, params]` to the group, and `[1, msgid, error, result]` back from each member (W2). Since
/// nobody knows how many members there are, it waits the whole of [`wait`](Self::wait), unless it was told how many to
/// [`expect`](Self::expect).
///
/// One bad reply is one `Err` among the replies and harms no other.
///
/// # Errors
///
/// [`GroupError`]: it could not be sent, or nobody answered, or fewer than [`at_least`](Self::at_least).
///
/// # Cancel safety
///
/// Dropping it forgets the call and what has come for it. The request may already be on the wire; members are not told,
/// and their answers are ignored when they come.
#[must_use = "a call is sent when it is awaited"]
pub struct GroupCall<T, E = NoError> {
    /// `None` when the outcome was given, or the call was sent otherwise before: pending for ever.
    asking: Option<Asking>,
    answer: PhantomData<fn() -> Result<T, E>>,
}

impl<T, E> GroupCall<T, E> {
    /// The call that a generated group makes.
    #[doc(hidden)]
    #[inline]
    pub fn new(call: Call<T, E, Group>) -> Self {
        let asking =
            call.into_parts().map(|(group, method, params)| Asking::new(group, method, params));
        Self { asking, answer: PhantomData }
    }

    pub(super) fn prepared(
        group: &Group,
        method: Cow<'static, str>,
        params: Result<Payload, EncodeError>,
    ) -> Self {
        let asking = Asking::new(group.clone(), method, params);
        Self { asking: Some(asking), answer: PhantomData }
    }

    /// Collects for this long, instead of what [`GroupBuilder::wait`](crate::GroupBuilder::wait) says.
    ///
    /// Counts from the first poll. Without effect on a call that was polled already, as are the other settings.
    pub fn wait(self, wait: Duration) -> Self {
        self.set(|asking| asking.terms.wait = wait)
    }

    /// Ends as soon as this many have answered, with a result or an error; 0 counts as 1.
    ///
    /// When the time is over before, the call gives what has come: [`at_least`](Self::at_least) makes that an error.
    pub fn expect(self, answers: usize) -> Self {
        self.set(|asking| asking.terms.expect = Some(answers.max(1)))
    }

    /// Makes fewer answers an error, [`GroupError::TooFew`], which has those that came. Default: 1, so that no reply at
    /// all is [`GroupError::NoReplies`]; with 0 it is an empty `Vec`.
    pub fn at_least(self, answers: usize) -> Self {
        self.set(|asking| asking.at_least = answers)
    }

    /// Gives each reply as it comes, instead of all at the end.
    ///
    /// ```no_run
    /// # #[msgrpc::service] pub trait Echo { async fn echo(&self, text: String) -> String; }
    /// # async fn example(everyone: EchoGroup) -> Result<(), msgrpc::GroupError> {
    /// let mut replies = everyone.echo("who is there?".to_owned()).stream();
    /// while let Some(reply) = replies.next().await {
    ///     println!("{} after {:?}", reply.from, reply.elapsed);
    /// }
    /// replies.finish()?;
    /// # Ok(()) }
    /// ```
    pub fn stream(self) -> Replies<T, E> {
        let call = self.set(|asking| asking.terms.each = true);
        let state = call.asking.map_or(State::Ended(Ok(())), State::Open);
        Replies { state, given: Given::default(), answer: PhantomData }
    }

    fn set(mut self, change: impl FnOnce(&mut Asking)) -> Self {
        if let Some(asking) = &mut self.asking {
            change(asking);
        }
        self
    }
}

impl<T: DeserializeOwned, E: DeserializeOwned> Future for GroupCall<T, E> {
    type Output = Result<Vec<Reply<T, E>>, GroupError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(asking) = &mut self.asking else { return Poll::Pending };
        let sent = ready!(asking.poll_complete(cx));
        let replies = sent.and_then(|()| {
            let replies = asking.end();
            asking.judge(Given::default(), replies)
        });
        let replies = replies.map(|replies| decode_all(&asking.method, replies));
        self.asking = None;
        Poll::Ready(replies)
    }
}

impl<T, E> fmt::Debug for GroupCall<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.asking.as_ref().map(|asking| &asking.method);
        f.debug_struct("GroupCall").field("method", &method).finish_non_exhaustive()
    }
}

/// The replies to a call of a group, each as it comes; made by [`GroupCall::stream`].
///
/// It is a [`Stream`] that ends at the deadline, or with the last answer expected; [`next`](Self::next) needs no crate for
/// that. What went wrong with the call as a whole is told by [`finish`](Self::finish). Replies that nobody takes are kept
/// within [`GroupBuilder::max_replies`](crate::GroupBuilder::max_replies) and
/// [`max_reply_bytes`](crate::GroupBuilder::max_reply_bytes).
///
/// # Cancel safety
///
/// Dropping the future of `next` loses no reply. Dropping the stream forgets the call.
#[must_use = "a call is sent when its stream is polled"]
pub struct Replies<T, E = NoError> {
    state: State,
    given: Given,
    answer: PhantomData<fn() -> Result<T, E>>,
}

enum State {
    Open(Asking),
    Ended(Result<(), GroupError>),
}

impl<T: DeserializeOwned, E: DeserializeOwned> Replies<T, E> {
    /// The next reply; `None` when there will be no more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no reply.
    pub async fn next(&mut self) -> Option<Reply<T, E>> {
        poll_fn(|cx| self.poll_reply(cx)).await
    }

    /// Ends the call, and says whether all is well with it.
    ///
    /// # Errors
    ///
    /// As of the [call](GroupCall) itself: it could not be sent; nobody answered; or fewer than
    /// [`at_least`](GroupCall::at_least). Before the stream's end it judges what came so far.
    pub fn finish(self) -> Result<(), GroupError> {
        match self.state {
            State::Ended(outcome) => outcome,
            State::Open(mut asking) => {
                let rest = asking.end();
                asking.judge(self.given, rest).map(drop)
            }
        }
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reply<T, E>>> {
        let State::Open(asking) = &mut self.state else { return Poll::Ready(None) };
        let outcome = match ready!(asking.poll_reply(cx)) {
            Ok(Some(raw)) => {
                self.given.replies += 1;
                self.given.answers += usize::from(raw.is_answer());
                return Poll::Ready(Some(Reply::decode(&asking.method, raw)));
            }
            Ok(None) => asking.judge(self.given, Vec::new()).map(drop),
            Err(error) => Err(error),
        };
        self.state = State::Ended(outcome);
        Poll::Ready(None)
    }
}

impl<T: DeserializeOwned, E: DeserializeOwned> Stream for Replies<T, E> {
    type Item = Reply<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_reply(cx)
    }
}

impl<T, E> fmt::Debug for Replies<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").field("given", &self.given).finish_non_exhaustive()
    }
}
