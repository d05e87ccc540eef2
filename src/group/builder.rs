//! `GroupBuilder`: the settings of a group.
//!
//! Used by [`Group::builder`]; it joins, and leaves calling to the group.

use std::sync::Arc;
use std::time::Duration;

use msgrpc_transport::{Address, AddressError, DatagramSocket, MulticastError};

use super::Group;
use super::error::GroupError;
use super::link::{Handle, Link, Options};
use super::subnet::{Subnet, SubnetError};

/// How long a call collects replies unless told otherwise.
///
/// 5 s: what users of txmsgpackrpc are used to, and long enough for members that are slow or far.
const WAIT: Duration = Duration::from_secs(5);

/// Settings of a [`Group`], before it is joined.
#[derive(Debug)]
#[must_use = "a builder does nothing until it joins"]
pub struct GroupBuilder {
    address: Result<Address, AddressError>,
    options: Options,
    /// The first bad one.
    bad_subnet: Option<SubnetError>,
}

impl GroupBuilder {
    pub(super) fn new(address: Result<Address, AddressError>) -> Self {
        let options = Options {
            wait: WAIT,
            max_in_flight: 1024,
            max_datagram: 8192,
            max_replies: 1024,
            max_reply_bytes: 16 << 20,
            dedup_by_source: false,
            accept_from: Vec::new(),
        };
        Self { address, options, bad_subnet: None }
    }

    /// How long calls collect replies by default. Default: 5 s, long enough for members that are slow or far; a call
    /// that knows how many it [`expect`](crate::GroupCall::expect)s ends before.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = wait;
        self
    }

    /// Calls that may be under way at once. Beyond it a call fails with [`GroupError::TooManyCalls`]. Default: 1 024.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.options.max_in_flight = calls;
        self
    }

    /// Longest datagram sent, in bytes; a larger request fails before it is sent. What comes is accepted up to what UDP
    /// can carry. Default: 8 192, as txmsgpackrpc cuts what is longer; at most 65 507 can be sent.
    pub fn max_datagram(mut self, bytes: usize) -> Self {
        self.options.max_datagram = bytes;
        self
    }

    /// Replies that one call keeps. Beyond it they are dropped and [counted](crate::GroupCounts::over_limit). Default: 1 024.
    ///
    pub fn max_replies(mut self, replies: usize) -> Self {
        self.options.max_replies = replies;
        self
    }

    /// Bytes of encoded replies that one call keeps. Beyond it replies are dropped and counted. Default: 16 MiB.
    pub fn max_reply_bytes(mut self, bytes: usize) -> Self {
        self.options.max_reply_bytes = bytes;
        self
    }

    /// Keeps only the first answer of each address and port to a call. Default: no, since servers of other
    /// implementations on one machine may answer from one address and port.
    pub fn dedup_by_source(mut self, dedup: bool) -> Self {
        self.options.dedup_by_source = dedup;
        self
    }

    /// Accepts replies from this subnet, such as `192.168.1.0/24` or `fd00::/8`; given several times, from any of them.
    /// Others are dropped and counted. Default: from everywhere. A bad subnet fails at [`join`](Self::join).
    ///
    /// A source address is what the datagram says: this keeps out who cannot forge one, and authenticates nobody.
    pub fn accept_from(mut self, subnet: &str) -> Self {
        match Subnet::parse(subnet) {
            Ok(subnet) => self.options.accept_from.push(subnet),
            Err(error) => self.bad_subnet = self.bad_subnet.or(Some(error)),
        }
        self
    }

    /// Joins the group: opens the socket that it is asked by.
    ///
    /// # Errors
    ///
    /// [`GroupError`] names what is wrong with the address or a subnet, or why this machine has no way to the group.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn join(self) -> Result<Group, GroupError> {
        let address = self.address?;
        if let Some(error) = self.bad_subnet {
            return Err(error.into());
        }
        let (socket, to) = DatagramSocket::asking(&address)?;
        // So that the first call is sent at its first poll.
        let ready = socket.writable().await;
        ready.map_err(|cause| MulticastError::Io { address: address.clone(), cause })?;
        let link = Link::new(socket, to, address, self.options);
        Ok(Group { handle: Arc::new(Handle::start(link)) })
    }
}
