//! What can go wrong with a call, from its encoding to its answer.
//!
//! One type for callers to match on: [`CallError`]. Errors of connecting and serving stand beside
//! their operations.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_core::datagram::DatagramError;
use msgrpc_core::value::{DecodeError, EncodeError, Value};
use msgrpc_core::{Fault, Greeting, ProtocolError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a call has no result.
///
/// `E` is the method's own error type; [`NoError`] for methods that have none.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError<E = NoError> {
    /// The method's own error, as the server's implementation returned it.
    Method(E),
    /// The peer's framework refused: unknown method, wrong arguments, overloaded … (W8).
    Fault(Fault),
    /// An error of another shape than `E`, kept whole.
    Remote(Value),
    /// No answer came in time.
    TimedOut(TimedOut),
    /// The connection ended before the answer came.
    Closed(Closed),
    /// There is no connection, and the call was not sent.
    NotConnected(NotConnected),
    /// The network says that nobody is there; over datagrams, where nothing else tells.
    Unreachable(Unreachable),
    /// An argument could not be encoded; nothing was sent.
    Encode(EncodeFailed),
    /// The answer came but does not decode as the method's result.
    Decode(DecodeFailed),
    /// What came from the peer instead of an answer is no message at all. Only from the members of a
    /// [`Group`](crate::Group): a connection ends by it.
    Protocol(NoMessage),
    /// The request is larger than [`Limits::outbound_message_bytes`](crate::Limits), or does not fit in a datagram;
    /// nothing was sent.
    TooLarge(TooLarge),
}

impl<E> CallError<E> {
    /// Whether a byte of the request may have reached the peer. False means: not executed, safe to
    /// repeat.
    pub fn was_sent(&self) -> bool {
        match self {
            Self::Method(_)
            | Self::Fault(_)
            | Self::Remote(_)
            | Self::Decode(_)
            | Self::Protocol(_)
            | Self::Unreachable(_) => true,
            Self::TimedOut(error) => error.sent,
            Self::Closed(error) => error.sent,
            Self::NotConnected(_) | Self::Encode(_) | Self::TooLarge(_) => false,
        }
    }

    /// The same error with another type for the method's own, turned by `method`.
    pub fn map_method<F>(self, method: impl FnOnce(E) -> F) -> CallError<F> {
        match self {
            Self::Method(error) => CallError::Method(method(error)),
            Self::Fault(fault) => CallError::Fault(fault),
            Self::Remote(value) => CallError::Remote(value),
            Self::TimedOut(error) => CallError::TimedOut(error),
            Self::Closed(error) => CallError::Closed(error),
            Self::NotConnected(error) => CallError::NotConnected(error),
            Self::Unreachable(error) => CallError::Unreachable(error),
            Self::Encode(error) => CallError::Encode(error),
            Self::Decode(error) => CallError::Decode(error),
            Self::Protocol(error) => CallError::Protocol(error),
            Self::TooLarge(error) => CallError::TooLarge(error),
        }
    }
}

impl CallError {
    /// The same error for a method with errors of its own.
    pub fn widen<E>(self) -> CallError<E> {
        self.map_method(|never| match never.0 {})
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(error) => error.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
            Self::Remote(value) => write!(f, "the peer answered with an error: {}", Shown(value)),
            Self::TimedOut(error) => error.fmt(f),
            Self::Closed(error) => error.fmt(f),
            Self::NotConnected(error) => error.fmt(f),
            Self::Unreachable(error) => error.fmt(f),
            Self::Encode(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    /// The cause of the method's own error; the others say theirs themselves.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Method(error) => error.source(),
            _ => None,
        }
    }
}

/// Another implementation's error as a person would want it (W8): texts bare, also as bin or as the
/// second of a pair, or a map's message; anything else as the value it is.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Value| -> Option<String> {
            let bytes = value.as_bytes()?;
            let text = String::from_utf8_lossy(bytes);
            Some(text.chars().take(1024).filter(|c| *c == '\n' || !c.is_control()).collect())
        };
        let message = text(self.0)
            .or_else(|| match self.0.as_array()? {
                [_, message] => text(message),
                _ => None,
            })
            .or_else(|| text(self.0.field("message").or_else(|| self.0.field("value"))?));
        match message.filter(|message| !message.is_empty()) {
            Some(message) => f.write_str(&message),
            None => self.0.fmt(f),
        }
    }
}

