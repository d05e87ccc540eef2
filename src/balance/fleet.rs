//! The servers of a balancer: which one a call goes to.
//!
//! Each has a pool of its own, which opens its connections again when they end; one without a connection is passed
//! over. Of two servers drawn by lot the less busy one is taken: nearly as even as asking all, at the cost of two, and
//! balancers that do not know of each other do not all run to the same one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use msgrpc_transport::PoolOptions;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::discover::{Discover, DiscoverError, Endpoint, Place};
use crate::client::Alike;
use crate::pool::attempt::Shortage;
use crate::pool::member::Passage;
use crate::pool::shared::{FirstTries, Shared, until};
use crate::pool::status::Waiting;

/// All servers of a balancer.
pub(super) struct Fleet {
    sites: Mutex<Arc<[Site]>>,
    alike: Alike,
    /// Those of the pool that each server has.
    options: PoolOptions,
    /// Told when any server has a new connection.
    arrivals: Arc<Notify>,
    waiting: AtomicUsize,
    /// Why the servers could not be discovered when that was last tried.
    lost: Mutex<Option<DiscoverError>>,
    leaving: CancellationToken,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// One server.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) name: Arc<str>,
    pub(super) pool: Arc<Shared>,
}

/// How the first discovery ended, and the first tries at what it found.
pub(super) type Beginning = Result<Vec<(Site, FirstTries)>, String>;

impl Fleet {
    /// Follows `discover` in the background. Must be called within a runtime.
    pub(super) fn start(
        discover: Box<dyn Discover>,
        alike: Alike,
        options: PoolOptions,
    ) -> (Arc<Self>, oneshot::Receiver<Beginning>) {
        let tasks = TaskTracker::new();
        tasks.close();
        let fleet = Arc::new(Self {
            sites: Mutex::new(Arc::new([])),
            alike,
            options,
            arrivals: Arc::new(Notify::new()),
            waiting: AtomicUsize::new(0),
            lost: Mutex::default(),
            leaving: CancellationToken::new(),
            closing: CancellationToken::new(),
            tasks,
        });
        let (told, beginning) = oneshot::channel();
        fleet.tasks.spawn(Arc::clone(&fleet).follow(discover, told));
        (fleet, beginning)
    }

    // For calls.

    /// A connection to a server that is not busy, if any is up.
    pub(super) fn lend_now(&self) -> Option<Passage> {
        let sites = self.sites();
        let count = sites.len();
        let one = rand::random_range(0..count.max(1));
        let other = (one + rand::random_range(1..count.max(2))) % count.max(1);
        let load = |index: &usize| sites.get(*index).and_then(|site| site.pool.load());
        let mut drawn = [one, other].map(|index| (load(&index), index));
        drawn.sort_by_key(|(load, _)| load.unwrap_or(usize::MAX));
        let mut drawn = drawn.into_iter().filter(|(load, _)| load.is_some());
        let lent = drawn.find_map(|(_, index)| sites[index].pool.lend_now());
        if lent.is_some() {
            return lent;
        }
        // Neither of them is up: whichever is.
        let mut up: Vec<usize> = (0..count).filter(|index| load(index).is_some()).collect();
        up.sort_by_key(load);
        up.into_iter().find_map(|index| sites[index].pool.lend_now())
    }

