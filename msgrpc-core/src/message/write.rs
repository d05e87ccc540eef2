//! The bytes before the encoded parts of a message: `94 00 msgid method` and its siblings.
//!
//! Used by [`Outbound`](crate::connection::Outbound), which appends the encoded parts.

use smallvec::SmallVec;

use super::kind;
use crate::msgid::MsgId;
use crate::wire;

/// What stands before the params of a request or notification, or before the error of a response.
///
/// Always the shortest encodings (W5).
#[derive(Debug)]
pub(crate) struct Head(SmallVec<[u8; 64]>);

impl Head {
    /// `[0, msgid, method, …` (W2).
    pub(crate) fn request(msgid: MsgId, method: &str) -> Self {
        let mut head = Self::start(4, kind::REQUEST);
        head.0.extend_from_slice(wire::uint(msgid.number().into()).as_slice());
        head.method(method);
        head
    }

    /// `[2, method, …` (W2).
    pub(crate) fn notification(method: &str) -> Self {
        let mut head = Self::start(3, kind::NOTIFICATION);
        head.method(method);
        head
    }

    /// `[1, msgid, nil, …` before a result, `[1, msgid, …` before an error (W2).
    pub(crate) fn response(msgid: MsgId, is_error: bool) -> Self {
        let mut head = Self::start(4, kind::RESPONSE);
        head.0.extend_from_slice(wire::uint(msgid.number().into()).as_slice());
        if !is_error {
            head.0.push(wire::NIL);
        }
        head
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn start(elements: u32, kind: u64) -> Self {
        let mut head = SmallVec::new();
        head.extend_from_slice(wire::array_head(elements).as_slice());
        head.extend_from_slice(wire::uint(kind).as_slice());
        Self(head)
    }

    fn method(&mut self, method: &str) {
        let length = u32::try_from(method.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(wire::str_head(length).as_slice());
        self.0.extend_from_slice(method.as_bytes());
    }
}
