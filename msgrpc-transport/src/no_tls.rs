//! What stands for TLS in a build without it: settings that set nothing, and errors that name the feature.
//!
//! Used in place of the module `tls`, with the same names. It never touches a socket.

use std::{
    io,
    task::{Context, Poll},
};

use crate::{Address, BindError, ConnectError, DialOptions, HostPort, ListenOptions, Stream};

/// No settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientTls(());

/// No settings, which nobody has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ServerTls {}

/// No listener.
pub(crate) enum Listening {}

impl Listening {
    #[expect(clippy::unused_async, reason = "the one that listens is")]
    pub(crate) async fn bind(
        address: &Address,
        _host: &HostPort,
        options: &ListenOptions,
    ) -> Result<(Self, HostPort), BindError> {
        match options.tls {
            None => Err(BindError::Unsupported { address: address.clone() }),
            Some(nobody_has_them) => match nobody_has_them {},
        }
    }

    pub(crate) fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<Stream> {
        match *self {}
    }
}

#[expect(clippy::unused_async, reason = "the one that connects is")]
pub(crate) async fn dial(
    address: &Address,
    _host: &HostPort,
    options: &DialOptions,
) -> Result<Stream, ConnectError> {
    let ClientTls(()) = options.tls;
    Err(ConnectError::Unsupported { address: address.clone() })
}

pub(crate) fn explain(_address: &Address, _server_name: &str, cause: &io::Error) -> String {
    cause.to_string()
}

pub(crate) fn is_permanent(_error: &io::Error) -> bool {
    false
}

pub(crate) fn is_rejection(_error: &io::Error) -> bool {
    false
}
