//! What [`Inbound`](super::Inbound) lends to whoever reads a connection: one event a message.

use crate::message::{Invocation, Malformed, Response};

/// One message that arrived.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A request or a notification: to be run.
    Invocation(Invocation<'a>),
    /// An answer to one of our calls.
    Response(Response<'a>),
    /// No message (W11): answered with its fault if it has a msgid.
    Malformed(Malformed),
}
