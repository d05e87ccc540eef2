//! What can go wrong with a group as a whole: joining it, sending to it, hearing too little.
//!
//! What one member answered, or failed to, is in its [`Reply`] and never here.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_transport::{Address, AddressError, MulticastError};
use serde::de::DeserializeOwned;

use super::collect::RawReply;
use super::reply::{Reply, decode_all};
use super::subnet::SubnetError;
use crate::error::EncodeFailed;

/// Why a group was not joined, or a call of it has no replies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The address is not one.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// This machine has no way to the group.
    #[error(transparent)]
    Join(#[from] MulticastError),
    /// A subnet of [`GroupBuilder::accept_from`](crate::GroupBuilder::accept_from) is not one.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
    /// An argument could not be encoded; nothing was sent.
    #[error("{0}")]
    Encode(EncodeFailed),
    /// The request does not fit into a datagram; nothing was sent.
    #[error(
        "the request `{method}` is {bytes} bytes, more than the {limit} of `max_datagram`; nothing was sent"
    )]
    #[non_exhaustive]
    TooLarge {
        /// The method.
        method: Cow<'static, str>,
        /// The length of the datagram.
        bytes: usize,
        /// The setting.
        limit: usize,
    },
    /// As many calls as may be are under way already; nothing was sent.
    #[error(
        "`{method}` was not sent: {limit} calls are under way in the group, which is its `max_in_flight`"
    )]
    #[non_exhaustive]
    TooManyCalls {
        /// The method.
        method: Cow<'static, str>,
        /// The setting.
        limit: usize,
    },
    /// The system did not send the request.
    #[error("`{method}` was not sent to {group}: {cause}{}", hint(cause))]
    #[non_exhaustive]
    NotSent {
        /// The method.
        method: Cow<'static, str>,
        /// The group.
        group: Arc<Address>,
        /// What the system said.
        cause: Arc<io::Error>,
    },
    /// Nobody answered in time.
    #[error("{0}")]
    NoReplies(NoReplies),
    /// Fewer answered in time than [`GroupCall::at_least`](crate::GroupCall::at_least) asks for.
    #[error("{0}")]
    TooFew(TooFew),
}

impl GroupError {
    /// Whether the request may have reached a member. False means: not executed, safe to repeat.
    pub fn was_sent(&self) -> bool {
        matches!(self, Self::NoReplies(_) | Self::TooFew(_))
    }
}

/// What to do about a system that does not send.
fn hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            "; is the network interface up?"
        }
        _ => "",
    }
}

/// Nobody answered in time.
#[derive(Clone, Debug)]
pub struct NoReplies {
    pub(super) method: Cow<'static, str>,
    pub(super) group: Arc<Address>,
    pub(super) waited: Duration,
}

impl NoReplies {
    /// How long was waited.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Display for NoReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, group, waited } = self;
        write!(f, "nobody answered `{method}` at {group} within {waited:?}")?;
        let Address::Multicast(multicast) = &**group else { return Ok(()) };
        match (multicast.loopback(), multicast.ttl()) {
            (false, 0) => f.write_str(": ttl=0 keeps it on this machine, loop=false from it"),
            (false, _) => f.write_str(" (with loop=false nobody on this machine hears it)"),
            (true, 0) => f.write_str(" (with ttl=0 nobody beyond this machine hears it)"),
            (true, _) => Ok(()),
        }
    }
}

/// Fewer answered in time than were asked for.
#[derive(Clone, Debug)]
pub struct TooFew {
    pub(super) method: Cow<'static, str>,
    pub(super) group: Arc<Address>,
    pub(super) waited: Duration,
    pub(super) wanted: usize,
    pub(super) answers: usize,
    pub(super) replies: Vec<RawReply>,
}

impl TooFew {
    /// How many were to answer.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// How many did.
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// What came, as the call itself would have given it: `T` and `E` are the method's types.
    ///
    /// Empty for a [stream](crate::GroupCall::stream), which has given it already.
    pub fn replies<T: DeserializeOwned, E: DeserializeOwned>(&self) -> Vec<Reply<T, E>> {
        decode_all(&self.method, self.replies.iter().cloned())
    }
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, group, waited, wanted, answers, .. } = self;
        write!(
            f,
            "{answers} answered `{method}` at {group} within {waited:?}, at least {wanted} were wanted"
        )
    }
}
