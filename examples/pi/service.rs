//! The service: π to as many places as a caller wants, computed once for all who ask for it at the same time.
//!
//! Used by the server; the client uses the trait's generated half.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task;

use crate::chudnovsky;
use crate::parallel::Stop;

/// Computes π.
#[msgrpc::service]
pub(crate) trait ComputePi {
    /// π to `digits` decimal places, cut off and not rounded: `3.14` for 2. Gives up after `timeout` seconds.
    #[msgrpc(name = "PI")]
    async fn pi(&self, digits: u32, timeout: Option<f64>) -> Result<String, PiError>;
}

/// Why there are no digits.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PiError {
    #[error("{asked} places are too many, {limit} is the most")]
    TooManyDigits { limit: u32, asked: u32 },
    #[error("a timeout of {seconds} seconds is not an amount of time")]
    InvalidTimeout { seconds: f64 },
    #[error("not computed within {seconds} seconds")]
    TimedOut { seconds: f64 },
    #[error("the computation of {digits} places broke down")]
    Failed { digits: u32 },
}

/// What is being computed, and what is known.
#[derive(Debug)]
pub(crate) struct Pi {
    /// By number of places. Those that nobody waits for any more are dead, and swept out when one is added.
    computations: Mutex<HashMap<u32, Weak<Computation>>>,
    /// The longest result so far: all shorter ones are its beginnings. At most [`MAX_DIGITS`] and two bytes.
    longest: Arc<Mutex<Arc<str>>>,
    /// One for each computation that may run at the same time; the others wait for their turn.
    turns: Arc<Semaphore>,
}

impl Default for Pi {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            computations: Mutex::default(),
            longest: Arc::new(Mutex::new("3".into())),
            turns: Arc::new(Semaphore::new(processors)),
        }
    }
}

impl ComputePi for Pi {
    async fn pi(&self, digits: u32, timeout: Option<f64>) -> Result<String, PiError> {
        if digits > MAX_DIGITS {
            return Err(PiError::TooManyDigits { limit: MAX_DIGITS, asked: digits });
        }
        let patience = match timeout {
            None => Duration::MAX,
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|_error| PiError::InvalidTimeout { seconds })?,
        };
        if let Some(known) = self.known(digits) {
            return Ok(known);
        }
        let computation = self.computation(digits);
        match tokio::time::timeout(patience, computation.result.clone()).await {
            Ok(Some(text)) => Ok(text.as_ref().to_owned()),
            Ok(None) => Err(PiError::Failed { digits }),
            Err(_elapsed) => Err(PiError::TimedOut { seconds: patience.as_secs_f64() }),
        }
    }
}

impl Pi {
    fn known(&self, digits: u32) -> Option<String> {
        let longest = Arc::clone(&lock(&self.longest));
        let length = if digits == 0 { 1 } else { digits as usize + 2 };
        longest.get(..length).map(str::to_owned)
    }

    /// The computation that is under way for this number of places, or a new one.
    fn computation(&self, digits: u32) -> Arc<Computation> {
        let mut computations = lock(&self.computations);
        if let Some(computation) = computations.get(&digits).and_then(Weak::upgrade) {
            return computation;
        }
        computations.retain(|_, computation| computation.strong_count() > 0);
        let computation = Arc::new(self.start(digits));
        computations.insert(digits, Arc::downgrade(&computation));
        computation
    }

    fn start(&self, digits: u32) -> Computation {
        let stop = Arc::new(Stop::default());
        let (longest, turns, seen) =
            (Arc::clone(&self.longest), Arc::clone(&self.turns), Arc::clone(&stop));
        let result = async move {
            let turn = turns.acquire_owned().await.ok()?;
            let work = move || {
                // Held to the end of the work, which may be a little after the last caller has gone.
                let _turn = turn;
                let text: Arc<str> = chudnovsky::pi(digits, &seen).ok()?.into();
                let mut longest = lock(&longest);
                if text.len() > longest.len() {
                    *longest = Arc::clone(&text);
                }
                Some(text)
            };
            task::spawn_blocking(work).await.ok()?
        };
        Computation { stop, result: result.boxed().shared() }
    }
}

/// A computation under way, owned by those who wait for it: when the last of them has gone, it stops.
#[derive(Debug)]
struct Computation {
    stop: Arc<Stop>,
    /// `None` if it panicked; the runtime has then told why.
    result: Shared<BoxFuture<'static, Option<Arc<str>>>>,
}

impl Drop for Computation {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

/// No lock here is held across anything that panics, so that what it protects is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most decimal places of one call: some seconds of computing, and about a gigabyte of memory while it lasts.
const MAX_DIGITS: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callers_of_the_same_number_share_one_computation() {
        let pi = Pi::default();
        let (first, second) = (pi.computation(1000), pi.computation(1000));
        assert!(Arc::ptr_eq(&first, &second));
        let (first, second) = tokio::join!(pi.pi(1000, None), pi.pi(1000, Some(60.0)));
        assert_eq!(first, second);
    }

    #[tokio::test]
    async fn a_shorter_result_is_the_beginning_of_a_longer_one() {
        let pi = Pi::default();
        let long = pi.pi(100, None).await.unwrap();
        assert_eq!(pi.known(100).as_ref(), Some(&long));
        assert_eq!(pi.known(5).as_deref(), Some("3.14159"));
        assert_eq!(pi.known(0).as_deref(), Some("3"));
        assert_eq!(pi.known(101), None);
    }

    #[tokio::test]
    async fn a_computation_stops_when_nobody_waits_for_it() {
        let pi = Pi::default();
        let error = pi.pi(MAX_DIGITS, Some(0.01)).await.unwrap_err();
        assert_eq!(error, PiError::TimedOut { seconds: 0.01 });
        assert!(lock(&pi.computations)[&MAX_DIGITS].upgrade().is_none());
    }

    #[tokio::test]
    async fn senseless_arguments_are_refused() {
        let pi = Pi::default();
        let error = pi.pi(MAX_DIGITS + 1, None).await.unwrap_err();
        assert!(matches!(error, PiError::TooManyDigits { limit: MAX_DIGITS, .. }));
        for seconds in [-1.0, f64::NAN] {
            let error = pi.pi(5, Some(seconds)).await.unwrap_err();
            assert!(matches!(error, PiError::InvalidTimeout { .. }), "{error}");
        }
    }
}
