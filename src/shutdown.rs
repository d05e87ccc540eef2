//! How a server is told to end, and what came of it.
//!
//! [`ServerHandle`] gives the orders, from anywhere; the server's own future carries them out. Nothing here touches a
//! connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long requests at work have after the server was told to stop.
///
/// 30 s: as long as a client waits for an answer by default, so that no call that is waited for is cut off.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// Ends a server from wherever it is: another task, a thread without a runtime, a method of its own.
///
/// From [`Server::handle`](crate::Server::handle), [`BoundServer::handle`](crate::BoundServer::handle) or, within a
/// method, [`Context::server`](crate::Context::server). Clones end the same server. Orders only ever make the end come
/// sooner, so that giving one twice, or two at once, does no harm; one given before the server runs ends it as soon as it
/// does.
///
/// ```
/// # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
/// # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use msgrpc::Server;
///
/// let server = Server::new(HelloService::new(Hi)).listen("tcp://127.0.0.1:0").bind().await?;
/// let handle = server.handle();
/// tokio::spawn(server.run());
///
/// handle.shutdown();
/// let stopped = handle.stopped().await;
/// assert_eq!(stopped.aborted, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ServerHandle(Arc<Ending>);

impl ServerHandle {
    /// Ends the server in order, as [`BoundServer::run_until`](crate::BoundServer::run_until) says, within the grace of
    /// [`Server::shutdown_grace`](crate::Server::shutdown_grace). Returns at once.
    pub fn shutdown(&self) {
        self.0.order.send_if_modified(|order| {
            let grace = order.grace;
            order.drain_within(grace)
        });
    }

    /// Ends the server in order within `grace`, instead of its own. Returns at once.
    ///
    /// Of a server that is ending already it can only bring the end forward.
    pub fn shutdown_within(&self, grace: Duration) {
        self.0.order.send_if_modified(|order| order.drain_within(grace));
    }

    /// Ends the server at once: what is at work is dropped, and connections are closed as they are. Returns at once.
    pub fn abort(&self) {
        self.0.order.send_if_modified(|order| {
            let sooner = order.stage != Stage::Abort;
            order.stage = Stage::Abort;
            sooner
        });
    }

    /// Whether the server was told to end.
    pub fn is_stopping(&self) -> bool {
        self.0.order.borrow().stage != Stage::Run
    }

    /// Waits until the server has ended, and tells how. A server that is dropped before it runs has ended.
    ///
    /// Within a method it waits for that very method, and so is dropped with it at the end of the grace.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn stopped(&self) -> Stopped {
        let mut ended = self.0.ended.subscribe();
        // The sender is ours: it cannot be gone.
        let ended = ended.wait_for(Option::is_some).await;
        ended.ok().and_then(|stopped| *stopped).unwrap_or_default()
    }

    /// The token that is cancelled when everything is dropped.
    pub(crate) fn aborted(&self) -> &CancellationToken {
        &self.0.aborted
    }

    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.0.tally
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("order", &*self.0.order.borrow())
            .field("ended", &*self.0.ended.borrow())
            .finish()
    }
}

/// What a server and its handles share.
struct Ending {
    order: watch::Sender<Order>,
    /// Cancelled when the grace is over.
    aborted: CancellationToken,
    tally: Arc<Tally>,
    ended: watch::Sender<Option<Stopped>>,
}

/// What the server is to do.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// What a shutdown without a grace of its own has.
    grace: Duration,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Run,
    /// End in order until then; `None`: however long it takes.
    Drain(Option<Instant>),
    Abort,
}

impl Order {
    /// Whether that brings the end forward.
    fn drain_within(&mut self, grace: Duration) -> bool {
        let by = Instant::now().checked_add(grace);
        let sooner = match (self.stage, by) {
            (Stage::Run, _) | (Stage::Drain(None), Some(_)) => true,
            (Stage::Drain(Some(old)), Some(new)) => new < old,
            _ => false,
        };
        if sooner {
            self.stage = Stage::Drain(by);
        }
        sooner
    }
}

/// A server's own hold on its end: when it is dropped, the server has ended.
#[derive(Debug)]
pub(crate) struct Owner(ServerHandle);

