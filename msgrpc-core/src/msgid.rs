//! Message ids: what ties a response to its request.
//!
//! Used by messages and the call map; any value of 32 bits is accepted from a peer, ours stay smaller.

use std::fmt;

/// The id of one request, unique among the calls pending in one direction of one connection (W4).
///
/// A peer may use all 32 bits. Our own are below [`MsgId::BOUND`], since several implementations
/// break from 2^31 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MsgId(pub(crate) u32);

impl MsgId {
    /// Our own ids are below this: 2^31.
    pub const BOUND: u32 = 1 << 31;

    /// The id with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, as it stands on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
