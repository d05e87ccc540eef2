//! One connection of a pool that carries many calls, and its loans.
//!
//! Shared by the pool's list, the task that keeps it, and the calls on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use msgrpc_transport::{Loan, Proof};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{End, Lease};
use super::shared::Shared;
use crate::client::{Client, Opener};
use crate::error::CallError;

/// A connection that is in use.
pub(super) struct Member {
    client: Client,
    /// Calls and notifications on it.
    in_flight: AtomicUsize,
    /// Calls that timed out since the last answer: a connection that answers none is not the least busy one because
    /// all its calls have been given up.
    silent: AtomicUsize,
    /// When it was last left without calls, in nanoseconds from `opened`.
    used: AtomicU64,
    opened: Instant,
    proof: Proof,
    /// The peer is shutting down and takes no more calls.
    refuses: AtomicBool,
    /// No call enters any more.
    left: AtomicBool,
    /// Told when it may have ended, and when the last call of one that was left has ended.
    changed: Notify,
}

impl Member {
    pub(super) fn new(loan: &Loan<Opener>) -> Arc<Self> {
        Arc::new(Self {
            client: Client::clone(loan),
            in_flight: AtomicUsize::new(0),
            silent: AtomicUsize::new(0),
            used: AtomicU64::new(0),
            opened: Instant::now(),
            proof: loan.proof(),
            refuses: AtomicBool::new(false),
            left: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// How busy it is; the least busy one is taken.
    pub(super) fn load(&self) -> usize {
        self.in_flight().saturating_add(self.silent.load(Ordering::Relaxed))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.closed().is_some()
    }

    pub(super) fn refuses(&self) -> bool {
        self.refuses.load(Ordering::SeqCst)
    }

    pub(super) fn gone(&self) -> CancellationToken {
        self.client.gone()
    }

    /// A call enters. Under the pool's lock, so that none enters one that has been left.
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    fn exit(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        let used = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.used.store(used, Ordering::Relaxed);
        if self.left.load(Ordering::SeqCst) {
            self.changed.notify_one();
        }
    }

    /// Somebody has found it ended: whoever keeps it has a look.
    pub(super) fn suspect(&self) {
        self.changed.notify_one();
    }

    /// Ready when there may be something to look at.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When it will have been idle for `max_idle`, if no call comes.
    pub(super) fn idles_until(&self, max_idle: Duration) -> Option<Instant> {
        if self.in_flight() > 0 {
            return Instant::now().checked_add(max_idle);
        }
        let used = Duration::from_nanos(self.used.load(Ordering::Relaxed));
        self.opened.checked_add(used)?.checked_add(max_idle)
    }

    /// Closes it when its calls have ended, or at once when `closing` is cancelled. It must have left the pool's list.
    pub(super) async fn finish(self: Arc<Self>, closing: CancellationToken) {
        self.left.store(true, Ordering::SeqCst);
        let settled = async {
            while self.in_flight() > 0 {
                self.changed().await;
            }
        };
        closing.run_until_cancelled(settled).await;
        self.client.clone().close().await;
    }
}

/// A connection that carries a call, perhaps among others.
pub(crate) struct Passage {
    pool: Arc<Shared>,
    member: Arc<Member>,
}

impl Passage {
    /// A call has entered `member`.
    pub(super) fn new(pool: Arc<Shared>, member: Arc<Member>) -> Self {
        Self { pool, member }
    }
}

impl Lease for Passage {
    fn client(&self) -> &Client {
        &self.member.client
    }

    fn end(self, end: End<'_>) {
        match end {
            End::Answered => {
                self.member.proof.give();
                if self.member.silent.load(Ordering::Relaxed) > 0 {
                    self.member.silent.store(0, Ordering::Relaxed);
                }
            }
            End::Refused => {
                // It would look idle, and draw all calls to itself.
                self.member.refuses.store(true, Ordering::SeqCst);
                self.pool.remove(&self.member);
                self.member.suspect();
            }
            End::Failed(CallError::TimedOut(_)) => {
                self.member.silent.fetch_add(1, Ordering::Relaxed);
            }
            End::Failed(CallError::Closed(_)) => {
                // Before the call is tried elsewhere, which must not be here again.
                self.pool.remove(&self.member);
                self.member.suspect();
            }
            End::Failed(_) | End::Queued => {}
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.member.exit();
        self.pool.exit();
    }
}
