//! A pool whose connections carry many calls each: which one a call takes.
//!
//! Used by [`Pool`](super::Pool), and by balancers, which have one for each server. Its connections are taken out of
//! deadpool at the start and kept by one task each ([`Keeper`]).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use msgrpc_transport::{self as transport, ConnectError, PoolOptions};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::Shortage;
use super::keeper::Keeper;
use super::member::{Member, Passage};
use super::status::{PoolStatus, Scarcity, Waiting};
use crate::client::Opener;

/// What deadpool keeps.
pub(super) type Stock = transport::Pool<Opener>;

/// Connections to one place, each for many calls.
pub(crate) struct Shared {
    stock: Stock,
    /// How long calls wait for their answer by default.
    timeout: Option<Duration>,
    live: Mutex<Live>,
    /// Told when a connection has come, and when there is no more use in waiting.
    arrivals: Arc<Notify>,
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
    replaced: AtomicU64,
    /// Cancelled when no more calls come: no connection is opened any more, and those there are finish their calls.
    leaving: CancellationToken,
    /// Cancelled when calls that wait for an answer fail too.
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// Connections that take calls.
#[derive(Default)]
struct Live {
    members: Vec<Arc<Member>>,
    /// Where the search for the least busy one begins, so that those that are equal take turns.
    next: usize,
}

/// How the first try of each connection ended.
pub(crate) type FirstTries = Vec<oneshot::Receiver<Result<(), Arc<ConnectError>>>>;

impl Shared {
    /// Opens connections in the background. `arrivals` is told of those that come. Must be called within a runtime.
    pub(crate) fn start(
        opener: Opener,
        options: PoolOptions,
        arrivals: Arc<Notify>,
    ) -> (Arc<Self>, FirstTries) {
        let tasks = TaskTracker::new();
        tasks.close();
        let shared = Arc::new(Self {
            timeout: opener.timeout(),
            stock: Stock::new(opener, options),
            live: Mutex::default(),
            arrivals,
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            replaced: AtomicU64::new(0),
            leaving: CancellationToken::new(),
            closing: CancellationToken::new(),
            tasks,
        });
        let keep = |_| {
            let (told, first) = oneshot::channel();
            shared.tasks.spawn(Keeper::new(&shared, told).run());
            first
        };
        let first = (0..shared.stock.options().max_size).map(keep).collect();
        (shared, first)
    }

    // For calls.

    /// The least busy connection, if there is one. It may have ended and not be noticed yet: the call is refused
    /// there, unsent, and asks again.
    pub(crate) fn lend_now(self: &Arc<Self>) -> Option<Passage> {
        let mut live = self.lock();
        let count = live.members.len();
        let turn = (0..count).map(|n| (live.next + n) % count);
        let index = turn.min_by_key(|index| live.members[*index].load())?;
        live.next = index + 1;
        let member = Arc::clone(&live.members[index]);
        member.enter();
        drop(live);
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Passage::new(Arc::clone(self), member))
    }

