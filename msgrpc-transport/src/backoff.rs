//! When accepting fails: which errors are passed over at once, and how long to wait after the others.
//!
//! Used by every listener over a socket. It never gives up: a server does not end because descriptors ran out.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// The patience of one listener: waits 5 ms after a first failure, twice as long after each further one, at most
/// a second, and begins anew after a success.
#[derive(Debug, Default)]
pub(crate) struct AcceptBackoff {
    pause: Option<Pin<Box<Sleep>>>,
    /// Waits in a row.
    failures: u32,
    /// Errors passed over in a row.
    passed: u32,
    warned: Option<Instant>,
}

impl AcceptBackoff {
    /// Calls `accept` until it succeeds. Cancel safe: a pause outlives the future that began it.
    pub(crate) fn poll_accept<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<T> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(accept(cx)) {
                Ok(accepted) => {
                    (self.failures, self.passed) = (0, 0);
                    return Poll::Ready(accepted);
                }
                // The next one may be fine. But should the same come for ever, it must not burn the processor.
                Err(error) if is_of_one_connection(&error) && self.passed < MOST_PASSED => {
                    self.passed += 1;
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => self.back_off(&error),
            }
        }
    }

    fn back_off(&mut self, error: &io::Error) {
        let delay = (FIRST_DELAY * 2_u32.saturating_pow(self.failures)).min(LONGEST_DELAY);
        self.failures = (self.failures + 1).min(MOST_DOUBLINGS);
        self.passed = 0;
        if self.may_warn(Instant::now()) {
            let hint =
                if is_out_of_descriptors(error) { "; raise the limit of open files" } else { "" };
            tracing::warn!(%error, "cannot accept connections, trying again in {delay:?}{hint}");
        }
        self.pause = Some(Box::pin(sleep(delay)));
    }

    /// At most once per second, so that a log does not fill up while the machine is short of everything else.
    fn may_warn(&mut self, now: Instant) -> bool {
        if self.warned.is_some_and(|warned| now - warned < WARN_INTERVAL) {
            return false;
        }
        self.warned = Some(now);
        true
    }
}

/// Whether the error concerns only the connection that was about to be accepted (`accept(2)`: network errors that are
/// already pending on the new socket). Anything else – above all EMFILE, ENFILE, ENOBUFS and ENOMEM – would come back
/// at once and burn the processor.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let is_kind = matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
            | Kind::HostUnreachable
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::PermissionDenied
            | Kind::TimedOut
    );
    is_kind || error.raw_os_error().is_some_and(|code| OF_ONE_CONNECTION.contains(&code))
}

/// EMFILE and ENFILE, the same on every Unix.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(24 | 23))
}

/// EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENONET, EHOSTDOWN: those for which the standard library has no name.
#[cfg(any(target_os = "linux", target_os = "android"))]
const OF_ONE_CONNECTION: [i32; 5] = [71, 92, 95, 64, 112];
/// EPROTO on the BSDs, EHOSTDOWN, and EPROTO on macOS.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const OF_ONE_CONNECTION: [i32; 3] = [92, 64, 100];
#[cfg(not(unix))]
const OF_ONE_CONNECTION: [i32; 0] = [];

const FIRST_DELAY: Duration = Duration::from_millis(5);
/// Descriptors that come free are used within this time.
const LONGEST_DELAY: Duration = Duration::from_secs(1);
/// 5 ms doubled this often is beyond the longest delay; counting on could overflow.
const MOST_DOUBLINGS: u32 = 8;
const MOST_PASSED: u32 = 64;
const WARN_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Accepts once all `errors` have been met, and says how long that took.
    async fn accept(backoff: &mut AcceptBackoff, errors: Vec<io::Error>) -> Duration {
        let start = Instant::now();
        let mut errors = errors.into_iter();
        poll_fn(|cx| backoff.poll_accept(cx, |_| Poll::Ready(errors.next().map_or(Ok(()), Err))))
            .await;
        start.elapsed()
    }

    fn os(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn errors_of_one_connection_are_passed_over_at_once() {
        // ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
        // ENETUNREACH, EPERM
        let codes = [103, 4, 71, 100, 92, 112, 64, 113, 95, 101, 1];
        let errors = codes.into_iter().map(os).collect();
        assert!(accept(&mut AcceptBackoff::default(), errors).await.is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_comes_for_ever_is_waited_for_as_well() {
        let errors = (0..=MOST_PASSED).map(|_| io::ErrorKind::ConnectionAborted.into()).collect();
        let elapsed = accept(&mut AcceptBackoff::default(), errors).await;
        assert_eq!(elapsed, FIRST_DELAY);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn want_of_resources_doubles_the_wait_up_to_a_second() {
        let mut backoff = AcceptBackoff::default();
        // EMFILE, ENFILE, ENOBUFS, ENOMEM
        let elapsed = accept(&mut backoff, vec![os(24), os(23), os(105), os(12)]).await;
        assert_eq!(elapsed.as_millis(), 5 + 10 + 20 + 40);
        let elapsed = accept(&mut backoff, (0..40).map(|_| os(24)).collect()).await;
        let doubling: u128 = (0..8).map(|n| 5 << n).sum();
        assert_eq!(elapsed.as_millis(), doubling + 32 * 1000, "began anew after the success");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn a_pause_outlives_the_future_that_began_it() {
        let mut backoff = AcceptBackoff::default();
        let mut calls = 0;
        for _ in 0..3 {
            let polled = poll_fn(|cx| {
                Poll::Ready(backoff.poll_accept(cx, |_| {
                    calls += 1;
                    Poll::Ready(Err::<(), _>(os(24)))
                }))
            });
            assert!(polled.await.is_pending());
        }
        assert_eq!(calls, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_gets_one_line_a_second() {
        let (mut backoff, now) = (AcceptBackoff::default(), Instant::now());
        let at = |millis| now + Duration::from_millis(millis);
        let warned = [0, 1, 999, 1000, 1500, 2100].map(|millis| backoff.may_warn(at(millis)));
        assert_eq!(warned, [true, false, false, true, false, true]);
    }
}
