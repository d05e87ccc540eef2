//! A client's hold on its server: one connection at a time, the next one ready to be waited for.
//!
//! Shared by a client's clones and calls; [`Keeper`](super::keeper::Keeper) opens the connections. A connection that
//! has ended is followed by one without a stream, whose line takes the calls until there is one. Whoever
//! notices the end first, a call or the keeper, puts it in place.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use msgrpc_core::Limits;
use msgrpc_transport::{Connect, Stream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::keeper::Keeper;
use super::reconnect::{Reconnect, Tries};
use super::state::{ConnectionState, ConnectionStates, Hooks, state_of};
use crate::budget::RetryBudget;
use crate::connection::{Closing, Connection, Manners, require_clock};
use crate::error::{CallError, CloseReason, NotConnected};
use crate::router::Router;

/// What a client over streams is made from.
pub(super) struct Plan {
    /// Where it leads, in error texts.
    pub(super) name: Arc<str>,
    /// Opens the connections; `None` where the first one is the only one.
    pub(super) connector: Option<Arc<dyn Connect>>,
    pub(super) tries: Tries,
    pub(super) absence: Absence,
    /// Calls of a hundred that may be repeated.
    pub(super) retry_percent: u32,
    /// See [`Reconnect::silent_timeouts`](super::Reconnect::silent_timeouts).
    pub(super) silent_timeouts: u32,
    pub(super) manners: Manners,
    pub(super) router: Arc<Router>,
    pub(super) hooks: Arc<Hooks>,
}

impl Plan {
    /// A client over `stream`, which nothing can replace.
    pub(super) fn of_one(stream: &Stream, manners: Manners, router: Arc<Router>) -> Self {
        Self {
            name: stream.peer().to_string().into(),
            connector: None,
            tries: Tries::new(Reconnect::never()),
            absence: Absence::Ends,
            retry_percent: 0,
            silent_timeouts: 0,
            manners,
            router,
            hooks: Arc::default(),
        }
    }
}

/// What calls do that find no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// They fail, as none follows.
    Ends,
    /// They fail, although one will follow.
    Fails,
    /// They wait.
    Waits,
}

/// A client's hold on its server, shared by its clones and calls.
pub(crate) struct StreamLink {
    state: Mutex<State>,
    /// What calls may be repeated.
    budget: RetryBudget,
    limits: Arc<Limits>,
    /// `None` for the connection of somebody else, which was lent.
    own: Option<Own>,
}

/// What stands under the lock.
struct State {
    /// The connection that calls are made on: live, awaited, or ended and not replaced yet.
    current: Arc<Connection>,
    /// Why no connection follows any more.
    ended: Option<Arc<CloseReason>>,
}

/// What belongs to a link that is nobody else's.
struct Own {
    name: Arc<str>,
    absence: Absence,
    silent_timeouts: u32,
    manners: Manners,
    tasks: TaskTracker,
    states: watch::Sender<ConnectionState>,
}

impl Own {
    /// A connection that waits for its stream, or that fails calls until another one takes its place.
    fn awaited(&self) -> Connection {
        let name = Arc::clone(&self.name);
        let tasks = self.tasks.clone();
        Connection::awaited(name, self.silent_timeouts, &self.manners, tasks)
    }

    /// The next one after a connection that ended for this reason.
    fn follower(&self, reason: &CloseReason) -> Arc<Connection> {
        let next = self.awaited();
        if self.absence == Absence::Fails {
            next.fail(&unreachable(0, reason.to_string()));
        }
        Arc::new(next)
    }
}

impl StreamLink {
    /// The hold on the server that `plan` leads to, over `stream` if one was opened already. Must be called
    /// within a tokio runtime.
    pub(super) fn start(plan: Plan, stream: Option<Stream>) -> Arc<Self> {
        require_clock();
        let tasks = TaskTracker::new();
        tasks.close();
        let (states, _) = watch::channel(ConnectionState::Connecting { tries: 0, error: None });
        let own = Own {
            name: Arc::clone(&plan.name),
            absence: plan.absence,
            silent_timeouts: plan.silent_timeouts,
            manners: plan.manners.clone(),
            tasks: tasks.clone(),
            states: states.clone(),
        };
        let first = own.awaited();
        if stream.is_none() && plan.absence == Absence::Fails {
            first.fail(&unreachable(0, format!("there is no connection to {} yet", plan.name)));
        }
        let connection = Arc::new(first);
        let link = Arc::new(Self {
            state: Mutex::new(State { current: Arc::clone(&connection), ended: None }),
            budget: RetryBudget::new(plan.retry_percent),
            limits: Arc::clone(&plan.manners.limits),
            own: Some(own),
        });
        let keeper = Keeper::new(plan, &link, connection, (tasks, states));
        keeper.start(stream);
        link
    }

