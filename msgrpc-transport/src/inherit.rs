//! Sockets that a service manager hands over, as systemd does for a socket unit.
//!
//! Used by servers of the feature `listenfd`. It takes them once, and knows nothing of what is served there.

use std::io;

use listenfd::ListenFd;

use crate::{BindError, ListenOptions, Listener};

impl Listener {
    /// The sockets that were handed over in `LISTEN_FDS`, as listeners, in their order.
    ///
    /// They can be taken once. The variables are removed from the environment then, so that child processes do not mistake
    /// them for theirs; no other thread may read the environment by other means than Rust's at the same moment, hence the
    /// right place is the beginning of `main`. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError::NoneInherited`], or [`BindError::Inherited`] for one that cannot be listened on: stream sockets of
    /// TCP and Unix can.
    pub fn inherited(options: &ListenOptions) -> Result<Vec<Self>, BindError> {
        let mut handed = ListenFd::from_env();
        if handed.len() == 0 {
            return Err(BindError::NoneInherited);
        }
        (0..handed.len()).map(|index| take(&mut handed, index, options)).collect()
    }
}

fn take(
    handed: &mut ListenFd,
    index: usize,
    options: &ListenOptions,
) -> Result<Listener, BindError> {
    let failed = |cause| BindError::Inherited { index, cause };
    #[cfg(unix)]
    if let Ok(Some(socket)) = handed.take_unix_listener(index) {
        return Listener::from_unix(socket, options).map_err(|error| failed(cause(error)));
    }
    if let Ok(Some(socket)) = handed.take_tcp_listener(index) {
        return Listener::from_tcp(socket, options).map_err(|error| failed(cause(error)));
    }
    let text = "it is no stream socket of TCP or Unix";
    Err(failed(io::Error::new(io::ErrorKind::InvalidInput, text)))
}

/// The reason alone: what was handed over is named by its number.
fn cause(error: BindError) -> io::Error {
    match error {
        BindError::Handed { cause } => cause,
        error => io::Error::other(error),
    }
}
