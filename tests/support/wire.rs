//! Scripted peers: they write the bytes they are told to, and read messages without an opinion.

use std::future::poll_fn;
use std::io::{self, IoSlice};

use bytes::{Buf, BytesMut};
use msgrpc::transport::{DialOptions, ListenOptions, Listener, Stream, dial};
use msgrpc::{Client, ClientBuilder, Reconnect, Style, Value};
use msgrpc_core::scan::{Scan, ScanLimits, Scanner};
use serde::Serialize;

/// One connection of a scripted peer, on either side.
pub(crate) struct Wire {
    stream: Stream,
    buffer: BytesMut,
}

impl Wire {
    /// Connects to `address`.
    pub(crate) async fn connect(address: &str) -> Self {
        let address = address.parse().unwrap();
        Self::over(dial(&address, &DialOptions::default()).await.unwrap())
    }

    /// Speaks over a stream that is connected.
    pub(crate) fn over(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The stream, of which nothing is kept.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Writes all of `bytes`.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// Writes all of `bytes`, to a peer that may be gone.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let mut left = bytes.as_ref();
        while !left.is_empty() {
            let taken = poll_fn(|cx| self.stream.poll_write(cx, &[IoSlice::new(left)])).await?;
            left = &left[taken..];
        }
        poll_fn(|cx| self.stream.poll_flush(cx)).await
    }

    /// The next message, which must come.
    pub(crate) async fn message(&mut self) -> Value {
        self.next().await.expect("the stream ended before the message")
    }

    /// The next message; none at the end of the stream or when it was reset.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.buffered() {
                return Some(message);
            }
            self.buffer.reserve(64 << 10);
            let read = poll_fn(|cx| self.stream.poll_read(cx, &mut self.buffer)).await;
            if !matches!(read, Ok(1..)) {
                assert!(self.buffer.is_empty(), "the stream ended within a message");
                return None;
            }
        }
    }

    /// The next message of those already read.
    pub(crate) fn buffered(&mut self) -> Option<Value> {
        let limits = ScanLimits::new(1 << 30, 128, 1 << 24);
        let Scan::Done { len } = Scanner::new(limits).scan(&self.buffer).unwrap() else {
            return None;
        };
        let message = msgrpc_core::value::decode(&self.buffer[..len]).unwrap();
        self.buffer.advance(len);
        Some(message)
    }

    /// All messages until the other side ends the connection.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// As many bytes as that, or those that come before the stream ends.
    pub(crate) async fn raw(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            let read = poll_fn(|cx| self.stream.poll_read(cx, &mut self.buffer)).await;
            if !matches!(read, Ok(1..)) {
                break;
            }
        }
        let count = count.min(self.buffer.len());
        self.buffer.split_to(count).to_vec()
    }

    /// Closes the sending side; returns all that still comes.
    pub(crate) async fn finish(mut self) -> Vec<Value> {
        self.half_close().await;
        self.rest().await
    }

    /// Closes the sending side.
    pub(crate) async fn half_close(&mut self) {
        poll_fn(|cx| self.stream.poll_shutdown(cx)).await.unwrap();
    }

    /// Whether nothing has come, now that everything is quiet.
    pub(crate) async fn is_silent(&mut self) -> bool {
        super::quiet().await;
        let read = poll_fn(|cx| {
            std::task::Poll::Ready(self.stream.poll_read(cx, &mut self.buffer).is_ready())
        });
        !read.await && self.buffer.is_empty()
    }
}

/// A scripted server: a listener within this process.
pub(crate) struct Script {
    pub(crate) address: String,
    listener: Listener,
}

impl Script {
    /// Listens.
    pub(crate) async fn listen() -> Self {
        Self::listen_at(&super::memory()).await
    }

    /// Listens at `address`.
    pub(crate) async fn listen_at(address: &str) -> Self {
        let options = ListenOptions::default();
        let listener = Listener::bind(&address.parse().unwrap(), &options).await.unwrap();
        Self { address: listener.address().to_string(), listener }
    }

    /// The next connection.
    pub(crate) async fn accept(&mut self) -> Wire {
        Wire::over(self.listener.accept().await)
    }

    /// A client with the default settings, and the connection to it.
    pub(crate) async fn client() -> (Client, Wire) {
        Self::client_with(|builder| builder).await
    }

    /// A client with these settings that does not reconnect, and the connection to it.
    pub(crate) async fn client_with(
        set: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> (Client, Wire) {
        let mut script = Self::listen().await;
        let builder = Client::builder(&script.address).reconnect(Reconnect::never());
        let client = set(builder).connect().await.unwrap();
        (client, script.accept().await)
    }
}

/// `value` in MessagePack.
pub(crate) fn bytes(value: impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    msgrpc_core::value::encode(&value, Style::Named, &mut bytes).unwrap();
    bytes
}

/// `value` as any value, to compare messages with.
pub(crate) fn value(value: impl Serialize) -> Value {
    msgrpc_core::value::to_value(&value).unwrap()
}

/// `[0, msgid, method, params]`
pub(crate) fn request(msgid: u32, method: &str, params: impl Serialize) -> Vec<u8> {
    bytes((0, msgid, method, params))
}

/// `[1, msgid, nil, result]`
pub(crate) fn response(msgid: impl Serialize, result: impl Serialize) -> Vec<u8> {
    bytes((1, msgid, (), result))
}

/// `[1, msgid, error, nil]`
pub(crate) fn error(msgid: impl Serialize, error: impl Serialize) -> Vec<u8> {
    bytes((1, msgid, error, ()))
}

/// `[2, method, params]`
pub(crate) fn notification(method: &str, params: impl Serialize) -> Vec<u8> {
    bytes((2, method, params))
}