    /// A connection, until `deadline` or the balancer's own patience is over.
    pub(super) async fn lend(
        self: Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Passage, Shortage> {
        let begun = Instant::now();
        let _waiting = Waiting::enter(&self.waiting);
        let patience = self.options.wait_timeout;
        let limit = patience.and_then(|patience| begun.checked_add(patience));
        let end = [limit, deadline].into_iter().flatten().min();
        loop {
            let arrival = self.arrivals.notified();
            if self.leaving.is_cancelled() {
                return Err(Shortage::Closed { peer: "any server".into() });
            }
            if let Some(passage) = self.lend_now() {
                return Ok(passage);
            }
            if self.is_hopeless() {
                return Err(self.shortage(None));
            }
            tokio::select! {
                () = arrival => {}
                at = until(end) => {
                    let setting = if end == limit { "wait_timeout" } else { "the timeout of the call" };
                    let after = at.saturating_duration_since(begun);
                    return Err(self.shortage(Some(format!("{after:?} ({setting})"))));
                }
            }
        }
    }

    /// Whether trying again cannot help with any server.
    fn is_hopeless(&self) -> bool {
        let sites = self.sites();
        let permanent = |site: &Site| site.pool.last_error().is_some_and(|it| it.is_permanent());
        !sites.is_empty() && sites.iter().all(permanent)
    }

    /// What to tell whoever waited for so long in vain, or need not wait.
    fn shortage(&self, waited: Option<String>) -> Shortage {
        let sites = self.sites();
        let waiting = self.waiting.load(Ordering::SeqCst);
        let mut reason = match (sites.len(), waited) {
            (0, Some(waited)) => format!("no server was known for {waited}, waiting {waiting}"),
            (1, Some(waited)) => format!("the server was down for {waited}, waiting {waiting}"),
            (count, Some(waited)) => {
                format!("all {count} servers were down for {waited}, waiting {waiting}")
            }
            (_, None) => "no server can be reached".to_owned(),
        };
        let lost = self.lost().as_ref().map(ToString::to_string);
        let reasons: Vec<String> = sites.iter().map(Site::why_down).chain(lost).collect();
        if !reasons.is_empty() {
            reason.push_str(": ");
            reason.push_str(&reasons.join("; "));
        }
        let tries = sites.iter().map(|site| site.pool.failures()).fold(0, u32::saturating_add);
        Shortage::None { reason, tries }
    }

    /// Connections there should be.
    pub(super) fn size(&self) -> usize {
        self.sites().len().saturating_mul(self.options.max_size)
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.alike.timeout()
    }

    // The servers.

    pub(super) fn sites(&self) -> Arc<[Site]> {
        Arc::clone(&self.lock())
    }

    /// Keeps the list up to date until the balancer is left.
    async fn follow(
        self: Arc<Self>,
        mut discover: Box<dyn Discover>,
        told: oneshot::Sender<Beginning>,
    ) {
        let mut told = Some(told);
        let mut pause = PAUSE;
        let leaving = self.leaving.clone();
        while let Some(found) = leaving.run_until_cancelled(discover.discover()).await {
            let wait = match found {
                Ok(list) => {
                    let new = self.update(list);
                    pause = PAUSE;
                    tell(&mut told, Ok(new));
                    // A discovery that says the same again and again must not burn the processor.
                    SHORTEST_PAUSE
                }
                Err(error) => {
                    tracing::warn!(%error, "the servers stay as they were");
                    tell(&mut told, Err(error.to_string()));
                    *self.lost() = Some(error);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    pause / 2
                }
            };
            if leaving.run_until_cancelled(sleep(wait)).await.is_none() {
                break;
            }
        }
        for site in self.sites().iter() {
            site.pool.leave();
        }
    }

    /// The servers are these now. Returns those that are new, with how their first tries will end.
    fn update(&self, list: Vec<Endpoint>) -> Vec<(Site, FirstTries)> {
        let old = self.sites();
        let mut sites: Vec<Site> = Vec::new();
        let mut new = Vec::new();
        for endpoint in list {
            if sites.len() == MOST {
                tracing::warn!("more than {MOST} servers were discovered; the others are left out");
                break;
            }
            let is_it = |site: &&Site| *site.name == *endpoint.name();
            if sites.iter().any(|site| is_it(&site)) {
                continue;
            }
            if let Some(known) = old.iter().find(is_it) {
                sites.push(known.clone());
                continue;
            }
            let (site, first) = self.open(&endpoint);
            sites.push(site.clone());
            new.push((site, first));
        }
        let stays = |site: &Site| sites.iter().any(|other| Arc::ptr_eq(&other.pool, &site.pool));
        let gone: Vec<Site> = old.iter().filter(|site| !stays(site)).cloned().collect();
        *self.lock() = sites.into();
        *self.lost() = None;
        for site in gone {
            self.retire(site);
        }
        new
    }

    fn open(&self, endpoint: &Endpoint) -> (Site, FirstTries) {
        let opener = match &endpoint.place {
            Place::Address(address) => self.alike.to(address.clone()),
            Place::Connector(connector) => self.alike.by(Arc::clone(connector)),
        };
        let (options, arrivals) = (self.options.clone(), Arc::clone(&self.arrivals));
        let (pool, first) = Shared::start(opener, options, arrivals);
        (Site { name: Arc::clone(endpoint.shared_name()), pool }, first)
    }

    /// A server that is not in the list any more: calls under way on it are finished.
    fn retire(&self, site: Site) {
        tracing::debug!(server = %site.name, "a server is not in the list any more");
        site.pool.leave();
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            if closing.run_until_cancelled(site.pool.gone()).await.is_none() {
                site.pool.close().await;
            }
        });
    }

    // For owners.

    /// No more calls come: it closes when those under way are over.
    pub(super) fn leave(&self) {
        self.leaving.cancel();
        self.arrivals.notify_waiters();
    }

    /// Closes at once: calls under way fail. Waits until nothing is left.
    pub(super) async fn close(&self) {
        self.leave();
        self.closing.cancel();
        // The task that keeps the list has ended then, so that it is the last one.
        self.tasks.wait().await;
        join_all(self.sites().iter().map(|site| site.pool.close())).await;
    }

    fn lock(&self) -> MutexGuard<'_, Arc<[Site]>> {
        // Nothing panics while it is held.
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> MutexGuard<'_, Option<DiscoverError>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Why it cannot be called.
    pub(super) fn why_down(&self) -> String {
        match self.pool.last_error() {
            Some(error) => error.to_string(),
            None => format!("could not connect to {}: no answer yet", self.name),
        }
    }
}

/// Tells whoever waits for the beginning; once.
fn tell(told: &mut Option<oneshot::Sender<Beginning>>, beginning: Beginning) {
    if let Some(told) = told.take() {
        // Whoever asked may not want to know any more.
        drop(told.send(beginning));
    }
}

/// The servers that one balancer has at most: a registry that has gone mad must not open connections without end.
const MOST: usize = 1024;
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
