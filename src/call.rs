//! `Call` and `Notify`: the futures that a client's methods return.
//!
//! They hold the encoded arguments until the first poll, which sends them, and decode the answer.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use msgrpc_core::value::{self, DecodeError, EncodeError};
use msgrpc_core::{Fault, Payload};
use serde::de::DeserializeOwned;

use crate::arguments::Params;
use crate::caller::{Caller, Outgoing, Timeout};
use crate::client::Client;
use crate::error::{CallError, DecodeFailed, EncodeFailed, NoError};

/// A call of one method: a future of its result.
///
/// Its arguments were encoded when it was made; the request is sent at the first poll. On the wire:
/// `[0, msgid, method, params]`, and back `[1, msgid, error, result]` (W2). It waits for its answer as
/// long as its [`timeout`](Self::timeout), which counts from the first poll.
///
/// # Errors
///
/// [`CallError`] tells the method's own error from the framework's, and whether the request may have
/// been executed.
///
/// # Cancel safety
///
/// Dropping it forgets the call. The request may already be on the wire; the server is not told, and
/// its answer is ignored when it comes (W7). The connection stays whole.
#[must_use = "a call is sent when it is awaited"]
pub struct Call<T, E = NoError, C: Caller = Client> {
    step: Step<C, C::Exchange>,
    method: Cow<'static, str>,
    /// How the result is read, unless by decoding it.
    read: Option<Read<T>>,
    error: PhantomData<fn() -> E>,
}

type Read<T> = fn(&Payload) -> Result<T, DecodeError>;

/// A notification: a future that ends when it is queued for sending.
///
/// On the wire: `[2, method, params]` (W2). Nothing comes back, not even an error.
///
/// # Errors
///
/// [`CallError`] when it could not be encoded or the connection is gone.
///
/// # Cancel safety
///
/// Dropping it before it is ready sends nothing; nothing is ever half-written.
#[must_use = "a notification is sent when it is awaited"]
pub struct Notify<C: Caller = Client> {
    step: Step<C, C::Posting>,
    method: Cow<'static, str>,
}

enum Step<C, F> {
    /// Not polled yet.
    Prepared { caller: C, params: Result<Payload, EncodeError>, options: Options },
    /// Sent, or waiting to be.
    Started(F),
    /// Its outcome was given; it is pending for ever.
    Ended,
}

/// What a user may say of one call.
#[derive(Clone, Copy, Default)]
struct Options {
    timeout: Timeout,
    idempotent: bool,
}

impl<C: Caller, F> Step<C, F> {
    /// Starts what was prepared, with `start`.
    fn advance(
        &mut self,
        method: impl FnOnce() -> Cow<'static, str>,
        start: impl FnOnce(C, Outgoing) -> F,
    ) -> Result<Option<&mut F>, EncodeFailed> {
        if let Self::Prepared { .. } = self {
            let Self::Prepared { caller, params, options } = std::mem::replace(self, Self::Ended)
            else {
                return Ok(None);
            };
            let call = match params {
                Ok(params) => {
                    Outgoing::new(method(), params, options.timeout).idempotent(options.idempotent)
                }
                Err(error) => return Err(EncodeFailed::new(method(), error)),
            };
            *self = Self::Started(start(caller, call));
        }
        match self {
            Self::Started(future) => Ok(Some(future)),
            Self::Prepared { .. } | Self::Ended => Ok(None),
        }
    }
}

impl<T, E, C: Caller> Call<T, E, C> {
    /// The call that a generated client makes.
    #[doc(hidden)]
    pub fn new(caller: &C, params: Params) -> Self {
        let (method, idempotent) = (params.method().name(), params.method().is_idempotent());
        Self::prepared(caller, Cow::Borrowed(method), params.finish()).idempotent(idempotent)
    }

    pub(crate) fn prepared(
        caller: &C,
        method: Cow<'static, str>,
        params: Result<Payload, EncodeError>,
    ) -> Self {
        let step = Step::Prepared { caller: caller.clone(), params, options: Options::default() };
        Self { step, method, read: None, error: PhantomData }
    }