    /// A hold on a connection that somebody else owns.
    pub(super) fn borrowed(connection: &Arc<Connection>) -> Self {
        let state = State { current: Arc::clone(connection), ended: None };
        let limits = Arc::clone(connection.limits());
        Self { state: Mutex::new(state), budget: RetryBudget::new(0), limits, own: None }
    }

    // For calls.

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The connection for a new call.
    pub(super) fn enter(&self) -> Arc<Connection> {
        self.budget.earn();
        self.current()
    }

    /// The connection now.
    pub(super) fn current(&self) -> Arc<Connection> {
        Arc::clone(&self.lock().current)
    }

    /// The connection that follows `ended`, which takes no calls any more for this reason. `None`: none does.
    pub(super) fn follower(
        &self,
        ended: &Arc<Connection>,
        reason: &CloseReason,
    ) -> Option<Arc<Connection>> {
        let own = self.own.as_ref()?;
        let mut state = self.lock();
        if !Arc::ptr_eq(&state.current, ended) {
            return Some(Arc::clone(&state.current));
        }
        if state.ended.is_some() || own.absence == Absence::Ends {
            return None;
        }
        state.current = own.follower(reason);
        Some(Arc::clone(&state.current))
    }

    /// Whether a call that was sent may be sent once more.
    pub(super) fn may_repeat(&self) -> bool {
        self.budget.spend()
    }

    /// What a call is told that had no connection: what became of the tries, or else `otherwise`.
    pub(super) fn not_connected(
        &self,
        method: Cow<'static, str>,
        otherwise: impl FnOnce() -> String,
    ) -> CallError {
        let failure = self.own.as_ref().and_then(|own| own.states.borrow().failure());
        let (tries, reason) = failure.unwrap_or_else(|| (0, otherwise().into()));
        CallError::NotConnected(NotConnected::new(method, reason, tries))
    }

    // For the keeper.

    /// Puts a connection that waits for its stream in the place of `failed`. `None`: none follows.
    pub(super) fn replace(&self, failed: &Arc<Connection>) -> Option<Arc<Connection>> {
        let own = self.own.as_ref()?;
        let mut state = self.lock();
        if state.ended.is_some() || !Arc::ptr_eq(&state.current, failed) {
            return None;
        }
        state.current = Arc::new(own.awaited());
        Some(Arc::clone(&state.current))
    }

    /// No connection follows any more, and nobody waits for one.
    pub(super) fn end(&self, reason: &Arc<CloseReason>) {
        let mut state = self.lock();
        state.ended.get_or_insert_with(|| Arc::clone(reason));
        let connection = Arc::clone(&state.current);
        drop(state);
        connection.fail(reason);
    }

    // For handles.

    /// Closes after what is queued is written, and waits for that.
    pub(super) async fn close(self: Arc<Self>) {
        let Some(own) = &self.own else {
            let connection = self.current();
            connection.close(Closing::Flush);
            if connection.closed().is_none() {
                // The tasks of a connection that was lent are its server's.
                connection.gone().cancelled().await;
            }
            return;
        };
        let tasks = own.tasks.clone();
        self.shut();
        drop(self);
        tasks.wait().await;
    }

    /// Why there will be no connection any more.
    pub(super) fn closed(&self) -> Option<Arc<CloseReason>> {
        let state = self.lock();
        let never = self.own.as_ref().is_none_or(|own| own.absence == Absence::Ends);
        // How the only connection ended says more than that it was to end.
        let only = state.current.closed().filter(|_| never);
        only.or_else(|| state.ended.clone())
    }

    pub(super) fn state(&self) -> ConnectionState {
        match &self.own {
            Some(own) => own.states.borrow().clone(),
            None => state_of(&self.current()),
        }
    }

    pub(super) fn watch(&self) -> ConnectionStates {
        match &self.own {
            Some(own) => ConnectionStates::own(&own.states),
            None => ConnectionStates::lent(&self.current()),
        }
    }

    /// The peer in error texts.
    pub(super) fn peer_name(&self) -> Arc<str> {
        Arc::clone(self.current().peer_name())
    }

    fn shut(&self) {
        let mut state = self.lock();
        state.ended.get_or_insert_with(|| Arc::new(CloseReason::Local));
        let connection = Arc::clone(&state.current);
        drop(state);
        connection.close(Closing::Flush);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamLink {
    fn drop(&mut self) {
        if self.own.is_some() {
            self.shut();
        }
    }
}

impl fmt::Debug for StreamLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamLink").field("peer", &self.peer_name()).finish_non_exhaustive()
    }
}

/// Why calls fail while there is no connection.
pub(super) fn unreachable(tries: u32, reason: impl Into<Arc<str>>) -> Arc<CloseReason> {
    Arc::new(CloseReason::Unreachable { tries, reason: reason.into() })
}
