//! A client's hold on its datagrams: the socket, the calls under way, and who sends what.
//!
//! Shared by a client's clones and calls and by its [task](super::reader). All that happens under the lock takes
//! moments, without I/O. A call is sent by its caller; what the kernel has no room for, and what waits for its turn, by
//! the task.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use msgrpc_core::{Limits, MsgId, datagram};
use msgrpc_transport::{Address, ConnectError, DatagramSocket, DialOptions, Peer};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pending::{Pending, Request, Settled, Turn};
use super::{CallOptions, DatagramCounters, Retransmit, reader};
use crate::caller::Outgoing;
use crate::client::ConnectionState;
use crate::connection::now;
use crate::error::{CallError, CloseReason, Closed, NotConnected, TooLarge};

/// A client's hold, shared by its clones and calls; the client closes with it.
pub(crate) struct DatagramLink {
    association: Arc<Association>,
}

/// What the hold and the task share.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) socket: DatagramSocket,
    state: Mutex<State>,
    /// Told when the task has to look at its alarm or at what is unsent.
    pub(super) changed: Notify,
    /// Cancelled when it closes.
    pub(super) closing: CancellationToken,
    pub(super) counters: DatagramCounters,
    pub(super) limits: Limits,
    options: CallOptions,
    /// The peer in error texts.
    peer_name: Arc<str>,
    tasks: TaskTracker,
}

/// What stands under the lock.
#[derive(Debug)]
struct State {
    pending: Pending,
    /// When the task looks next.
    alarm: Option<Instant>,
    closed: Option<Arc<CloseReason>>,
}

impl DatagramLink {
    /// Opens a socket to `address`. Nothing is sent.
    pub(crate) async fn open(
        address: &Address,
        dial: &DialOptions,
        limits: Limits,
        options: CallOptions,
    ) -> Result<Self, ConnectError> {
        let socket = DatagramSocket::connect(address, dial).await?;
        let peer_name = socket.peer().map_or_else(|| address.to_string(), |peer| peer.to_string());
        let tasks = TaskTracker::new();
        let association = Arc::new(Association {
            socket,
            state: Mutex::new(State {
                pending: Pending::new(options.max_in_flight),
                alarm: None,
                closed: None,
            }),
            changed: Notify::new(),
            closing: CancellationToken::new(),
            counters: DatagramCounters::default(),
            limits,
            options,
            peer_name: peer_name.into(),
            tasks: tasks.clone(),
        });
        tasks.spawn(reader::drive(Arc::clone(&association)));
        tasks.close();
        Ok(Self { association })
    }

    pub(crate) fn peer_name(&self) -> &Arc<str> {
        &self.association.peer_name
    }

    pub(crate) fn counters(&self) -> &DatagramCounters {
        &self.association.counters
    }

    pub(crate) fn closed(&self) -> Option<Arc<CloseReason>> {
        self.association.lock().closed.clone()
    }

    pub(crate) fn peer(&self) -> Peer {
        match self.association.socket.peer() {
            Some(peer) => peer.into(),
            None => Peer::named(&*self.association.peer_name),
        }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        match self.closed() {
            Some(reason) => ConnectionState::Closed { reason },
            None => ConnectionState::Connected { peer: self.peer() },
        }
    }

    /// Cancelled when it closes.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.association.closing
    }

    /// Closes after what is queued is sent, and waits for that.
    pub(crate) async fn close(self: Arc<Self>) {
        let association = Arc::clone(&self.association);
        association.close();
        drop(self);
        association.tasks.wait().await;
    }

    pub(super) fn association(&self) -> &Arc<Association> {
        &self.association
    }
}

impl Drop for DatagramLink {
    fn drop(&mut self) {
        self.association.close();
    }
}

impl fmt::Debug for DatagramLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramLink").field("peer", self.peer_name()).finish_non_exhaustive()
    }
}

impl Association {
    // For callers.