/// The error of a method that has none: it cannot exist.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NoError(Infallible);

impl fmt::Debug for NoError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl fmt::Display for NoError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl std::error::Error for NoError {}

impl Serialize for NoError {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match self.0 {}
    }
}

impl<'de> Deserialize<'de> for NoError {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("the method has no errors of its own"))
    }
}

/// No answer came in time.
#[derive(Clone, Debug)]
pub struct TimedOut {
    pub(crate) method: Cow<'static, str>,
    pub(crate) peer: Arc<str>,
    pub(crate) after: Duration,
    pub(crate) sent: bool,
}

impl TimedOut {
    /// How long was waited.
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, peer, after, sent } = self;
        let what = if *sent { "has not answered" } else { "was not sent" };
        match sent {
            true => write!(f, "{peer} {what} `{method}` within {after:?}"),
            false => write!(f, "`{method}` {what} to {peer} within {after:?}"),
        }
    }
}

/// The connection ended before the answer came.
#[derive(Clone, Debug)]
pub struct Closed {
    pub(crate) method: Cow<'static, str>,
    pub(crate) peer: Arc<str>,
    pub(crate) reason: Arc<CloseReason>,
    pub(crate) sent: bool,
}

impl Closed {
    /// Why it ended.
    pub fn reason(&self) -> &CloseReason {
        &self.reason
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, peer, reason, sent } = self;
        match sent {
            true => {
                write!(f, "the connection to {peer} ended before `{method}` was answered: {reason}")
            }
            false => write!(
                f,
                "`{method}` was not sent, as the connection to {peer} had ended: {reason}"
            ),
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it.
    #[error("it was closed on this side")]
    Local,
    /// The peer closed it.
    #[error("the peer closed it")]
    Peer,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(Arc<std::io::Error>),
    /// What the peer sent is not this protocol, or passes a limit.
    #[error(transparent)]
    Protocol(ProtocolError),
    /// The peer took more than `Limits::partial_message_timeout` over one message.
    #[error("a message was not complete after {0:?}")]
    PartialMessage(Duration),
    /// Nothing came from the peer for `Limits::idle_timeout`, and nothing was awaited.
    #[error("it was idle for {0:?}")]
    Idle(Duration),
    /// The peer took nothing for `Limits::write_stall_timeout`.
    #[error("the peer took no bytes for {0:?}")]
    WriteStalled(Duration),
    /// The peer sends faster than its requests can be run, or does not take its answers.
    #[error("the peer is over its limits: {0}")]
    Overloaded(&'static str),
    /// The peer answered none of this many calls in time, one after another, and sent nothing else.
    #[error("{0} calls in a row were not answered in time, and the peer sent nothing else")]
    Unresponsive(u32),
    /// There is none, and none is tried for at the moment.
    #[error("no connection after {}: {reason}", Tries(*tries))]
    Unreachable {
        /// How often one was tried for.
        tries: u32,
        /// What became of the last try.
        reason: Arc<str>,
    },
    /// There never was one: it was called in process, and nobody serves on that side.
    #[error("whoever calls in process serves no methods")]
    InProcess,
    /// There never was one: the request came in a datagram, and nobody serves on that side.
    #[error("whoever calls by datagram serves no methods")]
    Datagram,
}

impl CloseReason {
    /// Whether another connection would end in the same way, until the program, its configuration or the server
    /// changes: the server rejected our certificate, or speaks TLS where we do not; or nobody serves there at all.
    ///
    /// By TLS 1.3 a client learns only after connecting that its certificate was rejected.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Io(error) => msgrpc_transport::is_permanent(error),
            Self::Protocol(ProtocolError::NotAnArray { hint: Greeting::TlsAlert })
            | Self::InProcess
            | Self::Datagram => true,
            _ => false,
        }
    }
}

