//! Why a connection cannot go on: what the peer sent is not this protocol, or passes a limit.
//!
//! Raised by [`Inbound`](crate::connection::Inbound); an error of one call never stands here.

use std::fmt;

use crate::msgid::MsgId;
use crate::scan::ScanError;

/// What a peer did that ends its connection (W11).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A message passes a limit or holds the byte 0xc1.
    #[error("{error}")]
    Scan {
        /// What the scanner found.
        error: ScanError,
        /// The request that it began as, if that much was read: it can still be answered.
        msgid: Option<MsgId>,
    },
    /// The top level holds something else than an array (W11).
    #[error("{hint}")]
    NotAnArray {
        /// What it looks like.
        hint: Greeting,
    },
    /// The stream ended within a message.
    #[error("the stream ended after {received} bytes of an unfinished message")]
    CutOff {
        /// Bytes of the unfinished message.
        received: usize,
    },
    /// Too many messages of a wrong shape.
    #[error("{limit} messages were no requests, responses or notifications")]
    TooManyMalformed {
        /// [`Limits::protocol_errors`](crate::Limits::protocol_errors).
        limit: u32,
    },
}

/// What the first bytes of something that is not MessagePack-RPC look like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Greeting {
    /// A TLS alert: we spoke plain text to a TLS port.
    TlsAlert,
    /// A TLS `ClientHello`: the peer speaks TLS to a plain port.
    TlsHello,
    /// An HTTP request.
    HttpRequest,
    /// An HTTP response.
    HttpResponse,
    /// Some text: its beginning, escaped.
    Text(String),
    /// Another MessagePack value than an array: its first byte.
    Value(u8),
}

impl Greeting {
    /// Recognises what begins with `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        const METHODS: [&[u8]; 7] =
            [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"CONNECT ", b"PRI * HTTP"];
        let first = bytes.first().copied().unwrap_or_default();
        let shown = &bytes[..bytes.len().min(32)];
        if bytes.starts_with(&[0x15, 3]) {
            Self::TlsAlert
        } else if bytes.starts_with(&[0x16, 3]) {
            Self::TlsHello
        } else if bytes.starts_with(b"HTTP/") {
            Self::HttpResponse
        } else if METHODS.iter().any(|method| bytes.starts_with(method)) {
            Self::HttpRequest
        } else if first.is_ascii_graphic() {
            let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
            Self::Text(shown.iter().take_while(|b| printable(b)).map(|b| char::from(*b)).collect())
        } else {
            Self::Value(first)
        }
    }
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TlsAlert => f.write_str(
                "the peer answered with a TLS alert: its port speaks TLS; use a tls:// address",
            ),
            Self::TlsHello => f.write_str(
                "the peer began a TLS handshake, but this port speaks plain MessagePack-RPC; \
                 use a tcp:// address there, or listen on tls:// here",
            ),
            Self::HttpRequest => f.write_str(
                "the peer sent an HTTP request; this port speaks MessagePack-RPC, not HTTP",
            ),
            Self::HttpResponse => f.write_str(
                "the peer answered in HTTP: its port is a web server's, not a MessagePack-RPC \
                 server's; check the port",
            ),
            Self::Text(text) => write!(
                f,
                "the peer sent text ({text:?}) instead of MessagePack-RPC messages; check the port"
            ),
            Self::Value(first) => write!(
                f,
                "the peer sent the byte 0x{first:02x} where a message begins; a MessagePack-RPC \
                 message is an array of three or four elements"
            ),
        }
    }
}
