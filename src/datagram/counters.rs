//! What became of datagrams, counted: most of what goes wrong over UDP is answered with silence.
//!
//! Written by servers and clients of datagrams, read by whoever asks. Counting never waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Live counts of the datagrams of a server or a client; clones count together.
#[derive(Clone, Default)]
pub struct DatagramCounters(Arc<Counts>);

#[derive(Default)]
struct Counts {
    received: AtomicU64,
    garbage: AtomicU64,
    unasked: AtomicU64,
    overloaded: AtomicU64,
    repeated: AtomicU64,
    unanswered: AtomicU64,
    unsent: AtomicU64,
    resent: AtomicU64,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramStats {
    /// Datagrams that arrived, of whatever kind.
    pub received: u64,
    /// Datagrams, or messages in them, that were dropped because they are none: empty, cut, with something left over,
    /// of a wrong shape.
    pub garbage: u64,
    /// Messages that nobody waits for: answers late, repeated or forged, and at a client also requests.
    pub unasked: u64,
    /// Requests and notifications that were dropped because too many were at work.
    pub overloaded: u64,
    /// Requests that came again and were not executed again.
    pub repeated: u64,
    /// Answers that were kept back: silence was due, or they were longer than their source may be sent.
    pub unanswered: u64,
    /// Datagrams that the system refused to send.
    pub unsent: u64,
    /// Requests that were sent again because no answer had come.
    pub resent: u64,
}

impl DatagramCounters {
    /// What was counted so far.
    pub fn stats(&self) -> DatagramStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DatagramStats {
            received: count(&self.0.received),
            garbage: count(&self.0.garbage),
            unasked: count(&self.0.unasked),
            overloaded: count(&self.0.overloaded),
            repeated: count(&self.0.repeated),
            unanswered: count(&self.0.unanswered),
            unsent: count(&self.0.unsent),
            resent: count(&self.0.resent),
        }
    }

    pub(crate) fn received(&self) {
        add(&self.0.received);
    }

    pub(crate) fn garbage(&self) {
        add(&self.0.garbage);
    }

    pub(crate) fn unasked(&self) {
        add(&self.0.unasked);
    }

    pub(crate) fn overloaded(&self) {
        add(&self.0.overloaded);
    }

    pub(crate) fn repeated(&self) {
        add(&self.0.repeated);
    }

    pub(crate) fn unanswered(&self) {
        add(&self.0.unanswered);
    }

    pub(crate) fn unsent(&self) {
        add(&self.0.unsent);
    }

    pub(crate) fn resent(&self) {
        add(&self.0.resent);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for DatagramCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
