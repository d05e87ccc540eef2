//! The look-ups of a place that is connected to again and again: one at a time.
//!
//! Used by dialing. A resolver that hangs must not collect a thread for each try: the next try waits for the look-up
//! that is under way, and uses the addresses of the last one meanwhile. It never caches: a look-up that has ended is
//! not used again once another one answers.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::timeout;

use crate::{HostPort, resolve::resolve};

/// How long a look-up is waited for where an earlier one had an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The look-ups of whoever shares them.
#[derive(Clone, Default)]
pub(crate) struct Lookups(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    running: Option<(HostPort, Running)>,
    /// The last answer.
    last: Option<(HostPort, Vec<SocketAddr>)>,
}

type Running = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, Arc<io::Error>>>>;

impl Lookups {
    /// As [`resolve`], but that two look-ups of one host are never under way.
    pub(crate) async fn resolve(&self, host: &HostPort) -> io::Result<Vec<SocketAddr>> {
        self.resolve_by(host, |host| Box::pin(async move { resolve(&host).await })).await
    }

    async fn resolve_by(
        &self,
        host: &HostPort,
        look_up: impl FnOnce(HostPort) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>,
    ) -> io::Result<Vec<SocketAddr>> {
        let (running, last) = self.begin(host, look_up);
        let answer = match last {
            None => running.clone().await,
            Some(last) => match timeout(PATIENCE, running.clone()).await {
                Ok(answer) => answer,
                Err(_elapsed) => return Ok(last),
            },
        };
        let mut state = self.lock();
        if state.running.as_ref().is_some_and(|(_, other)| other.ptr_eq(&running)) {
            state.running = None;
        }
        if let Ok(found) = &answer {
            state.last = Some((host.clone(), found.clone()));
        }
        drop(state);
        answer.map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }

    /// The look-up of `host` that is under way, or a new one, and the answer to an earlier one.
    fn begin(
        &self,
        host: &HostPort,
        look_up: impl FnOnce(HostPort) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>,
    ) -> (Running, Option<Vec<SocketAddr>>) {
        let mut state = self.lock();
        let last = state.last.as_ref().filter(|(of, _)| of == host);
        let last = last.map(|(_, found)| found.clone());
        if let Some((_, running)) = state.running.as_ref().filter(|(of, _)| of == host) {
            return (running.clone(), last);
        }
        let running = look_up(host.clone()).map(|answer| answer.map_err(Arc::new)).boxed().shared();
        state.running = Some((host.clone(), running.clone()));
        (running, last)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{Instant, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A resolver that answers each look-up after a while, and how many were begun.
    #[derive(Default)]
    struct Resolver {
        begun: AtomicUsize,
    }

    impl Resolver {
        /// The answer of the n-th look-up is port n.
        async fn ask(&self, lookups: &Lookups, takes: Duration) -> io::Result<u16> {
            let host = host();
            let found = lookups.resolve_by(&host, |_| {
                let n = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
                let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(n).unwrap()));
                Box::pin(async move {
                    sleep(takes).await;
                    Ok(vec![address])
                })
            });
            found.await.map(|found| found[0].port())
        }

        fn begun(&self) -> usize {
            self.begun.load(Ordering::SeqCst)
        }
    }

    fn host() -> HostPort {
        HostPort::new("server.example", 1).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_was_given_up_is_waited_for_by_the_next_try() {
        let (lookups, resolver) = (Lookups::default(), Resolver::default());
        for _ in 0..3 {
            let given_up = timeout(5 * SECOND, resolver.ask(&lookups, 20 * SECOND)).await;
            assert!(given_up.is_err());
        }
        let begun = Instant::now();
        assert_eq!(resolver.ask(&lookups, SECOND).await.unwrap(), 1);
        assert_eq!((begun.elapsed(), resolver.begun()), (5 * SECOND, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn each_try_looks_up_anew_and_slow_look_ups_leave_the_old_addresses() {
        let (lookups, resolver) = (Lookups::default(), Resolver::default());
        assert_eq!(resolver.ask(&lookups, SECOND / 2).await.unwrap(), 1);
        assert_eq!(resolver.ask(&lookups, SECOND / 2).await.unwrap(), 2);
        let begun = Instant::now();
        assert_eq!(resolver.ask(&lookups, 10 * SECOND).await.unwrap(), 2, "the old one");
        assert_eq!(resolver.ask(&lookups, 10 * SECOND).await.unwrap(), 2);
        assert_eq!((begun.elapsed(), resolver.begun()), (2 * SECOND, 3));
        sleep(8 * SECOND).await;
        assert_eq!(resolver.ask(&lookups, 10 * SECOND).await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_not_found_is_looked_up_again() {
        let lookups = Lookups::default();
        for _ in 0..2 {
            let missing = |_| -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
                Box::pin(async { Err(io::Error::new(io::ErrorKind::NotFound, "no such name")) })
            };
            let error = lookups.resolve_by(&host(), missing).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (io::ErrorKind::NotFound, "no such name")
            );
        }
        assert_eq!(Resolver::default().ask(&lookups, SECOND).await.unwrap(), 1);
    }
}
