//! The two halves of a live connection, without its socket: [`Inbound`] and [`Outbound`].
//!
//! They are symmetric: both ends may call and serve (W14). `Inbound` belongs to whoever reads and
//! needs no lock; `Outbound` stands under the one lock of the connection. Neither does I/O or looks
//! at a clock.

mod chunk;
mod event;
mod inbound;
mod line;
mod outbound;

pub use chunk::Chunk;
pub use event::Event;
pub use inbound::Inbound;
pub use line::Ticket;
pub use outbound::{Admission, Outbound, Reach};

#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod check;

#[cfg(test)]
mod tests;
