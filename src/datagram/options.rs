//! The settings of datagrams: how large, how many, how often.
//!
//! Used by servers and clients of `udp://` and `multicast://`; holds no state.

use super::Retransmit;

/// How a server behaves over datagrams.
///
/// ```
/// use msgrpc::DatagramOptions;
///
/// let options = DatagramOptions::default().max_datagram(1_400).dedup(true);
/// assert_eq!(options.requests_per_source, 64);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramOptions {
    /// Longest datagram that is sent, in bytes, 512 to 65 507. A longer answer becomes a fault that says so.
    ///
    /// Default: 8 192, since txmsgpackrpc cuts what is longer. Datagrams over about 1 400 bytes travel in pieces, and
    /// are lost when one piece is. Datagrams of any length are received.
    pub max_datagram: usize,

    /// Requests and notifications at work at once, over one socket. Beyond it they are dropped and counted.
    ///
    /// Default: 1 024.
    pub requests_at_work: usize,

    /// Requests and notifications of one source address at work at once. Beyond it they are dropped and counted.
    ///
    /// Default: 64, as many as a client has in flight. An address is a host's: raise it where many clients share one.
    pub requests_per_source: usize,

    /// How many times as long as a request its answer may be, towards sources that could be forged to flood somebody
    /// else: those with public addresses. `None`: any length.
    ///
    /// A longer answer becomes a fault. A fault is never longer than its request, or it is dropped, and a source gets
    /// no more than 16 of them a second. Default: 3, as QUIC has it for peers that have proved nothing (RFC 9000,
    /// section 8).
    pub max_response_ratio: Option<u32>,

    /// Whether sources with private, link-local and loopback addresses are excepted from
    /// [`max_response_ratio`](Self::max_response_ratio).
    ///
    /// Default: true. Switch it off behind a load balancer or a translator of addresses, where everybody seems to be
    /// near.
    pub trust_local: bool,

    /// Whether a request that comes again is answered from memory instead of being executed again.
    ///
    /// Networks may deliver a datagram twice, and clients may send one again. With this, the same bytes from the same
    /// peer within 60 s of their answer are executed once. The last 4 096 answers and at most 16 MiB of them are kept.
    /// Default: false: a method that may be executed twice needs no memory for it. Notifications have no id to tell
    /// them by and are never recognised.
    pub dedup: bool,
}

/// How a client calls over datagrams.
#[derive(Clone, Debug)]
pub(crate) struct CallOptions {
    /// Longest request and notification, in bytes.
    pub(crate) max_datagram: usize,
    /// Calls that may wait for an answer at once. Default: 64, as many as a server works on for one source.
    pub(crate) max_in_flight: usize,
    pub(crate) retransmit: Retransmit,
}

impl CallOptions {
    /// The longest datagram that is sent.
    pub(super) fn longest(&self) -> usize {
        self.max_datagram.min(LONGEST_DATAGRAM)
    }
}

impl Default for CallOptions {
    fn default() -> Self {
        let retransmit = Retransmit::default();
        Self { max_datagram: MAX_DATAGRAM, max_in_flight: 64, retransmit }
    }
}

/// The most that UDP over IPv4 can carry in one datagram, in bytes.
const LONGEST_DATAGRAM: usize = 65_507;

/// The least limit of a server: any fault fits in it, and any network carries it in one piece.
const SHORTEST_LIMIT: usize = 512;

/// The longest datagram sent unless told otherwise, in bytes.
const MAX_DATAGRAM: usize = 8_192;

impl DatagramOptions {
    /// Sets [`max_datagram`](Self#structfield.max_datagram).
    #[must_use]
    pub fn max_datagram(mut self, bytes: usize) -> Self {
        self.max_datagram = bytes;
        self
    }

    /// Sets [`requests_at_work`](Self#structfield.requests_at_work).
    #[must_use]
    pub fn requests_at_work(mut self, requests: usize) -> Self {
        self.requests_at_work = requests;
        self
    }

    /// Sets [`requests_per_source`](Self#structfield.requests_per_source).
    #[must_use]
    pub fn requests_per_source(mut self, requests: usize) -> Self {
        self.requests_per_source = requests;
        self
    }

    /// Sets [`max_response_ratio`](Self#structfield.max_response_ratio).
    #[must_use]
    pub fn max_response_ratio(mut self, ratio: impl Into<Option<u32>>) -> Self {
        self.max_response_ratio = ratio.into();
        self
    }

    /// Sets [`trust_local`](Self#structfield.trust_local).
    #[must_use]
    pub fn trust_local(mut self, trust: bool) -> Self {
        self.trust_local = trust;
        self
    }

    /// Sets [`dedup`](Self#structfield.dedup).
    #[must_use]
    pub fn dedup(mut self, dedup: bool) -> Self {
        self.dedup = dedup;
        self
    }

    /// The longest datagram that is sent.
    pub(super) fn longest(&self) -> usize {
        self.max_datagram.clamp(SHORTEST_LIMIT, LONGEST_DATAGRAM)
    }
}

impl Default for DatagramOptions {
    fn default() -> Self {
        Self {
            max_datagram: MAX_DATAGRAM,
            requests_at_work: 1_024,
            requests_per_source: 64,
            max_response_ratio: Some(3),
            trust_local: true,
            dedup: false,
        }
    }
}
