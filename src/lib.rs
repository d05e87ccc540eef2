//! Typed, asynchronous MessagePack-RPC.

mod accept;
mod arguments;
mod call;
mod caller;
mod client;
mod connection;
mod context;
mod descriptor;
mod error;
mod router;
mod server;
mod service;
mod stub;

#[doc(hidden)]
pub mod __private;

pub use msgrpc_core::value::{Style, Value};
pub use msgrpc_core::{Fault, FaultCode, FaultFormat, Limits, ProtocolError};
pub use msgrpc_derive::service;
pub use msgrpc_transport as transport;
pub use msgrpc_transport::{Address, Peer};

pub use call::{Call, Notify};
pub use caller::{Answer, Caller, Outgoing, Timeout};
pub use client::{Client, ClientBuilder, ConnectError, Exchange, Posting};
pub use context::Context;
pub use descriptor::{MethodDescriptor, ParamDescriptor, ServiceDescriptor};
pub use error::{
    CallError, CloseReason, Closed, DecodeFailed, EncodeFailed, NoError, NotConnected, TimedOut,
    TooLarge,
};
pub use server::{BoundServer, ServeError, Server, Stopped};
pub use service::{Outcome, OutcomeFuture, Request, Service};
