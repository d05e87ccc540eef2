//! `Service`: what a server runs, one request in, one outcome out.
//!
//! Implemented by the generated `FooService`, by routers and by whoever serves methods whose names are
//! known only at run time.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use msgrpc_core::value::{self, EncodeError, Style};
use msgrpc_core::{
    Fault, FaultCode, FaultFormat, OwnedInvocation, Payload, encode_error, printable,
};
use serde::{Deserialize, Serialize};

use crate::caller::Outgoing;
use crate::context::Context;
use crate::descriptor::ServiceDescriptor;
use crate::falsy;

/// The future of a request's outcome.
pub type OutcomeFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Methods that a server runs.
///
/// Usually generated: `FooService` of a trait `Foo` under `#[msgrpc::service]`. Written by hand, it
/// answers any method:
///
/// ```
/// use msgrpc::{Outcome, OutcomeFuture, Request, Service, ServiceDescriptor, Style};
///
/// struct Parrot;
///
/// impl Service for Parrot {
///     fn descriptor(&self) -> &'static ServiceDescriptor {
///         const PARROT: ServiceDescriptor = ServiceDescriptor::new("Parrot", &[]);
///         &PARROT
///     }
///
///     fn call(&self, request: Request) -> OutcomeFuture {
///         Box::pin(async move { Outcome::result(request.method(), Style::Named) })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no msgrpc service",
    label = "not a service",
    note = "for a trait `Foo` under `#[msgrpc::service]`, wrap the implementation: `FooService::new(…)`"
)]
pub trait Service: Send + Sync + 'static {
    /// What it offers. A service with an empty list of methods is asked for every name that no other
    /// service of the server has.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Starts one request or notification.
    ///
    /// The future is polled once at once by the connection's own task; if it is not ready then, it
    /// moves to a task of its own. It is dropped when the peer is gone.
    fn call(&self, request: Request) -> OutcomeFuture;
}

/// One request or notification, with its frame: arguments stay encoded until they are asked for.
#[derive(Debug)]
pub struct Request {
    invocation: Invocation,
    context: Context,
}

#[derive(Debug)]
enum Invocation {
    /// With its frame.
    Wire(OwnedInvocation),
    /// As its caller made it.
    InProcess { call: Outgoing, is_notification: bool },
}

impl Request {
    pub(crate) fn new(invocation: OwnedInvocation, context: Context) -> Self {
        Self { invocation: Invocation::Wire(invocation), context }
    }

    pub(crate) fn in_process(call: Outgoing, is_notification: bool, context: Context) -> Self {
        Self { invocation: Invocation::InProcess { call, is_notification }, context }
    }

    /// The method's name on the wire.
    pub fn method(&self) -> &str {
        match &self.invocation {
            Invocation::Wire(invocation) => invocation.method(),
            Invocation::InProcess { call, .. } => &call.method,
        }
    }

    /// The arguments: one encoded MessagePack array, or nil for none (W3).
    pub fn params(&self) -> &[u8] {
        match &self.invocation {
            Invocation::Wire(invocation) => invocation.params(),
            Invocation::InProcess { call, .. } => &call.params,
        }
    }

    /// A part of the params to keep: shared when it is large, copied when it is small.
    pub(crate) fn part(&self, part: &[u8]) -> Bytes {
        match &self.invocation {
            Invocation::Wire(invocation) => invocation.part(part),
            Invocation::InProcess { call, .. } => call.params.part(part),
        }
    }

    /// All arguments at once: as a tuple, a list, or a [`Value`](crate::Value).
    ///
    /// # Errors
    ///
    /// -32602 when they are of other types or of another number.
    pub fn arguments<'r, T: Deserialize<'r>>(&'r self) -> Result<T, Fault> {
        value::decode(self.params()).map_err(|error| {
            let name = printable(self.method());
            Fault::new(FaultCode::InvalidParams, format!("the params of `{name}`: {error}"))
        })
    }

    /// Whether it is a notification: whatever its outcome, nothing is sent back (W12).
    pub fn is_notification(&self) -> bool {
        match &self.invocation {
            Invocation::Wire(invocation) => invocation.msgid().is_none(),
            Invocation::InProcess { is_notification, .. } => *is_notification,
        }
    }

    /// Who asks, and until when the answer is wanted.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The outcome for a method that the service does not have.
    pub fn unknown_method(self) -> OutcomeFuture {
        Box::pin(ready(Outcome::from(Fault::unknown_method(self.method()))))
    }
}

/// What came of a request: encoded already.
pub struct Outcome(pub(crate) Encoded);

/// The encoding of nil.
const NIL: u8 = 0xc0;

pub(crate) enum Encoded {
    Result(Payload),
    Error(Payload),
    Fault(Fault),
    Nothing,
}

impl Outcome {
    /// The result `value` (W6). A value that does not encode becomes a fault (W10).
    pub fn result<T: Serialize + ?Sized>(value: &T, style: Style) -> Self {
        match Payload::encode(value, style) {
            Ok(payload) => Self(Encoded::Result(payload)),
            Err(error) => unencodable("result", &error),
        }
    }

    /// The method's own error, as it serializes (W8); one that encodes to nil becomes a fault, and one
    /// that reads as success elsewhere (`""`, 0, false, `[]`) is told to the log once for its type (W9).
    pub fn error<E: Serialize + ?Sized>(error: &E, style: Style) -> Self {
        Self::error_of(std::any::type_name::<E>(), error, style)
    }

    /// The same of a method, which is named in the log.
    pub(crate) fn error_of<E: Serialize + ?Sized>(
        method: &'static str,
        error: &E,
        style: Style,
    ) -> Self {
        match encode_error(error, style) {
            Ok(payload) => {
                falsy::warn_of(&payload, method);
                Self(Encoded::Error(payload))
            }
            Err(error) => unencodable("error", &error),
        }
    }

    /// The result or the method's own error.
    pub fn from_result<T: Serialize, E: Serialize>(outcome: &Result<T, E>, style: Style) -> Self {
        match outcome {
            Ok(value) => Self::result(value, style),
            Err(error) => Self::error(error, style),
        }
    }

    /// The outcome of a notification.
    pub fn nothing() -> Self {
        Self(Encoded::Nothing)
    }

    /// What goes back: the encoded result or the encoded error.
    pub(crate) fn encoded(self, faults: FaultFormat) -> Result<Payload, Payload> {
        match self.0 {
            Encoded::Result(result) => Ok(result),
            Encoded::Error(error) => Err(error),
            Encoded::Fault(fault) => Err(fault.encode(faults)),
            // A notification's method that was called as a request.
            Encoded::Nothing => Ok(Payload::copy(&[NIL])),
        }
    }
}

fn unencodable(what: &str, error: &EncodeError) -> Outcome {
    let text = format!("the {what} could not be encoded: {error}");
    Outcome::from(Fault::new(FaultCode::Internal, text))
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self(Encoded::Fault(fault))
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Encoded::Result(payload) => write!(f, "Outcome::Result({} bytes)", payload.len()),
            Encoded::Error(payload) => write!(f, "Outcome::Error({} bytes)", payload.len()),
            Encoded::Fault(fault) => write!(f, "Outcome::Fault({fault})"),
            Encoded::Nothing => f.write_str("Outcome::Nothing"),
        }
    }
}
