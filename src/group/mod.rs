//! `Group`: the members of a multicast group, asked all at once.
//!
//! Made by [`Group::join`] or [`Group::builder`]; used through generated groups, or untyped. It serves nobody: servers
//! join a group by listening on its address.
//!
//! | file | what |
//! |---|---|
//! | `builder.rs` | the settings of a group |
//! | `call.rs`, `reply.rs`, `first.rs` | a call as one future and as a stream · one reply · a group as a [`Caller`](crate::Caller) |
//! | `asking.rs` | a call under way: sent, waited for, judged |
//! | `collect.rs` | what has come for which call: a state machine |
//! | `link.rs` | the socket and its task |
//! | `subnet.rs`, `error.rs` | from where replies are accepted · what can go wrong |

mod asking;
mod builder;
mod call;
mod collect;
mod error;
mod first;
mod link;
mod reply;
mod subnet;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use msgrpc_transport::Address;
use serde::Serialize;

use self::link::{Handle, Link};
use crate::call::Notify;
use crate::client::encode_params;

pub use builder::GroupBuilder;
pub use call::{GroupCall, Replies};
pub use error::{GroupError, NoReplies, TooFew};
pub use first::{FirstReply, GroupPosting};
pub use link::GroupCounts;
pub use reply::Reply;
pub use subnet::SubnetError;

/// A multicast group, to be asked. Clones share its socket, over which any number of calls may be under way; it closes
/// with the last of them and of their calls.
///
/// Every server that listens on the group's address hears each request, and answers the sender alone. Nothing says how
/// many servers there are, and nothing proves who answers.
///
/// A generated group wraps one: `FooGroup::join(address)`, or `FooGroup::new(group)`. A generated client over a group,
/// `FooClient::new(group)`, takes the first answer that comes.
///
/// # Examples
///
/// Three servers on this machine, and everyone who is there:
///
/// ```
/// use std::time::Duration;
/// use msgrpc::{Reply, Server};
///
/// #[msgrpc::service]
/// pub trait Calculator {
///     async fn add(&self, a: i64, b: i64) -> i64;
/// }
///
/// struct Calc;
///
/// impl Calculator for Calc {
///     async fn add(&self, a: i64, b: i64) -> i64 {
///         a + b
///     }
/// }
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "multicast://239.77.0.1:18990?interface=127.0.0.1";
/// for _ in 0..3 {
///     tokio::spawn(Server::new(CalculatorService::new(Calc)).listen(address).bind().await?.run());
/// }
///
/// let everyone = CalculatorGroup::join(address).await?;
/// let replies = everyone.add(2, 3).expect(3).wait(Duration::from_secs(5)).await?;
/// for Reply { from, elapsed, result } in replies {
///     println!("{from} after {elapsed:?}: {}", result?);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Group {
    handle: Arc<Handle>,
}

impl Group {
    /// Joins the group at `address`, such as `multicast://239.1.2.3:9000?interface=eth0`, with the default settings.
    ///
    /// # Errors
    ///
    /// [`GroupError`] names what is wrong with the address, or why this machine has no way to the group.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn join(address: &str) -> Result<Self, GroupError> {
        Self::builder(address).join().await
    }

    /// Sets times and bounds before joining the group at `address`.
    pub fn builder(address: &str) -> GroupBuilder {
        GroupBuilder::new(address.parse())
    }

    /// Calls `method` of all members with `params`, which must encode as an array: a tuple, a slice, a `Vec`, or `()` for
    /// none.
    ///
    /// For servers whose methods are known only by name. Errors of the method come as
    /// [`CallError::Remote`](crate::CallError::Remote).
    pub fn call<T>(&self, method: &str, params: impl Serialize) -> GroupCall<T> {
        GroupCall::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// Sends the notification `method` to all members, with `params` as [`call`](Self::call) takes them. It is sent once,
    /// and nobody answers.
    pub fn notify(&self, method: &str, params: impl Serialize) -> Notify<Self> {
        Notify::prepared(self, Cow::Owned(method.to_owned()), encode_params(&params))
    }

    /// The group's address.
    pub fn address(&self) -> &Address {
        &self.link().address
    }

    /// What came and was given to nobody, since the group was joined.
    pub fn counts(&self) -> GroupCounts {
        self.link().lock().counts
    }

    /// Stops receiving, and waits until its task has ended. Calls under way get no more replies.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it stopping.
    pub async fn leave(self) {
        self.handle.stop().await;
    }

    fn link(&self) -> &Arc<Link> {
        &self.handle.link
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("address", &format_args!("{}", self.address()))
            .finish_non_exhaustive()
    }
}