    /// Sends a call, or enters it in the line of those that wait for their turn.
    pub(super) fn begin(
        &self,
        call: &Outgoing,
        deadline: Option<Instant>,
        waker: &Waker,
    ) -> Result<MsgId, CallError> {
        let retransmit =
            if call.idempotent { self.options.retransmit } else { Retransmit::never() };
        let request = Request { deadline, retransmit, waker: waker.clone() };
        let now = now();
        // Drawn before the lock; whether it is free is known under it.
        let mut drawn = draw();
        let (msgid, datagram, turn) = loop {
            let datagram = Bytes::from(datagram::request(drawn, &call.method, &call.params));
            self.check_size(call, datagram.len())?;
            let mut state = self.lock();
            if let Some(reason) = &state.closed {
                let reason = Arc::clone(reason);
                drop(state);
                return Err(self.closed(call, reason, false));
            }
            let free = state.pending.free_msgid(now, {
                let mut first = Some(drawn);
                move || first.take().unwrap_or_else(draw)
            });
            if free != drawn {
                drawn = free;
                continue;
            }
            let turn = state.pending.begin(drawn, datagram.clone(), request, now);
            self.tell_if_late(state);
            break (drawn, datagram, turn);
        };
        if turn == Turn::Now && !self.send(msgid, datagram) {
            self.changed.notify_one();
        }
        Ok(msgid)
    }

    /// Sends a notification at once; `WouldBlock` when there is no room for it.
    pub(super) fn try_notify(&self, datagram: &[u8]) -> io::Result<()> {
        self.try_send(datagram, None)
    }

    /// The notification's bytes, if it may be sent.
    pub(super) fn write_notification(&self, notification: &Outgoing) -> Result<Bytes, CallError> {
        let bytes = datagram::notification(&notification.method, &notification.params);
        self.check_size(notification, bytes.len())?;
        let reason = self.lock().closed.clone();
        match reason {
            Some(reason) => Err(self.closed(notification, reason, false)),
            None => Ok(bytes.into()),
        }
    }

    /// What became of a call; `waker` is told when it is known.
    pub(super) fn poll_settled(&self, msgid: MsgId, waker: &Waker) -> Poll<Settled> {
        self.lock().pending.poll_settled(msgid, waker)
    }

    /// The future of a call is gone.
    pub(super) fn forget(&self, msgid: MsgId) {
        let mut state = self.lock();
        state.pending.forget(msgid, now());
        self.tell_if_unsent(state);
    }

    pub(super) fn peer_name(&self) -> &Arc<str> {
        &self.peer_name
    }

    pub(super) fn closed_by(&self) -> Arc<CloseReason> {
        self.lock().closed.clone().unwrap_or_else(|| Arc::new(CloseReason::Local))
    }

    pub(super) fn closed(
        &self,
        call: &Outgoing,
        reason: Arc<CloseReason>,
        sent: bool,
    ) -> CallError {
        let peer = Arc::clone(&self.peer_name);
        CallError::Closed(Closed { method: call.method.clone(), peer, reason, sent })
    }

    /// The error of what the system refused to send.
    pub(super) fn not_sent(&self, call: &Outgoing, error: &io::Error) -> CallError {
        self.counters.unsent();
        let reason = format!("the system refused to send it to {}: {error}", self.peer_name);
        CallError::NotConnected(NotConnected::new(call.method.clone(), reason, 0))
    }

    fn check_size(&self, call: &Outgoing, bytes: usize) -> Result<(), CallError> {
        let limit = self.options.longest();
        if bytes <= limit {
            return Ok(());
        }
        Err(CallError::TooLarge(TooLarge::for_a_datagram(call.method.clone(), bytes, limit)))
    }

    // For the task.

