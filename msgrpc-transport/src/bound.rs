//! Listeners from sockets that are bound already: the program's own, or those that a service manager hands over.
//!
//! Used in place of [`Listener::bind`]. It never removes a socket's file, which is its maker's.

use std::io;

use socket2::SockRef;

#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
use crate::tls;
#[cfg(unix)]
use crate::unix;
use crate::{Address, BindError, ListenOptions, Listener, tcp};

impl Listener {
    /// Accepts from a TCP socket that listens already.
    ///
    /// Must be called within a tokio runtime. Of `options` only those that concern accepted connections count.
    ///
    /// # Errors
    ///
    /// [`BindError::Handed`], when it is not a socket that listens.
    pub fn from_tcp(
        listener: std::net::TcpListener,
        options: &ListenOptions,
    ) -> Result<Self, BindError> {
        check(&SockRef::from(&listener))
            .and_then(|()| tcp::Listening::from_std(listener, options))
            .map(|(listening, local)| Self::tcp(listening, Address::Tcp(local)))
            .map_err(|cause| BindError::Handed { cause })
    }

    /// Accepts TLS connections from a TCP socket that listens already; `options` must have a certificate.
    ///
    /// Must be called within a tokio runtime. Of `options` only those that concern accepted connections count.
    ///
    /// # Errors
    ///
    /// [`BindError::Handed`], when it is not a socket that listens; [`BindError::NoCertificate`].
    #[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
    pub fn from_tls(
        listener: std::net::TcpListener,
        options: &ListenOptions,
    ) -> Result<Self, BindError> {
        let checked = check(&SockRef::from(&listener))
            .and_then(|()| tcp::Listening::from_std(listener, options));
        let (listening, local) = checked.map_err(|cause| BindError::Handed { cause })?;
        let address = Address::Tls(local);
        match options.tls.clone() {
            Some(tls) => Ok(Self::tls(tls::Listening::over(listening, tls, options), address)),
            None => Err(BindError::NoCertificate { address }),
        }
    }

    /// Accepts from a Unix socket that listens already.
    ///
    /// Must be called within a tokio runtime. The file is left where it is when the listener is dropped. Of `options`
    /// only those that concern accepted connections count.
    ///
    /// # Errors
    ///
    /// [`BindError::Handed`], when it is not a socket that listens, or its path is no text.
    #[cfg(unix)]
    pub fn from_unix(
        listener: std::os::unix::net::UnixListener,
        options: &ListenOptions,
    ) -> Result<Self, BindError> {
        // None of them concerns a connection over a Unix socket.
        let _ = options;
        check(&SockRef::from(&listener))
            .and_then(|()| unix::Listening::from_std(listener))
            .map(|(listening, address)| Self::unix(listening, address))
            .map_err(|cause| BindError::Handed { cause })
    }
}

/// Whether the socket listens, where the system tells: accepting from one that does not would fail for ever.
fn check(socket: &SockRef<'_>) -> io::Result<()> {
    #[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
    if !socket.is_listener()? {
        let text = "it does not listen; call listen() before handing it over";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let _ = socket;
    Ok(())
}
