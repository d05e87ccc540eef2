//! An outcome as a datagram that may be sent back.
//!
//! Used by the server of datagrams; sends nothing itself.

use bytes::Bytes;
use msgrpc_core::{Fault, FaultCode, FaultFormat, MsgId, Payload, datagram};

use super::amplification::Kind;
use crate::service::{Encoded, Outcome};

/// One answer, as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) datagram: Bytes,
    pub(super) kind: Kind,
}

impl Answer {
    /// The answer to `msgid` in at most `longest` bytes: what is longer becomes a fault that says so (W10).
    pub(super) fn new(msgid: MsgId, outcome: Outcome, faults: FaultFormat, longest: usize) -> Self {
        let mut kind =
            if matches!(outcome.0, Encoded::Fault(_)) { Kind::Fault } else { Kind::Outcome };
        let outcome = outcome.encoded(faults);
        let what = if outcome.is_ok() { "result" } else { "error" };
        let mut bytes = write(msgid, &outcome);
        if bytes.len() > longest {
            let (Ok(payload) | Err(payload)) = &outcome;
            let size = payload.len();
            let text = format!("{what} of {size} bytes does not fit in a datagram");
            let fault = Fault::new(FaultCode::TooLarge, text);
            bytes = write(msgid, &Err(fault.encode(faults)));
            kind = Kind::Fault;
        }
        Self { datagram: bytes.into(), kind }
    }
}

fn write(msgid: MsgId, outcome: &Result<Payload, Payload>) -> Vec<u8> {
    datagram::response(msgid, outcome.as_deref().map_err(|error| &**error))
}

/// Whether the method is one that this server does not have.
pub(super) fn is_unknown_method(outcome: &Outcome) -> bool {
    matches!(&outcome.0, Encoded::Fault(fault) if fault.code() == FaultCode::UnknownMethod)
}
