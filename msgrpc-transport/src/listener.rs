//! Listening on an address: connected streams, one after the other.
//!
//! Used by servers. Accepting never fails: what concerns one connection is passed over, what concerns the machine is
//! waited out.

use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};

#[cfg(unix)]
use crate::unix;
use crate::{Address, BindError, BoxFuture, ListenOptions, Stream, memory, tcp, tls};

/// A source of connected streams, whatever carries them.
///
/// Dropping it stops listening and frees the address: a Unix socket's file is removed if it is still the one that was
/// made. Connections already accepted live on.
pub struct Listener {
    kind: Kind,
    address: Address,
}

enum Kind {
    Tcp(tcp::Listening),
    Tls(Box<tls::Listening>),
    #[cfg(unix)]
    Unix(unix::Listening),
    Memory(memory::Listening),
    Custom(Custom),
}

impl Listener {
    /// Listens on `address`.
    ///
    /// A host name is looked up; the first of its addresses that can be had is taken. Port 0 takes any free port, which
    /// [`address`](Self::address) then tells.
    ///
    /// A Unix socket's file is made with the permissions that the process's umask leaves. A file left behind by a
    /// server that is dead is replaced; anything else at the path is left alone and is an error.
    ///
    /// # Errors
    ///
    /// [`BindError`], with the reason and, where there is one, the way out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees the address.
    pub async fn bind(address: &Address, options: &ListenOptions) -> Result<Self, BindError> {
        match address {
            Address::Tcp(host) => {
                let (listening, local) = tcp::Listening::bind(address, host, options).await?;
                Ok(Self { kind: Kind::Tcp(listening), address: Address::Tcp(local) })
            }
            Address::Tls(host) => {
                let (listening, local) = tls::Listening::bind(address, host, options).await?;
                Ok(Self::tls(listening, Address::Tls(local)))
            }
            Address::Memory(name) => {
                let listening = memory::Listening::bind(name, options)?;
                Ok(Self { kind: Kind::Memory(listening), address: address.clone() })
            }
            #[cfg(unix)]
            Address::Unix(unix) => {
                let listening = unix::Listening::bind(address, unix, options).await?;
                Ok(Self { kind: Kind::Unix(listening), address: address.clone() })
            }
            _ => Err(BindError::Unsupported { address: address.clone() }),
        }
    }

    /// Listens by a transport of your own; `address` is what [`address`](Self::address) returns, for logs.
    pub fn custom(address: Address, accept: impl Accept) -> Self {
        Self { kind: Kind::Custom(Custom::Idle(Box::new(accept))), address }
    }

    pub(crate) fn tcp(listening: tcp::Listening, address: Address) -> Self {
        Self { kind: Kind::Tcp(listening), address }
    }

    pub(crate) fn tls(listening: tls::Listening, address: Address) -> Self {
        Self { kind: Kind::Tls(Box::new(listening)), address }
    }

    #[cfg(unix)]
    pub(crate) fn unix(listening: unix::Listening, address: Address) -> Self {
        Self { kind: Kind::Unix(listening), address }
    }

    /// Waits for the next connection.
    ///
    /// It cannot fail. An error of the connection that was about to be accepted is passed over. When descriptors or
    /// memory run out it waits 5 ms, doubling to 1 s, and goes on; a warning is logged, at most once a second.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&mut self) -> Stream {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// [`accept`](Self::accept) as a poll function; only the last caller is woken.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        match &mut self.kind {
            Kind::Tcp(listening) => listening.poll_accept(cx),
            Kind::Tls(listening) => listening.poll_accept(cx),
            #[cfg(unix)]
            Kind::Unix(listening) => listening.poll_accept(cx),
            Kind::Memory(listening) => listening.poll_accept(cx),
            Kind::Custom(custom) => custom.poll_accept(cx),
        }
    }

    /// Where it listens, with the real port filled in.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &format_args!("{}", self.address))
            .finish_non_exhaustive()
    }
}

/// Accepts connections of a transport of your own, for [`Listener::custom`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot accept connections",
    label = "this is no `Accept`",
    note = "for an address, use `Listener::bind`",
    note = "for a transport of your own, implement `Accept`: `accept(&mut self)` returns a boxed future of a `Stream`"
)]
pub trait Accept: Send + 'static {
    /// Waits for the next connection. It cannot fail: retry inside, and pause where an error would come back at once.
    ///
    /// # Cancel safety
    ///
    /// None needed: the listener keeps the future until it is done, or drops it together with `self`.
    fn accept(&mut self) -> BoxFuture<'_, Stream>;
}

/// A custom listener. While it accepts it lives inside its own future and comes back with the stream, so that the
/// future outlives a cancelled [`Listener::accept`].
enum Custom {
    Idle(Box<dyn Accept>),
    Accepting(BoxFuture<'static, (Stream, Box<dyn Accept>)>),
    /// Only between taking the one and putting the other, or after the listener panicked.
    Gone,
}

impl Custom {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        let mut future = match std::mem::replace(self, Self::Gone) {
            Self::Accepting(future) => future,
            Self::Idle(mut accept) => Box::pin(async move {
                let stream = accept.accept().await;
                (stream, accept)
            }),
            Self::Gone => return Poll::Pending,
        };
        let Poll::Ready((stream, accept)) = future.as_mut().poll(cx) else {
            *self = Self::Accepting(future);
            return Poll::Pending;
        };
        *self = Self::Idle(accept);
        Poll::Ready(stream)
    }
}
