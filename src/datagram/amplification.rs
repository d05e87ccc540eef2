//! How much is sent to a source that proves nothing: an address in a datagram may be forged, and what is sent there
//! then floods somebody else.
//!
//! Used by the server of datagrams before each answer. It keeps counts of one second, bounded, and no clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DatagramOptions;

/// What kind of answer is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A method's result, or its own error.
    Outcome,
    /// A fault of the framework: anybody gets one for anything.
    Fault,
}

/// The bound on answers.
#[derive(Debug)]
pub(super) struct Amplification {
    ratio: Option<u32>,
    trust_local: bool,
    faults: Mutex<Faults>,
}

/// Faults per source since `since`; at most [`SOURCES`].
#[derive(Debug, Default)]
struct Faults {
    since: Option<Instant>,
    by_source: HashMap<IpAddr, u32>,
}

/// How long faults are counted together.
const SPAN: Duration = Duration::from_secs(1);

/// Faults for one source within [`SPAN`]: enough for a person who mistypes, too few to be worth forging.
const FAULTS: u32 = 16;

/// Sources counted within [`SPAN`]; others get no faults until it is over.
const SOURCES: usize = 4_096;

impl Amplification {
    pub(super) fn new(options: &DatagramOptions) -> Self {
        Self {
            ratio: options.max_response_ratio,
            trust_local: options.trust_local,
            faults: Mutex::default(),
        }
    }

    /// Whether an answer of `answer` bytes may go to `source` for a request of `request` bytes.
    pub(super) fn allows(
        &self,
        source: IpAddr,
        kind: Kind,
        (request, answer): (usize, usize),
        now: Instant,
    ) -> bool {
        let Some(ratio) = self.ratio else { return true };
        if self.trust_local && is_local(source) {
            return true;
        }
        match kind {
            Kind::Outcome => answer <= request.saturating_mul(ratio as usize),
            Kind::Fault => answer <= request && self.count_fault(source, now),
        }
    }

    /// Counts a fault; whether one more may be sent.
    fn count_fault(&self, source: IpAddr, now: Instant) -> bool {
        // Nothing panics while it is held.
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.since.is_none_or(|since| now.duration_since(since) >= SPAN) {
            faults.since = Some(now);
            faults.by_source.clear();
        }
        if faults.by_source.len() >= SOURCES && !faults.by_source.contains_key(&source) {
            return false;
        }
        let count = faults.by_source.entry(source).or_default();
        *count = count.saturating_add(1);
        *count <= FAULTS
    }
}

/// Whether an address is of this machine or of a network that is not routed from outside: private (RFC 1918), shared
/// (RFC 6598), link-local, unique local (RFC 4193).
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
                // A sender on the loopback interface may be seen so.
                || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unicast_link_local()
                || v6.is_unique_local()
                || v6.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> IpAddr {
        IpAddr::from([8, 8, 8, 8])
    }

    #[test]
    fn addresses_are_local_or_not() {
        let local = [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ];
        for address in local {
            assert!(is_local(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_local(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_outcome_is_at_most_three_times_as_long_and_a_fault_as_long() {
        let amplification = Amplification::new(&DatagramOptions::default());
        let now = Instant::now();
        let allows = |kind, answer| amplification.allows(public(), kind, (20, answer), now);
        assert!(allows(Kind::Outcome, 60) && !allows(Kind::Outcome, 61));
        assert!(allows(Kind::Fault, 20) && !allows(Kind::Fault, 21));
        let near = IpAddr::from([10, 0, 0, 1]);
        assert!(amplification.allows(near, Kind::Fault, (1, 8_192), now));
    }

    #[test]
    fn nobody_is_trusted_or_everybody_where_it_is_asked_for() {
        let now = Instant::now();
        let near = IpAddr::from([10, 0, 0, 1]);
        let strict = Amplification::new(&DatagramOptions::default().trust_local(false));
        assert!(!strict.allows(near, Kind::Outcome, (1, 4), now));
        let open = Amplification::new(&DatagramOptions::default().max_response_ratio(None));
        assert!(open.allows(public(), Kind::Fault, (1, 8_192), now));
    }

    #[test]
    fn a_source_gets_sixteen_faults_a_second_and_the_table_is_bounded() {
        let amplification = Amplification::new(&DatagramOptions::default());
        let now = Instant::now();
        let fault = |source, now| amplification.allows(source, Kind::Fault, (20, 20), now);
        let sent = (0..100).filter(|_| fault(public(), now)).count();
        assert_eq!(sent, 16);
        for number in 0..10_000_u32 {
            fault(IpAddr::from((0x0900_0000 + number).to_be_bytes()), now);
        }
        assert_eq!(amplification.faults.lock().unwrap().by_source.len(), SOURCES);
        assert!(fault(public(), now + SPAN), "a new second has begun");
    }
}
