//! The task that keeps a client connected: tries, hands over the stream, waits for its end, tries again.
//!
//! One for each client over streams. It holds the link weakly, so that the last handle's drop ends it, and
//! leaves no caller waiting, however it ends itself.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use msgrpc_transport::{Connect, ConnectError, Stream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::link::{Absence, Plan, StreamLink, unreachable};
use super::reconnect::Tries;
use super::state::{ConnectionState, Hooks};
use crate::connection::{Alarm, Closing, Connection, Driver, Services};
use crate::context::Context;
use crate::error::CloseReason;
use crate::router::Router;

/// Connections that are left to the peer's requests, however fast a peer ends its sides of them.
const MOST_DRAINING: usize = 4;

/// Keeps one link connected.
pub(super) struct Keeper {
    link: Weak<StreamLink>,
    /// The link's current connection, or one that has just ended.
    connection: Arc<Connection>,
    /// Those before it that still answer the peer's requests (W13), the oldest first; at most
    /// [`MOST_DRAINING`].
    draining: VecDeque<Arc<Connection>>,
    connector: Option<Arc<dyn Connect>>,
    absence: Absence,
    tries: Tries,
    alarm: Alarm,
    router: Arc<Router>,
    /// Bounds the blocking methods of all connections together.
    blocking: Arc<Semaphore>,
    hooks: Arc<Hooks>,
    states: watch::Sender<ConnectionState>,
    tasks: TaskTracker,
    ended: bool,
}

/// There will be no connection any more, for this reason.
struct End(Arc<CloseReason>);

impl End {
    /// The owner wants none.
    fn local() -> Self {
        Self(Arc::new(CloseReason::Local))
    }
}

impl Keeper {
    /// The keeper of `link`, whose `connection` awaits its stream.
    pub(super) fn new(
        plan: Plan,
        link: &Arc<StreamLink>,
        connection: Arc<Connection>,
        (tasks, states): (TaskTracker, watch::Sender<ConnectionState>),
    ) -> Self {
        let Plan { connector, absence, tries, manners, router, hooks, .. } = plan;
        Self {
            link: Arc::downgrade(link),
            connection,
            draining: VecDeque::new(),
            connector,
            absence,
            tries,
            alarm: Alarm::default(),
            router,
            blocking: Arc::new(Semaphore::new(manners.limits.blocking)),
            hooks,
            states,
            tasks,
            ended: false,
        }
    }

    /// Runs in a task of its own until the link is closed or gives up. `stream`: one that was opened already.
    pub(super) fn start(mut self, stream: Option<Stream>) {
        let tasks = self.tasks.clone();
        let opened = stream.map(|stream| self.hand_over(stream));
        tasks.spawn(async move {
            let Err(End(reason)) = self.keep(opened).await;
            self.end(reason);
        });
    }

    async fn keep(&mut self, mut opened: Option<Result<(), End>>) -> Result<Infallible, End> {
        loop {
            if let Some(opened) = opened.take() {
                opened?;
            } else {
                let stream = self.connect().await?;
                self.hand_over(stream)?;
            }
            let reason = self.live().await?;
            match &*reason {
                reason if reason.is_permanent() => self.rest().await?,
                CloseReason::Idle(_) if self.absence == Absence::Waits => self.idle().await?,
                _ => self.pause().await?,
            }
        }
    }

