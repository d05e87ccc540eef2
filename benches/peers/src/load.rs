//! The load: how many calls of which size are kept in flight, and what is counted of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use anyhow::Result;
use hdrhistogram::Histogram;

/// Length of the text that is echoed when no payload is asked for, in bytes.
pub(crate) const TEXT: usize = 32;

/// Longest time of a call that is told apart from longer ones, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;

/// How much is in flight: one column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Calls in flight on each connection.
    pub(crate) in_flight: usize,
    /// Size of the byte string that is echoed; `None`: a text of [`TEXT`] bytes.
    pub(crate) bytes: Option<usize>,
}

impl Shape {
    /// Bytes of payload in each direction.
    pub(crate) fn size(self) -> usize {
        self.bytes.unwrap_or(TEXT)
    }

    /// Whether each call can be timed by itself.
    pub(crate) fn is_alone(self) -> bool {
        self.connections * self.in_flight == 1
    }
}

/// What a peer's client is asked to do: keep `shape` in flight at `address` until told to stop.
#[derive(Clone)]
pub(crate) struct Load {
    /// As the peer's server printed it.
    pub(crate) address: Arc<str>,
    pub(crate) shape: Shape,
    pub(crate) phase: Arc<Phase>,
}

/// Which calls count. Written by the measuring task, read by every call loop after each call.
#[derive(Default)]
pub(crate) struct Phase(AtomicU8);

impl Phase {
    const WARM_UP: u8 = 0;
    const COUNT: u8 = 1;
    const STOP: u8 = 2;

    pub(crate) fn count(&self) {
        self.0.store(Self::COUNT, Ordering::Relaxed);
    }

    pub(crate) fn stop(&self) {
        self.0.store(Self::STOP, Ordering::Relaxed);
    }
}

/// The calls that one loop has counted.
pub(crate) struct Tally {
    pub(crate) calls: u64,
    /// Nanoseconds of each call; only when one is in flight.
    pub(crate) latency: Option<Histogram<u64>>,
}

impl Tally {
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        let latency = shape.is_alone().then(|| Histogram::new_with_max(LONGEST, 3)).transpose()?;
        Ok(Self { calls: 0, latency })
    }

    /// The time, if calls are timed.
    pub(crate) fn start(&self) -> Option<Instant> {
        self.latency.is_some().then(Instant::now)
    }

    /// Counts `calls` answered calls if it is the time for it. `false`: no more shall be made.
    pub(crate) fn count(&mut self, phase: &Phase, calls: u64, started: Option<Instant>) -> bool {
        match phase.0.load(Ordering::Relaxed) {
            Phase::WARM_UP => true,
            Phase::COUNT => {
                self.calls += calls;
                if let (Some(latency), Some(started)) = (&mut self.latency, started) {
                    let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    latency.saturating_record(nanos);
                }
                true
            }
            _ => false,
        }
    }

    /// Adds what another loop has counted.
    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        self.calls += other.calls;
        if let (Some(latency), Some(more)) = (&mut self.latency, &other.latency) {
            latency.add(more)?;
        }
        Ok(())
    }
}