    /// Calls `change` with the calls and a list for wakers, who are woken then. Whoever is not the task tells it when a
    /// call that ended made room for another.
    pub(super) fn with_pending<T>(
        &self,
        change: impl FnOnce(&mut Pending, Instant, &mut Vec<Waker>) -> T,
    ) -> T {
        let mut woken = Vec::new();
        let mut state = self.lock();
        let result = change(&mut state.pending, now(), &mut woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        result
    }

    /// When the task has to look next, which it then does.
    pub(super) fn next_alarm(&self) -> Option<Instant> {
        let mut state = self.lock();
        state.alarm = state.pending.earliest();
        state.alarm
    }

    /// Sends what is unsent; false: the kernel has no room.
    pub(super) fn send_unsent(&self) -> bool {
        loop {
            let mut state = self.lock();
            if !state.pending.has_unsent() {
                return true;
            }
            let Some((msgid, datagram)) = state.pending.next_unsent(now()) else { continue };
            drop(state);
            if !self.send(msgid, datagram) {
                return false;
            }
        }
    }

    /// Sends again what had no answer so far. What cannot be sent now counts as lost.
    pub(super) fn send_again(&self, datagrams: Vec<Bytes>) {
        for datagram in datagrams {
            match self.try_send(&datagram, None) {
                Ok(()) => self.counters.resent(),
                Err(error) => {
                    tracing::debug!(peer = %self.peer_name, %error, "could not send again");
                    self.counters.unsent();
                }
            }
        }
    }

    /// The network says that nobody is there: those that wait for answers learn it.
    pub(super) fn unreachable(&self, error: io::Error, except: Option<MsgId>) {
        let error = Arc::new(error);
        self.with_pending(|pending, now, woken| pending.unreachable(&error, except, now, woken));
        self.tell_if_unsent(self.lock());
    }

    /// Nothing more is sent or answered.
    pub(super) fn end(&self) {
        self.close();
        self.with_pending(Pending::close);
    }

    // The lock, and sending.

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics but by a defect of ours.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses calls from now on, and lets the task end.
    fn close(&self) {
        self.lock().closed.get_or_insert_with(|| Arc::new(CloseReason::Local));
        self.closing.cancel();
    }

    /// Sends a call that counts as sent. False: the kernel has no room, and the task has to send it later.
    fn send(&self, msgid: MsgId, datagram: Bytes) -> bool {
        match self.try_send(&datagram, Some(msgid)) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.lock().pending.postpone(msgid, datagram);
                false
            }
            Err(error) => {
                self.with_pending(|pending, now, woken| pending.refuse(msgid, error, now, woken));
                self.tell_if_unsent(self.lock());
                true
            }
        }
    }

    /// Sends a datagram. An error that the network has reported about an earlier one ends those that wait, and is
    /// none of this one's, which is `of`.
    fn try_send(&self, datagram: &[u8], of: Option<MsgId>) -> io::Result<()> {
        for _ in 0..MOST_EARLIER_ERRORS {
            match self.socket.try_send(datagram, None, None) {
                Err(error) if is_unreachable(&error) => self.unreachable(error, of),
                sent => return sent,
            }
        }
        self.socket.try_send(datagram, None, None)
    }

    /// Tells the task when a call is due before it looks.
    fn tell_if_late(&self, state: MutexGuard<'_, State>) {
        let earliest = state.pending.earliest();
        let is_late = earliest.is_some_and(|at| state.alarm.is_none_or(|alarm| at < alarm));
        drop(state);
        if is_late {
            self.changed.notify_one();
        }
    }

    fn tell_if_unsent(&self, state: MutexGuard<'_, State>) {
        let has_unsent = state.pending.has_unsent();
        drop(state);
        if has_unsent {
            self.changed.notify_one();
        }
    }
}

/// Whether the network has reported that what was sent before has reached nobody (ICMP).
pub(super) fn is_unreachable(error: &io::Error) -> bool {
    // Windows reports a refusal as a reset.
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

/// An id that nobody can guess, from a generator that is fit for secrets.
fn draw() -> MsgId {
    MsgId::new(rand::random_range(0..MsgId::BOUND))
}

/// Errors about earlier datagrams that a send passes over.
const MOST_EARLIER_ERRORS: usize = 2;
