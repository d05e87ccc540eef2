//! Calls and services over datagrams: `udp://`, and the server's part of `multicast://`.
//!
//! | file | what it is |
//! |---|---|
//! | `options.rs` | the settings of both sides, their defaults and why |
//! | `counters.rs` | what was received and what was dropped, counted |
//! | `server.rs` | one socket that serves: datagram → requests → answers |
//! | `answer.rs` | an outcome as a datagram that may be sent back |
//! | `asked.rs` | one request's surroundings, as its method sees them |
//! | `places.rs` | how many requests are at work, in all and of one source |
//! | `amplification.rs` | how much goes to a source that proves nothing |
//! | `dedup.rs` | answers kept for requests that come again |
//!
//! A datagram is answered by datagrams, and there is no connection: nothing here keeps anything of a peer but counts
//! and, where it was asked for, answers, all bounded.

mod amplification;
mod answer;
mod asked;
mod counters;
mod dedup;
mod options;
mod places;
mod server;

pub(crate) use asked::Asked;
pub use counters::{DatagramCounters, DatagramStats};
pub use options::DatagramOptions;
pub(crate) use server::{Answering, DatagramServer, Listening};
