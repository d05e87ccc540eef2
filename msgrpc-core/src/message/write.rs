//! The bytes before the encoded parts of a message: `94 00 msgid method` and its siblings.
//!
//! Used by [`Outbound`](crate::connection::Outbound), which appends the encoded parts. Always the
//! shortest encodings (W5).

use super::kind;
use crate::msgid::MsgId;
use crate::wire;

/// Appends `[0, msgid, method, …`, which stands before the params of a request (W2).
#[inline]
pub(crate) fn request_head(out: &mut Vec<u8>, msgid: MsgId, method: &str) {
    out.extend_from_slice(&[FIXARRAY | 4, kind::REQUEST]);
    out.extend_from_slice(wire::uint(msgid.number().into()).as_slice());
    push_method(out, method);
}

/// Appends `[2, method, …`, which stands before the params of a notification (W2).
#[inline]
pub(crate) fn notification_head(out: &mut Vec<u8>, method: &str) {
    out.extend_from_slice(&[FIXARRAY | 3, kind::NOTIFICATION]);
    push_method(out, method);
}

/// Appends `[1, msgid, nil, …` before a result, `[1, msgid, …` before an error (W2).
#[inline]
pub(crate) fn response_head(out: &mut Vec<u8>, msgid: MsgId, is_error: bool) {
    out.extend_from_slice(&[FIXARRAY | 4, kind::RESPONSE]);
    out.extend_from_slice(wire::uint(msgid.number().into()).as_slice());
    if !is_error {
        out.push(wire::NIL);
    }
}

/// The head of an array of up to 15 elements, its low bits their number.
const FIXARRAY: u8 = 0x90;

#[inline]
fn push_method(out: &mut Vec<u8>, method: &str) {
    let length = u32::try_from(method.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(wire::str_head(length).as_slice());
    out.extend_from_slice(method.as_bytes());
}
