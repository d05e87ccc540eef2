//! TLS by rustls: settings of both ends, handshakes, and the stream that comes of them.
//!
//! Used by dialing and by listeners for `tls://` addresses. It never uses a process's default for cryptography, never
//! trusts a certificate that was not checked unless [`danger`] was asked for, and knows nothing of messages.
//!
//! | wanted | there |
//! |---|---|
//! | what a server shows, and whom it lets in | [`ServerTls`], [`ServerTlsBuilder`] |
//! | whom a client trusts, and what it shows | [`ClientTls`], [`ClientTlsBuilder`] |
//! | why settings cannot be used | [`TlsError`] |
//! | the server does not take our certificate | [`Rejected`] |
//! | settings of one's own | [`rustls`], of the version in use |

mod client;
pub mod danger;
mod dial;
mod error;
mod failure;
mod handshake;
mod listening;
mod pem;
mod provider;
mod secured;
mod server;
mod subject;

pub use tokio_rustls::rustls;

pub use client::{ClientTls, ClientTlsBuilder};
pub use error::{TlsError, TlsFile};
pub use failure::Rejected;
pub use server::{ServerTls, ServerTlsBuilder};

pub(crate) use dial::dial;
pub(crate) use failure::{explain, is_permanent, is_rejection};
pub(crate) use listening::Listening;
