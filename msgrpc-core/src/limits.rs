//! Every bound of a connection in one place: what is counted, its unit, its default and why.
//!
//! Used by the scanner, both halves of a connection and the drivers in `msgrpc`; holds no state.

use std::time::Duration;

use crate::scan::ScanLimits;

/// The bounds of one connection.
///
/// [`Limits::server`] is for peers that may be hostile, [`Limits::client`] for a server that one chose to
/// call. Every field can be changed: `let mut limits = Limits::server(); limits.message_bytes = 64 << 20;`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest message accepted from the peer, in bytes from the head of its array to its last byte.
    ///
    /// A longer one ends the connection as soon as its head claims it, with
    /// [`ProtocolError::Scan`](crate::ProtocolError::Scan); nothing is allocated for the claim.
    /// Default: 8 MiB on servers, 64 MiB on clients: large enough for a photograph, small enough
    /// that many hostile peers fit into a server's memory.
    pub message_bytes: usize,

    /// Longest message that we send, in bytes. A longer call fails before a byte is sent; a longer
    /// result is answered with a fault (W10).
    ///
    /// Default: 64 MiB on servers and 8 MiB on clients, which is what the other side accepts by default.
    pub outbound_message_bytes: usize,

    /// Deepest nesting accepted, the message's own array counted. Beyond it the connection ends.
    ///
    /// Default: 128, which a decoder that recurses survives on a stack of 1 MiB, in a debug build too;
    /// threads have 2 MiB by default.
    pub depth: usize,

    /// Most elements in one message, map entries counting twice. Beyond it the connection ends.
    ///
    /// Default: 2^20. An element costs one byte on the wire and many times that when it is decoded.
    pub elements: usize,

    /// Longest method name accepted, in bytes of UTF-8. A longer one is an unknown method.
    ///
    /// Default: 256.
    pub method_bytes: usize,

    /// Requests and notifications of the peer that may be at work or waiting at once. Beyond it no
    /// more are started, and reading stops when [`backlog_bytes`](Self::backlog_bytes) are held back.
    ///
    /// Default: 1 024.
    pub requests_at_work: usize,

    /// Our own calls that may wait for an answer at once on one connection. Beyond it calls wait
    /// their turn, first come, first served. A call that was dropped keeps its place until its late
    /// answer or [`forgotten_call_grace`](Self::forgotten_call_grace).
    ///
    /// Default: 1 024. With 1, peers that break on a second request in one segment are served.
    pub max_in_flight: usize,

    /// Calls and notifications of ours that may wait for a connection at once, while there is none.
    /// Beyond it they fail at once, unsent.
    ///
    /// Default: 16 384, sixteen times as many as are in flight: a burst outlasts a restart of the
    /// server, while a program that never stops calling is told so before its memory is full.
    pub max_waiting: usize,

    /// Answers, in bytes, that the peer may leave untaken before no more of its requests are
    /// started; at twice as many the connection ends. Our own calls wait once as many bytes are
    /// queued, answers or not. One message may pass the mark.
    ///
    /// Default: 1 MiB.
    pub output_bytes: usize,

    /// Messages held back, in bytes, while no more requests may be started. When they are full,
    /// reading stops, unless we wait for answers from that peer: then requests are refused as
    /// overloaded, and a notification ends the connection.
    ///
    /// Default: 64 KiB.
    pub backlog_bytes: usize,

    /// Messages that are no messages (W11) and cannot be answered, after which the connection ends.
    ///
    /// Default: 16.
    pub protocol_errors: u32,

    /// How long a message may take from its first byte to its last. Beyond it the connection ends.
    ///
    /// Default: 30 s. Silence between messages is limited by [`idle_timeout`](Self::idle_timeout).
    pub partial_message_timeout: Duration,

    /// How long a connection may be idle: no byte comes from the peer, and nothing is at work or awaited
    /// on either side. Then it is closed in order. What we send does not count: a peer that only
    /// listens is idle.
    ///
    /// A call that is sent just when the peer closes fails as closed, and may or may not have been
    /// executed; so the side that calls should have the shorter timeout.
    ///
    /// Default: `None`. Silence is no sign of trouble: a client may wait for a notification for days, and
    /// one that has died is noticed by the keep-alive of TCP. Servers that strangers reach may want one,
    /// since idle connections count among [`connections`](Self::connections).
    pub idle_timeout: Option<Duration>,

    /// How long queued bytes may wait without the peer taking any. Beyond it the connection ends.
    ///
    /// Default: 30 s.
    pub write_stall_timeout: Duration,

    /// How long requests may run on after the peer has closed its sending side (W13).
    ///
    /// Default: 30 s.
    pub half_close_grace: Duration,

    /// How long the msgid of a call that was given up stays reserved for its late answer (W7).
    ///
    /// Default: 30 s.
    pub forgotten_call_grace: Duration,

    /// Blocking methods that may wait for a thread or run at once, over all connections of a server.
    /// Beyond it they are answered as overloaded.
    ///
    /// Default: 512, which is the size of tokio's blocking pool.
    pub blocking: usize,

    /// Connections that a server serves at once. Beyond it new ones wait: one at each listener, the others in the
    /// system's backlog.
    ///
    /// Default: 10 000.
    pub connections: usize,

    /// Bytes that unfinished messages may take over all connections of a server; messages below 64 KiB are not
    /// counted. Beyond it the connection that asks for more ends.
    ///
    /// Default: 256 MiB: 10 000 connections with 8 MiB each would be 80 GB.
    pub unfinished_bytes: usize,
}

const MIB: usize = 1 << 20;

impl Limits {
    /// The defaults of a server: its peers may be anybody.
    pub const fn server() -> Self {
        Self {
            message_bytes: 8 * MIB,
            outbound_message_bytes: 64 * MIB,
            depth: 128,
            elements: 1 << 20,
            method_bytes: 256,
            requests_at_work: 1024,
            max_in_flight: 1024,
            max_waiting: 16 << 10,
            output_bytes: MIB,
            backlog_bytes: 64 << 10,
            protocol_errors: 16,
            partial_message_timeout: Duration::from_secs(30),
            idle_timeout: None,
            write_stall_timeout: Duration::from_secs(30),
            half_close_grace: Duration::from_secs(30),
            forgotten_call_grace: Duration::from_secs(30),
            blocking: 512,
            connections: 10_000,
            unfinished_bytes: 256 * MIB,
        }
    }

    /// The defaults of a client: it chose whom it calls, and results may be large.
    pub const fn client() -> Self {
        let mut limits = Self::server();
        limits.message_bytes = 64 * MIB;
        limits.outbound_message_bytes = 8 * MIB;
        limits
    }

    /// The part that the scanner keeps.
    pub(crate) fn scan(&self) -> ScanLimits {
        ScanLimits::new(self.message_bytes, self.depth, self.elements)
    }
}
