//! `in_process`: a service called within this program, without a socket.
//!
//! Used in place of a [`Client`](crate::Client) where server and client are one program, or one test. It behaves as a
//! connection does, but for the bytes: what waits runs on a task of its own, panics are faults, notifications keep
//! their order (W15).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use msgrpc_core::{FaultFormat, Limits};
use msgrpc_transport::{Address, Peer, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::coop;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::{Answer, Caller, Outgoing};
use crate::client::CALL_TIMEOUT;
use crate::connection::{Connection, Manners};
use crate::context::Context;
use crate::error::{CallError, CloseReason, Closed, TimedOut};
use crate::running::{Running, Started};
use crate::service::{OutcomeFuture, Request, Service};

/// Calls `service` in this process: a caller for its generated client, without sockets.
///
/// Arguments and results are encoded and decoded as on the wire, but nothing is copied between: the service reads the
/// very bytes that the client wrote. Passing values without encoding them is not done on purpose. Arguments may borrow
/// (`&str`), so that they would have to be cloned instead, each method would need a second way in; and a service would
/// be tested with values that never went through its `Serialize` and `Deserialize`. For a whole connection within the
/// process, there is an address: `memory://name`.
///
/// Calls must be made within a tokio runtime.
///
/// ```
/// #[msgrpc::service]
/// pub trait Adder {
///     async fn add(&self, a: i64, b: i64) -> i64;
/// }
///
/// struct Calc;
///
/// impl Adder for Calc {
///     async fn add(&self, a: i64, b: i64) -> i64 {
///         a + b
///     }
/// }
///
/// # #[tokio::main] async fn main() -> Result<(), msgrpc::CallError> {
/// let adder = AdderClient::new(msgrpc::in_process(AdderService::new(Calc)));
/// assert_eq!(adder.add(2, 3).await?, 5);
/// # Ok(()) }
/// ```
pub fn in_process(service: impl Service) -> InProcess {
    let limits = Limits::server();
    let tasks = TaskTracker::new();
    tasks.close();
    let place = Place {
        service: Box::new(service),
        local: local(),
        peer: Peer::named(PEER),
        blocking: Arc::new(Semaphore::new(limits.blocking)),
        tasks,
        gone: CancellationToken::new(),
        lane: Mutex::default(),
        room: Arc::new(Semaphore::new(limits.requests_at_work)),
        nobody: OnceLock::new(),
    };
    InProcess { handle: Arc::new(Handle(Arc::new(place))), timeout: Some(CALL_TIMEOUT) }
}

/// A service in this process, as something that generated clients call through; made by [`in_process`].
///
/// Clones share the service. A method runs at once, in the caller's task, until it first waits; then on a task of its
/// own, as on a server. Limits on sizes do not apply; 512 blocking methods may be at work, and 1 024 notifications may
/// wait, beyond which sending one waits for room.
///
/// # Errors
///
/// Those of a connection: a panic is a fault, and a call that takes too long is [`CallError::TimedOut`].
///
/// # Cancel safety
///
/// Dropping a call drops the method that runs for it. Notifications that were queued run to their end, also after the
/// last clone is dropped.
#[derive(Clone)]
pub struct InProcess {
    handle: Arc<Handle>,
    timeout: Option<Duration>,
}

impl InProcess {
    /// How long calls wait for their answer by default. `None`: for ever. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Waits until no method is at work and no notification is queued.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn idle(&self) {
        self.place().tasks.wait().await;
    }

    fn place(&self) -> &Arc<Place> {
        &self.handle.0
    }

    async fn exchange(self, call: Outgoing) -> Result<Answer, CallError> {
        let place = self.place();
        let work = Work::new(place);
        let gone = work.gone.clone();
        // Tells the method's task, and what it has spawned, that nobody waits any more.
        let forgotten = gone.clone().drop_guard();
        let timeout = call.timeout.or(self.timeout);
        let method = call.method.clone();
        let outcome = match Running::start(|| place.start(call, work, false)) {
            Started::Ready(outcome) => outcome,
            Started::Pending(running) => {
                let task =
                    place.tasks.spawn(async move { gone.run_until_cancelled(running).await });
                let finished = match timeout {
                    None => Ok(task.await),
                    Some(after) => {
                        tokio::time::timeout(after, task).await.map_err(|_elapsed| after)
                    }
                };
                match finished {
                    Ok(Ok(Some(outcome))) => outcome,
                    Ok(_ended_with_the_runtime) => {
                        let (peer, reason) = (PEER.into(), Arc::new(CloseReason::Local));
                        return Err(CallError::Closed(Closed { method, peer, reason, sent: true }));
                    }
                    Err(after) => {
                        let peer = PEER.into();
                        return Err(CallError::TimedOut(TimedOut {
                            method,
                            peer,
                            after,
                            sent: true,
                        }));
                    }
                }
            }
        };
        forgotten.disarm();
        Ok(Answer::new(outcome.encoded(FaultFormat::default())))
    }

    async fn post(self, notification: Outgoing) -> Result<(), CallError> {
        let place = self.place();
        // It is never closed.
        let room = Arc::clone(&place.room).acquire_owned().await.ok();
        place.post(Queued { notification, room });
        Ok(())
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess")
            .field("service", &self.place().service.descriptor().name())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Caller for InProcess {
    type Exchange = Pin<Box<dyn Future<Output = Result<Answer, CallError>> + Send>>;
    type Posting = Pin<Box<dyn Future<Output = Result<(), CallError>> + Send>>;

    fn call(self, call: Outgoing) -> Self::Exchange {
        Box::pin(self.exchange(call))
    }

    fn notify(self, notification: Outgoing) -> Self::Posting {
        Box::pin(self.post(notification))
    }
}

/// What the clones share; its end is that of the last of them.
struct Handle(Arc<Place>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.gone.cancel();
    }
}

/// The service and all that runs of it.
pub(crate) struct Place {
    service: Box<dyn Service>,
    local: Address,
    peer: Peer,
    blocking: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Cancelled with the last clone.
    gone: CancellationToken,
    lane: Mutex<Lane>,
    /// A place for each notification that waits or runs.
    room: Arc<Semaphore>,
    /// Whom methods call that call back.
    nobody: OnceLock<Arc<Connection>>,
}

/// The order of the notifications.
#[derive(Default)]
struct Lane {
    /// One runs, or is being started: whoever set it goes on with those that wait.
    busy: bool,
    /// Those that came meanwhile, as many as there is room.
    waiting: VecDeque<Queued>,
}

struct Queued {
    notification: Outgoing,
    /// Given back when it has run.
    room: Option<OwnedSemaphorePermit>,
}

impl Place {
    fn start(&self, call: Outgoing, work: Work, is_notification: bool) -> OutcomeFuture {
        let context = Context::in_process(Arc::new(work), Arc::clone(&self.blocking));
        self.service.call(Request::in_process(call, is_notification, context))
    }

    /// Runs a notification at once if none runs, so that what is called next finds it begun (W15).
    fn post(self: &Arc<Self>, queued: Queued) {
        let mut lane = self.lock();
        if lane.busy {
            lane.waiting.push_back(queued);
            return;
        }
        lane.busy = true;
        drop(lane);
        let first = self.begin(queued);
        if first.is_some() || self.has_more() {
            self.tasks.spawn(run_waiting(Arc::clone(self), first));
        }
    }

    /// Starts one; what is left of it if it waits.
    fn begin(self: &Arc<Self>, queued: Queued) -> Option<(Running, Option<OwnedSemaphorePermit>)> {
        let Queued { notification, room } = queued;
        match Running::start(|| self.start(notification, Work::new(self), true)) {
            Started::Ready(_) => None,
            Started::Pending(running) => Some((running, room)),
        }
    }

    /// Whether others wait; if none does, the lane is free.
    fn has_more(&self) -> bool {
        let mut lane = self.lock();
        lane.busy = !lane.waiting.is_empty();
        lane.busy
    }

    /// The next one; if there is none, the lane is free.
    fn next(&self) -> Option<Queued> {
        let mut lane = self.lock();
        let next = lane.waiting.pop_front();
        lane.busy = next.is_some();
        next
    }

    fn lock(&self) -> MutexGuard<'_, Lane> {
        // Nothing panics while it is held, and a queue is whole after each of its methods.
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the notification that was begun, and those that came after it.
async fn run_waiting(place: Arc<Place>, first: Option<(Running, Option<OwnedSemaphorePermit>)>) {
    let mut begun = first;
    loop {
        if let Some((running, room)) = begun {
            running.await;
            drop(room);
        }
        let Some(next) = place.next() else { return };
        begun = place.begin(next);
        coop::consume_budget().await;
    }
}

/// One call or notification, as its [`Context`] sees it.
pub(crate) struct Work {
    place: Arc<Place>,
    /// Cancelled when its caller has given it up, or with the last clone.
    gone: CancellationToken,
}

impl Work {
    fn new(place: &Arc<Place>) -> Self {
        Self { place: Arc::clone(place), gone: place.gone.child_token() }
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.place.peer
    }

    pub(crate) fn local(&self) -> &Address {
        &self.place.local
    }

    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.place.tasks
    }

    /// A connection through which nobody can be called: whoever calls in process serves nothing.
    pub(crate) fn nobody(&self) -> &Arc<Connection> {
        self.place.nobody.get_or_init(|| {
            let Place { peer, local, .. } = &*self.place;
            let stream = Stream::new(tokio::io::empty(), peer.clone(), local.clone());
            let manners = Manners::new(Limits::client(), FaultFormat::default());
            let connection = Connection::new(&stream, &manners, TaskTracker::new());
            connection.refuse(CloseReason::InProcess);
            Arc::new(connection)
        })
    }
}

/// The service's address, for logs: it is never dialed.
fn local() -> Address {
    "memory://in-process".parse().expect("this is an address")
}

/// The caller and the service in error texts and logs.
const PEER: &str = "in process";
