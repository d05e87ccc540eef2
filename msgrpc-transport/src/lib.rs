//! Sockets as byte streams: addresses, dialing, listening.
//!
//! Used by the crate `msgrpc`, which puts messages on these streams, and by whoever writes a transport of their own.
//! It knows no messages and never looks into the bytes.
//!
//! # The map
//!
//! | wanted | there |
//! |---|---|
//! | text ⇄ address | [`Address`], [`AddressError`] |
//! | a connected stream of bytes | [`Stream`], [`DirectWriter`], [`Peer`], [`Credentials`] |
//! | connecting | [`dial()`], [`DialOptions`], [`ConnectError`] |
//! | connecting, as a value; own transports | [`Connect`], [`Dialer`] |
//! | name → socket addresses | [`resolve()`] |
//! | listening | [`Listener`], [`ListenOptions`], [`BindError`] |
//! | noticing dead peers | [`KeepAlive`] |
//! | own listeners | [`Accept`] |
//! | certificates and trust, for `tls://` | the module `tls`, with the feature `tls` or `tls-aws-lc` |
//! | connections kept and lent, of any kind | [`Pool`], [`Open`], [`Loan`], [`PoolOptions`], [`PoolError`] |
//! | datagrams | [`DatagramSocket`], [`Received`] |
//! | multicast groups | [`DatagramSocket::asking`], [`Member`], [`MulticastError`] |
//!
//! A new transport is one file, one [`Address`] variant, and its line in [`dial()`] and [`Listener::bind`].
//!
//! # Examples
//!
//! ```
//! use msgrpc_transport::{DialOptions, ListenOptions, Listener, dial};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?, &ListenOptions::default()).await?;
//! let client = dial(listener.address(), &DialOptions::default()).await?;
//! let server = listener.accept().await;
//! assert_eq!(server.local(), listener.address());
//! assert_eq!(client.peer().socket_addr().map(|a| a.port()), listener.address().port());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod address;
mod backoff;
mod bound;
mod connect;
mod datagram;
mod dial;
mod error;
mod halves;
#[cfg(feature = "listenfd")]
mod inherit;
mod keep_alive;
mod listener;
mod lookup;
mod memory;
mod multicast;
mod options;
mod packet_info;
mod peer;
mod pool;
mod resolve;
mod stream;
mod tcp;
#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
pub mod tls;
#[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(unix)]
mod unix;

pub use address::{
    Address, AddressError, AddressPart, HostPort, MemoryName, MulticastAddress, UnixAddress,
};
pub use connect::{Connect, Dialer};
pub use datagram::{DatagramSocket, Received};
pub use dial::dial;
pub use error::{Attempt, BindError, ConnectError, is_permanent};
pub use futures::future::BoxFuture;
pub use keep_alive::KeepAlive;
pub use listener::{Accept, Listener};
pub use multicast::{Interfaces, Member, MulticastError};
pub use options::{DialOptions, ListenOptions};
pub use peer::{Credentials, Peer};
pub use pool::{Loan, Open, Pool, PoolError, PoolOptions, PoolStatus, Proof};
pub use resolve::resolve;
pub use stream::{DirectWriter, Stream};
