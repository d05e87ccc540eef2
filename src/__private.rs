//! What generated code names, and nobody else: no part of the public API, changed without notice.

pub use msgrpc_core::Fault;
pub use msgrpc_core::value::{BorrowedCow, Style};

pub use crate::arguments::{Arguments, Params};
pub use crate::call::{Call, Notify};
pub use crate::caller::Caller;
pub use crate::client::{Client, ConnectError};
pub use crate::context::Context;
pub use crate::descriptor::{MethodDescriptor, ParamDescriptor, ServiceDescriptor};
pub use crate::error::NoError;
pub use crate::group::{Group, GroupCall, GroupError};
pub use crate::service::{Outcome, OutcomeFuture, Request, Service};
pub use crate::stub::{Decoded, Fallback, Probe, moved_to_a_task, run, run_blocking};
pub use crate::travel::{Argument, CallContext, MethodError, MethodResult};