/// A number of tries, in words.
pub(crate) struct Tries(pub(crate) u32);

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 try"),
            tries => write!(f, "{tries} tries"),
        }
    }
}

/// There is no connection, and the call was not sent.
#[derive(Clone, Debug)]
pub struct NotConnected {
    pub(crate) method: Cow<'static, str>,
    pub(crate) reason: Arc<str>,
    pub(crate) tries: u32,
}

impl NotConnected {
    /// A call of `method` for which no connection was had, after this many tries.
    pub fn new(method: Cow<'static, str>, reason: impl Into<Arc<str>>, tries: u32) -> Self {
        Self { method, reason: reason.into(), tries }
    }

    /// How often a connection was tried for.
    pub fn tries(&self) -> u32 {
        self.tries
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, reason, tries } = self;
        if *tries == 0 {
            return write!(f, "`{method}` was not sent: {reason}");
        }
        write!(f, "`{method}` was not sent, no connection after {}: {reason}", Tries(*tries))
    }
}

/// The network says that nobody is there.
///
/// Over UDP it does so when a datagram reaches a machine where nobody listens on the port. It may concern an earlier
/// call that was under way, and this one may have been executed before its server ended.
#[derive(Clone, Debug)]
pub struct Unreachable {
    pub(crate) method: Cow<'static, str>,
    pub(crate) peer: Arc<str>,
    pub(crate) error: Arc<std::io::Error>,
}

impl Unreachable {
    /// What the system says.
    pub fn error(&self) -> &std::io::Error {
        &self.error
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, peer, error } = self;
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                write!(
                    f,
                    "`{method}` was not answered: nobody listens at {peer} (connection refused)"
                )
            }
            _ => write!(f, "`{method}` was not answered: {peer} is not reached: {error}"),
        }
    }
}

/// An argument could not be encoded.
#[derive(Clone, Debug)]
pub struct EncodeFailed {
    method: Cow<'static, str>,
    source: EncodeError,
}

impl EncodeFailed {
    pub(crate) fn new(method: Cow<'static, str>, source: EncodeError) -> Self {
        Self { method, source }
    }
}

impl fmt::Display for EncodeFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an argument of `{}` could not be encoded: {}", self.method, self.source)
    }
}

/// The answer does not decode as the method's result.
#[derive(Clone, Debug)]
pub struct DecodeFailed {
    method: Box<str>,
    source: DecodeError,
}

impl DecodeFailed {
    pub(crate) fn new(method: &str, source: DecodeError) -> Self {
        Self { method: method.into(), source }
    }
}

impl fmt::Display for DecodeFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer to `{}` could not be decoded: {}", self.method, self.source)
    }
}

/// What came from a peer instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoMessage {
    /// A datagram that is not one or more whole messages.
    #[error(transparent)]
    Datagram(#[from] DatagramError),
    /// A message of a wrong shape (W11).
    #[error("{}", .0.message())]
    Malformed(Fault),
}

/// The request is larger than may be sent.
#[derive(Clone, Debug)]
pub struct TooLarge {
    method: Cow<'static, str>,
    bytes: usize,
    limit: usize,
    /// It was to go in one datagram.
    is_datagram: bool,
}

impl TooLarge {
    pub(crate) fn new(method: Cow<'static, str>, bytes: usize, limit: usize) -> Self {
        Self { method, bytes, limit, is_datagram: false }
    }

    pub(crate) fn for_a_datagram(method: Cow<'static, str>, bytes: usize, limit: usize) -> Self {
        Self { method, bytes, limit, is_datagram: true }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, bytes, limit, is_datagram } = self;
        if *is_datagram {
            return write!(
                f,
                "`{method}` with its arguments is a datagram of {bytes} bytes, more than the {limit} of \
                 `max_datagram`; nothing was sent. Over tcp:// it may be larger"
            );
        }
        write!(
            f,
            "the arguments of `{method}` are {bytes} bytes, more than the {limit} of \
             `Limits::outbound_message_bytes`; nothing was sent"
        )
    }
}