    /// A connection, until `deadline` or the pool's own patience is over.
    pub(crate) async fn lend(
        self: Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Passage, Shortage> {
        let begun = Instant::now();
        let _waiting = Waiting::enter(&self.waiting);
        let patience = self.stock.options().wait_timeout;
        let limit = patience.and_then(|patience| begun.checked_add(patience));
        let end = [limit, deadline].into_iter().flatten().min();
        loop {
            let arrival = self.arrivals.notified();
            if self.leaving.is_cancelled() {
                return Err(Shortage::Closed { peer: Arc::clone(self.stock.address()) });
            }
            if let Some(passage) = self.lend_now() {
                return Ok(passage);
            }
            if let Some(error) = self.stock.last_error().filter(|error| error.is_permanent()) {
                return Err(self.scarcity().hopeless(&error));
            }
            tokio::select! {
                () = arrival => {}
                at = until(end) => {
                    let after = at.saturating_duration_since(begun);
                    return Err(self.scarcity().timed_out(after, end != limit));
                }
            }
        }
    }

    /// A call has ended.
    pub(super) fn exit(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    // For the keepers.

    pub(super) fn stock(&self) -> &Stock {
        &self.stock
    }

    pub(super) fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// `new` takes calls from now on, and `old` none.
    pub(super) fn join(&self, new: Arc<Member>, old: Option<Arc<Member>>) {
        let mut live = self.lock();
        live.members.push(new);
        drop(live);
        if let Some(old) = old {
            self.replaced.fetch_add(1, Ordering::SeqCst);
            self.retire(old);
        }
        self.arrivals.notify_waiters();
    }

    /// `member` takes no more calls; it closes when those it has are over.
    pub(super) fn retire(&self, member: Arc<Member>) {
        self.remove(&member);
        self.tasks.spawn(member.finish(self.closing.clone()));
    }

    /// `member` has ended, and another one is wanted.
    pub(super) fn lose(&self, member: &Arc<Member>) {
        self.replaced.fetch_add(1, Ordering::SeqCst);
        self.remove(member);
    }

    /// The peer of `member` is shutting down, and another connection is wanted.
    pub(super) fn turn_away(&self, member: Arc<Member>) {
        self.replaced.fetch_add(1, Ordering::SeqCst);
        self.retire(member);
    }

    /// A try has failed; those that wait may have to know.
    pub(super) fn failed(&self, error: &ConnectError) {
        if error.is_permanent() {
            self.arrivals.notify_waiters();
        }
    }

    pub(super) fn remove(&self, member: &Arc<Member>) {
        self.lock().members.retain(|other| !Arc::ptr_eq(other, member));
    }

    // For owners.

    /// No more calls come: it closes when those under way are over.
    pub(crate) fn leave(&self) {
        self.leaving.cancel();
        self.arrivals.notify_waiters();
    }

    /// Closes at once: calls under way fail. Waits until nothing is left.
    pub(crate) async fn close(&self) {
        self.leave();
        self.closing.cancel();
        self.tasks.wait().await;
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Connections there should be.
    pub(crate) fn size(&self) -> usize {
        self.stock.options().max_size
    }

    pub(crate) fn address(&self) -> &Arc<str> {
        self.stock.address()
    }

    /// Calls and notifications under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// How busy its connections are together; `None` while there are none.
    pub(crate) fn load(&self) -> Option<usize> {
        let live = self.lock();
        let load = live.members.iter().map(|member| member.load()).sum();
        (!live.members.is_empty()).then_some(load)
    }

    /// Tries for a connection that have failed in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.stock.failures()
    }

    /// Waits until nothing is left of a pool that was [left](Self::leave).
    pub(crate) async fn gone(&self) {
        self.tasks.wait().await;
    }

    pub(crate) fn last_error(&self) -> Option<Arc<ConnectError>> {
        self.stock.last_error()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let members = self.lock().members.clone();
        let members: Vec<_> = members.into_iter().filter(|member| !member.is_closed()).collect();
        let stock = self.stock.status();
        PoolStatus {
            max_size: stock.max_size,
            open: members.len(),
            idle: members.iter().filter(|member| member.in_flight() == 0).count(),
            in_flight: self.in_flight(),
            waiting: self.waiting.load(Ordering::SeqCst),
            created: stock.opened,
            replaced: self.replaced.load(Ordering::SeqCst),
            failed: stock.failed,
        }
    }

    fn scarcity(&self) -> Scarcity<'_> {
        Scarcity {
            address: self.stock.address(),
            status: self.status(),
            tries: self.stock.failures(),
            last_error: self.stock.last_error(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        // Nothing panics while it is held.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ready at `at`, which it returns; never without one.
pub(crate) async fn until(at: Option<Instant>) -> Instant {
    match at {
        Some(at) => {
            sleep_until(at).await;
            at
        }
        None => std::future::pending().await,
    }
}

/// How often a pool has a look at what lies idle, so that it goes in time.
pub(super) fn sweep_interval(options: &PoolOptions) -> Option<Duration> {
    let bounds = [options.max_idle, options.max_lifetime];
    bounds.into_iter().flatten().min().map(|bound| bound / 4)
}