    /// Tries until there is a stream.
    async fn connect(&mut self) -> Result<Stream, End> {
        loop {
            match self.attempt().await? {
                Ok(stream) => return Ok(stream),
                Err(error) if error.is_permanent() => {
                    self.tries.failed(error.to_string());
                    self.rest().await?;
                }
                Err(error) => {
                    self.tries.failed(error.to_string());
                    self.pause().await?;
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<Result<Stream, ConnectError>, End> {
        let Some(connector) = self.connector.clone() else { return Err(self.give_up()) };
        let (tries, error) = (self.tries.made(), self.tries.error().cloned());
        self.tell(ConnectionState::Connecting { tries, error });
        self.tries.begin();
        self.unless_closed(connector.connect()).await
    }

    /// Waits until the next try may begin.
    async fn pause(&mut self) -> Result<(), End> {
        if self.tries.are_used_up() {
            return Err(self.give_up());
        }
        let pause = self.tries.wait();
        self.tell_waiting(pause);
        self.unless_closed(sleep(pause)).await
    }

    /// Waits after an error that trying again will hardly help: calls fail at once meanwhile.
    async fn rest(&mut self) -> Result<(), End> {
        if self.tries.are_used_up() {
            return Err(self.give_up());
        }
        let pause = self.tries.long_wait();
        self.tell_waiting(pause);
        self.connection.fail(&self.unreachable());
        self.unless_closed(sleep(pause)).await?;
        if self.absence != Absence::Fails {
            self.replace()?;
        }
        Ok(())
    }

    /// Waits until there is something to send: nobody else needs a connection that was closed as idle.
    async fn idle(&mut self) -> Result<(), End> {
        self.tell(ConnectionState::Idle);
        let connection = Arc::clone(&self.connection);
        // Whoever joins the line wakes this task.
        let wanted =
            poll_fn(|_| if connection.is_wanted() { Poll::Ready(()) } else { Poll::Pending });
        self.unless_closed(wanted).await
    }

    /// Gives the connection its stream, and lets the calls through.
    fn hand_over(&mut self, stream: Stream) -> Result<(), End> {
        let peer = stream.peer().clone();
        self.hooks.connected(&peer);
        if !self.connection.open(&stream) {
            // It fails calls, or is closed.
            self.replace()?;
            if !self.connection.open(&stream) {
                return Err(End::local());
            }
        }
        self.tell(ConnectionState::Connected { peer });
        let context = Context::new(Arc::clone(&self.connection), Arc::clone(&self.blocking));
        let services = Services { router: Arc::clone(&self.router), context };
        self.tasks.spawn(Driver::new(&self.connection, stream, services));
        Ok(())
    }

    /// Returns when the connection takes no more calls, and another one takes them.
    async fn live(&mut self) -> Result<Arc<CloseReason>, End> {
        let begun = Instant::now();
        let reason = poll_fn(|cx| self.connection.poll_ended(cx)).await;
        self.tries.lost(self.connection.is_proven(), begun.elapsed());
        let peer_name = self.connection.peer_name();
        self.tries.failed(format!("the connection to {peer_name} ended: {reason}"));
        self.hooks.disconnected(&reason);
        self.follow(&reason)?;
        Ok(reason)
    }

    /// Goes over to the connection that follows the one that ended.
    fn follow(&mut self, reason: &Arc<CloseReason>) -> Result<(), End> {
        let link = self.link.upgrade();
        let next = link.and_then(|link| link.follower(&self.connection, reason));
        let next = next.ok_or_else(|| End(Arc::clone(reason)))?;
        let ended = std::mem::replace(&mut self.connection, next);
        self.draining.retain(|older| !older.gone().is_cancelled());
        self.draining.push_back(ended);
        if self.draining.len() > MOST_DRAINING
            && let Some(oldest) = self.draining.pop_front()
        {
            oldest.close(Closing::Abort);
        }
        Ok(())
    }

    /// Puts a connection that takes calls in the place of the one that fails them.
    fn replace(&mut self) -> Result<(), End> {
        let link = self.link.upgrade();
        let next = link.and_then(|link| link.replace(&self.connection));
        self.connection = next.ok_or_else(End::local)?;
        Ok(())
    }

    /// Waits for `future`, unless the link is closed before, and watches over the calls that wait.
    async fn unless_closed<T>(&mut self, future: impl Future<Output = T>) -> Result<T, End> {
        let mut future = pin!(future);
        let Self { connection, alarm, .. } = self;
        poll_fn(|cx| match connection.poll_awaited(alarm, cx) {
            Poll::Ready(()) => Poll::Ready(Err(End::local())),
            Poll::Pending => future.as_mut().poll(cx).map(Ok),
        })
        .await
    }

    fn give_up(&self) -> End {
        End(self.unreachable())
    }

    fn unreachable(&self) -> Arc<CloseReason> {
        unreachable(self.tries.made(), self.error())
    }

    fn error(&self) -> Arc<str> {
        self.tries.error().cloned().unwrap_or_else(|| "none was tried for".into())
    }

    fn tell_waiting(&self, pause: std::time::Duration) {
        let (tries, error) = (self.tries.made(), self.error());
        self.tell(ConnectionState::Waiting { tries, error, pause });
    }

    fn tell(&self, state: ConnectionState) {
        tracing::debug!(%state, "client");
        self.states.send_replace(state);
    }

    /// Leaves nobody waiting.
    fn end(&mut self, reason: Arc<CloseReason>) {
        self.ended = true;
        if let Some(link) = self.link.upgrade() {
            link.end(&reason);
        }
        self.connection.fail(&reason);
        for older in self.draining.drain(..) {
            older.close(Closing::Flush);
        }
        self.tell(ConnectionState::Closed { reason });
    }
}

impl Drop for Keeper {
    /// A keeper that is dropped with its runtime, or panics with a transport of the user's.
    fn drop(&mut self) {
        if !self.ended {
            self.end(Arc::new(CloseReason::Local));
        }
    }
}