impl Owner {
    pub(crate) fn new() -> Self {
        let order = Order { grace: SHUTDOWN_GRACE, stage: Stage::Run };
        Self(ServerHandle(Arc::new(Ending {
            order: watch::Sender::new(order),
            aborted: CancellationToken::new(),
            tally: Arc::default(),
            ended: watch::Sender::new(None),
        })))
    }

    pub(crate) fn handle(&self) -> &ServerHandle {
        &self.0
    }

    pub(crate) fn set_grace(&self, grace: Duration) {
        self.ending().order.send_modify(|order| order.grace = grace);
    }

    /// Waits until an order was given.
    pub(crate) async fn ordered(&self) {
        let mut order = self.ending().order.subscribe();
        // The sender is ours: it cannot be gone.
        drop(order.wait_for(|order| order.stage != Stage::Run).await);
    }

    /// Waits until the time for an end in order is over.
    pub(crate) async fn due(&self) {
        let mut order = self.ending().order.subscribe();
        loop {
            let by = match order.borrow_and_update().stage {
                Stage::Abort => return,
                Stage::Drain(by) => by,
                Stage::Run => None,
            };
            let changed = order.changed();
            match by {
                Some(by) => {
                    if timeout_at(by, changed).await.is_err() {
                        return;
                    }
                }
                None => drop(changed.await),
            }
        }
    }

    /// Notes how the server ended, for whoever asks.
    pub(crate) fn end(&self, stopped: Stopped) {
        self.ending().ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert(stopped);
            first
        });
    }

    fn ending(&self) -> &Ending {
        &self.0.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.ending().aborted.cancel();
        self.end(self.0.tally().count());
    }
}

/// What is counted while a server runs and ends.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: AtomicUsize,
    pub(crate) aborted: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) connections_closed: AtomicUsize,
    pub(crate) connections_aborted: AtomicUsize,
    pub(crate) tasks_aborted: AtomicUsize,
    pub(crate) timed_out: AtomicUsize,
}

impl Tally {
    pub(crate) fn count(&self) -> Stopped {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Stopped {
            answered: of(&self.answered),
            aborted: of(&self.aborted),
            refused: of(&self.refused),
            connections_closed: of(&self.connections_closed),
            connections_aborted: of(&self.connections_aborted),
            tasks_aborted: of(&self.tasks_aborted),
            blocking: 0,
            timed_out: of(&self.timed_out),
        }
    }
}

/// Counts `number` more; what is counted orders nothing else.
pub(crate) fn add(count: &AtomicUsize, number: usize) {
    count.fetch_add(number, Ordering::Relaxed);
}

/// How a server ended, in numbers. Unless a field says otherwise they count from when it was told to stop.
///
/// Prints as `5 answered, 2 aborted, 0 refused; 3 connections closed, 1 aborted`, and names what else is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Requests that were answered and notifications that ran to their end.
    pub answered: usize,
    /// Requests and notifications that the grace did not suffice for: they were dropped, and their callers' calls are
    /// [`Closed`](crate::CallError::Closed).
    pub aborted: usize,
    /// Requests that came too late and were refused with -32003, and notifications that came too late and were
    /// discarded.
    pub refused: usize,
    /// Connections that were closed in order, or by their peer.
    pub connections_closed: usize,
    /// Connections that were not closed yet when the grace was over.
    pub connections_aborted: usize,
    /// Tasks of [`Context::spawn`](crate::Context::spawn) that were dropped when the grace was over.
    pub tasks_aborted: usize,
    /// Blocking methods that still run, since nobody can stop a thread. Those that were requests count as aborted too.
    pub blocking: usize,
    /// Requests and notifications that took longer than their [method's timeout](crate::Server::method_timeout), in all
    /// the time that the server ran.
    pub timed_out: usize,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answered, {} aborted, {} refused; {} connections closed, {} aborted",
            self.answered,
            self.aborted,
            self.refused,
            self.connections_closed,
            self.connections_aborted
        )?;
        let others = [
            (self.tasks_aborted, "spawned tasks aborted"),
            (self.blocking, "blocking methods left running"),
            (self.timed_out, "timed out before"),
        ];
        for (number, what) in others.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "; {number} {what}")?;
        }
        Ok(())
    }
}
