//! `Caller`: what a generated client calls through – a connection, a pool, a service in process, a mock.
//!
//! A call travels as encoded bytes in both directions; types are the stub's affair.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use msgrpc_core::Payload;

use crate::error::CallError;

/// Sends calls somewhere and brings their answers.
///
/// # Cancel safety
///
/// Dropping an [`Exchange`](Self::Exchange) forgets the call, dropping a [`Posting`](Self::Posting)
/// before it is ready sends nothing.
#[diagnostic::on_unimplemented(
    message = "a msgrpc client cannot call through `{Self}`",
    label = "not a caller",
    note = "callers are `Client` and whatever else implements `msgrpc::Caller`"
)]
pub trait Caller: Clone + Send + Sync + 'static {
    /// The future of a call's answer.
    type Exchange: Future<Output = Result<Answer, CallError>> + Send + Unpin + 'static;

    /// The future of a notification: ready when it is queued.
    type Posting: Future<Output = Result<(), CallError>> + Send + Unpin + 'static;

    /// Prepares a call; it is sent when the future is first polled.
    fn call(self, call: Outgoing) -> Self::Exchange;

    /// Prepares a notification; it is queued when the future is first polled.
    fn notify(self, notification: Outgoing) -> Self::Posting;
}

/// A call or notification on its way out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outgoing {
    /// The method's name on the wire.
    pub method: Cow<'static, str>,
    /// The arguments: one encoded array (W3).
    pub params: Payload,
    /// How long the answer is waited for.
    pub timeout: Timeout,
    /// Whether executing it twice does the same as executing it once, so that it may be sent again.
    pub idempotent: bool,
}

impl Outgoing {
    /// A call of `method` with these encoded arguments.
    pub fn new(method: Cow<'static, str>, params: Payload, timeout: Timeout) -> Self {
        Self { method, params, timeout, idempotent: false }
    }

    /// The same, marked as one that may be executed twice.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Its length on the wire, in bytes, with a msgid and a name's head of the longest form.
    pub(crate) fn message_bytes(&self) -> usize {
        const HEADS: usize = 12;
        self.params.len() + self.method.len() + HEADS
    }
}

/// How long a call waits for its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Timeout {
    /// As long as the caller says by default.
    #[default]
    Default,
    /// As long as this.
    After(Duration),
    /// For ever.
    Never,
}

impl From<Duration> for Timeout {
    fn from(timeout: Duration) -> Self {
        Self::After(timeout)
    }
}

impl From<Option<Duration>> for Timeout {
    fn from(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::Never, Self::After)
    }
}

impl Timeout {
    /// What it means where `default` is the default.
    pub fn or(self, default: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Default => default,
            Self::After(timeout) => Some(timeout),
            Self::Never => None,
        }
    }
}

/// The answer to a call, still encoded.
pub struct Answer(Result<Payload, Payload>);

impl Answer {
    /// An answer with this encoded result, or this encoded error.
    pub fn new(outcome: Result<Payload, Payload>) -> Self {
        Self(outcome)
    }

    pub(crate) fn payload(&self) -> Result<&Payload, &Payload> {
        self.0.as_ref()
    }

    /// The encoded result, or the encoded error.
    ///
    /// # Errors
    ///
    /// The peer's error, of whatever type (W8).
    pub fn outcome(&self) -> Result<&[u8], &[u8]> {
        match &self.0 {
            Ok(result) => Ok(result),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome() {
            Ok(result) => write!(f, "Answer(a result of {} bytes)", result.len()),
            Err(error) => write!(f, "Answer(an error of {} bytes)", error.len()),
        }
    }
}
