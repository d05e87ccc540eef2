//! Calls and services over datagrams: `udp://`, and the server's part of `multicast://`.
//!
//! | file | what it is |
//! |---|---|
//! | `options.rs` | the settings of both sides, their defaults and why |
//! | `counters.rs` | what was received and what was dropped, counted |
//! | `link.rs` | a client's hold: socket, calls, who sends what |
//! | `pending.rs` | the calls under way: ids, turns, deadlines |
//! | `exchange.rs` | one call, one notification, as futures |
//! | `reader.rs` | the client's task |
//! | `retransmit.rs` | when a request is sent again |
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
mod exchange;
mod link;
mod options;
mod pending;
mod places;
mod reader;
mod retransmit;
mod server;

pub(crate) use asked::Asked;
pub use counters::{DatagramCounters, DatagramStats};
pub(crate) use exchange::{DatagramExchange, DatagramPosting};
pub(crate) use link::DatagramLink;
pub(crate) use options::CallOptions;
pub use options::DatagramOptions;
pub use retransmit::Retransmit;
pub(crate) use server::{Answering, DatagramServer, Listening};
