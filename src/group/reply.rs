//! `Reply`: what one member of a group answered.
//!
//! Made from what the collector kept; decoding happens here and in the caller's task.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::collect::{Content, RawReply};
use crate::call::read;
use crate::error::{CallError, NoError};

/// One reply to a call of a [`Group`](crate::Group).
///
/// Nothing proves who sent it: see [`GroupBuilder::accept_from`](crate::GroupBuilder::accept_from).
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "complete by definition, and taken apart by its users"
)]
pub struct Reply<T, E = NoError> {
    /// The address that it came from. msgrpc's servers answer each from a port of its own; other implementations on one
    /// machine may share one.
    pub from: SocketAddr,
    /// The time from sending the request to its arrival.
    pub elapsed: Duration,
    /// The result, or why there is none: the method's own error, a fault, an answer of another type
    /// ([`CallError::Decode`]), or what is no message at all ([`CallError::Protocol`]).
    pub result: Result<T, CallError<E>>,
}

impl<T: DeserializeOwned, E: DeserializeOwned> Reply<T, E> {
    /// The reply of `method` that `raw` holds.
    pub(super) fn decode(method: &str, raw: RawReply) -> Self {
        let RawReply { from, elapsed, content } = raw;
        let result = match content {
            Content::Answer(Ok(result)) => read(method, None, Ok(&result)),
            Content::Answer(Err(error)) => read(method, None, Err(&error)),
            Content::Garbage(error) => Err(CallError::Protocol(error)),
        };
        Self { from, elapsed, result }
    }
}

/// The replies of `method`, in order.
pub(super) fn decode_all<T: DeserializeOwned, E: DeserializeOwned>(
    method: &str,
    raw: impl IntoIterator<Item = RawReply>,
) -> Vec<Reply<T, E>> {
    raw.into_iter().map(|raw| Reply::decode(method, raw)).collect()
}
