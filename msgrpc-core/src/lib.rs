//! MessagePack-RPC without I/O: bytes ⇄ messages ⇄ pending calls.
//!
//! Used by `msgrpc`, which adds sockets, tasks and clocks. Nothing here opens a socket, looks at a clock
//! or starts a thread: `now` is an argument, bytes come in and go out by reference.
//!
//! | module | what |
//! |---|---|
//! | [`wire`] | MessagePack markers, read and written without allocation |
//! | [`scan`] | where a message ends: resumable, bounded |
//! | [`value`] | values as serde sees them, and [`Value`](value::Value) |
//! | [`connection`] | the two halves of a connection: [`Inbound`](connection::Inbound) and [`Outbound`](connection::Outbound) |
//! | [`datagram`] | one datagram: the messages in it, and a message as one |
//!
//! The rules of the wire are numbered W1 to W15 in `WIRE.md` beside this crate's manifest; comments and
//! tests quote them.

pub mod connection;
pub mod datagram;
pub mod scan;
pub mod value;
pub mod wire;

mod calls;
mod error;
mod fault;
mod limits;
mod message;
mod msgid;
mod payload;
mod spare;

pub use calls::{CallMap, Deadline};
pub use error::{Greeting, ProtocolError};
pub use fault::{Fault, FaultCode, FaultFormat, encode_error, printable};
pub use limits::Limits;
pub use message::{
    Invocation, Malformed, Message, OwnedInvocation, Response, read as read_message,
};
pub use msgid::MsgId;
pub use payload::{INLINE_BYTES, Payload, PayloadBuffer, Raw, SHARED_BYTES};
