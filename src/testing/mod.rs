//! `testing`: what tests of services and of their callers need (feature `testing`).
//!
//! | wanted | there |
//! |---|---|
//! | code that calls, without a server | [`MockCaller`]: answers by script |
//! | a service with all that lies between it and its callers | [`pair()`]: client and server, connected in memory |
//! | a service alone | [`in_process`](crate::in_process()), which needs no feature |

mod mock;
mod pair;

pub use mock::{Expectation, MockCall, MockCaller};
pub use pair::{TestServer, pair};