    /// Waits this long for the answer, instead of the client's default of 30 s; `None`: for ever.
    ///
    /// Counts from the first poll. Without effect on a call that was polled already.
    pub fn timeout(mut self, after: impl Into<Option<std::time::Duration>>) -> Self {
        if let Step::Prepared { options, .. } = &mut self.step {
            options.timeout = after.into().into();
        }
        self
    }

    /// Says that executing the method twice does the same as executing it once, so that the call may be sent again
    /// when its answer was lost. Default: what `#[msgrpc(idempotent)]` says on the method.
    ///
    /// Without effect on a call that was polled already.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        if let Step::Prepared { options, .. } = &mut self.step {
            options.idempotent = idempotent;
        }
        self
    }

    /// Reads the result in this way.
    pub(crate) fn reading(mut self, read: Read<T>) -> Self {
        self.read = Some(read);
        self
    }

    /// The name of the method on the wire.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What a call that was not polled yet is made of; `None` if it was.
    pub(crate) fn into_parts(self) -> Option<(C, Cow<'static, str>, Result<Payload, EncodeError>)> {
        match self.step {
            Step::Prepared { caller, params, .. } => Some((caller, self.method, params)),
            Step::Started(_) | Step::Ended => None,
        }
    }
}

impl<T: DeserializeOwned, E: DeserializeOwned, C: Caller> Future for Call<T, E, C> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let exchange = match this.step.advance(|| this.method.clone(), C::call) {
            Ok(Some(exchange)) => exchange,
            Ok(None) => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(CallError::Encode(error))),
        };
        let outcome = ready!(Pin::new(exchange).poll(cx));
        this.step = Step::Ended;
        Poll::Ready(match outcome {
            Ok(answer) => read(&this.method, this.read, answer.payload()),
            Err(error) => Err(error.widen()),
        })
    }
}

/// Reads an answer (W8): a fault is told by its shape, then the method's own error is tried.
pub(crate) fn read<T: DeserializeOwned, E: DeserializeOwned>(
    method: &str,
    read: Option<Read<T>>,
    outcome: Result<&Payload, &Payload>,
) -> Result<T, CallError<E>> {
    match outcome {
        Ok(result) => read
            .map_or_else(|| value::decode(result), |read| read(result))
            .map_err(|error| CallError::Decode(DecodeFailed::new(method, error))),
        Err(error) => Err(if let Some(fault) = Fault::read(error) {
            CallError::Fault(fault)
        } else if let Ok(error) = value::decode(error) {
            CallError::Method(error)
        } else {
            match value::decode(error) {
                Ok(value) => CallError::Remote(value),
                Err(error) => CallError::Decode(DecodeFailed::new(method, error)),
            }
        }),
    }
}

impl<T, E, C: Caller> fmt::Debug for Call<T, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).finish_non_exhaustive()
    }
}

impl<C: Caller> Notify<C> {
    /// The notification that a generated client makes.
    #[doc(hidden)]
    pub fn new(caller: &C, params: Params) -> Self {
        let method = Cow::Borrowed(params.method().name());
        Self::prepared(caller, method, params.finish())
    }

    pub(crate) fn prepared(
        caller: &C,
        method: Cow<'static, str>,
        params: Result<Payload, EncodeError>,
    ) -> Self {
        let step = Step::Prepared { caller: caller.clone(), params, options: Options::default() };
        Self { step, method }
    }

    /// The name of the method on the wire.
    pub fn method(&self) -> &str {
        &self.method
    }
}

impl<C: Caller> Future for Notify<C> {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let posting = match this.step.advance(|| this.method.clone(), C::notify) {
            Ok(Some(posting)) => posting,
            Ok(None) => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(CallError::Encode(error))),
        };
        let outcome = ready!(Pin::new(posting).poll(cx));
        this.step = Step::Ended;
        Poll::Ready(outcome)
    }
}

impl<C: Caller> fmt::Debug for Notify<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("method", &self.method).finish_non_exhaustive()
    }
}

impl<T, E, C: Caller> Unpin for Call<T, E, C> {}
impl<C: Caller> Unpin for Notify<C> {}
