//! A group's socket and its one task, which receives what members answer.
//!
//! Shared by the clones of a [`Group`](super::Group) and their calls. It sends what it is given and routes what comes to
//! the call that waits for it; it decodes no answer.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use msgrpc_core::connection::Event;
use msgrpc_core::datagram::Datagram;
use msgrpc_core::{Limits, Raw};
use msgrpc_transport::{Address, DatagramSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::collect::{Collector, Fate};
use super::subnet::Subnet;
use crate::connection::now;
use crate::error::NoMessage;

/// A group's socket, with what is under way over it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: DatagramSocket,
    /// The group, as the place to send to.
    pub(super) to: SocketAddr,
    pub(super) address: Arc<Address>,
    pub(super) options: Options,
    state: Mutex<State>,
}

/// The settings of a group.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) wait: Duration,
    pub(super) max_in_flight: usize,
    pub(super) max_datagram: usize,
    pub(super) max_replies: usize,
    pub(super) max_reply_bytes: usize,
    pub(super) dedup_by_source: bool,
    /// From where replies are accepted; empty: from everywhere.
    pub(super) accept_from: Vec<Subnet>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) collector: Collector,
    pub(super) counts: GroupCounts,
}

/// What came to a [`Group`](crate::Group) and was not given to anybody, since it was joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupCounts {
    /// Answers to calls that had ended, or that nobody made.
    pub late: u64,
    /// Answers of an address that had answered, with `dedup_by_source`.
    pub repeated: u64,
    /// Answers to calls that had as many replies, or bytes, as they may keep.
    pub over_limit: u64,
    /// Datagrams from outside of `accept_from`.
    pub refused: u64,
    /// Datagrams that are no messages. The calls under way at that moment report them as well.
    pub garbage: u64,
    /// Requests and notifications: a group serves nobody.
    pub unasked: u64,
}

impl Link {
    pub(super) fn new(
        socket: DatagramSocket,
        to: SocketAddr,
        address: Address,
        options: Options,
    ) -> Self {
        Self { socket, to, address: Arc::new(address), options, state: Mutex::default() }
    }

    /// Sends one datagram to the group at once.
    pub(super) fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.try_send(datagram, Some(self.to), None)
    }

    /// Sends one datagram to the group when the system has room for it.
    pub(super) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram, Some(self.to), None).await
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and the state is whole after each of its methods.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives for ever. An error concerns what was sent, or the machine for a while: it is waited out.
    async fn receive(&self, limits: Limits) {
        let mut buffer = BytesMut::new();
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.socket.recv(&mut buffer).await {
                Ok(received) => {
                    pause = SHORTEST_PAUSE;
                    self.handle(received.from, &buffer.split().freeze(), &limits);
                }
                Err(error) => {
                    tracing::debug!(group = %self.address, %error, "receiving failed");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Gives what a datagram holds to whoever waits for it.
    fn handle(&self, from: SocketAddr, datagram: &Bytes, limits: &Limits) {
        let accepted = &self.options.accept_from;
        if !accepted.is_empty() && !accepted.iter().any(|subnet| subnet.contains(from.ip())) {
            self.lock().counts.refused += 1;
            return;
        }
        let datagram = Datagram::read(datagram, limits);
        let now = now();
        let mut woken = Vec::new();
        let mut state = self.lock();
        match datagram {
            Ok(datagram) => {
                for (_, event) in datagram.events() {
                    state.handle(from, now, event, &mut woken);
                }
            }
            Err(error) => state.handle_garbage(from, now, &error.into(), &mut woken),
        }
        drop(state);
        for waker in woken {
            waker.wake();
        }
    }
}

impl State {
    fn handle(&mut self, from: SocketAddr, now: Instant, event: Event<'_>, woken: &mut Vec<Waker>) {
        match event {
            Event::Response(response) => {
                let answer = response.outcome.map(Raw::bytes).map_err(Raw::bytes);
                let (fate, waker) = self.collector.handle_answer(response.msgid, from, now, answer);
                self.counts.add(fate);
                woken.extend(waker);
            }
            Event::Malformed(malformed) => {
                self.handle_garbage(from, now, &NoMessage::Malformed(malformed.fault), woken);
            }
            _ => self.counts.unasked += 1,
        }
    }

    fn handle_garbage(
        &mut self,
        from: SocketAddr,
        now: Instant,
        error: &NoMessage,
        woken: &mut Vec<Waker>,
    ) {
        self.counts.garbage += 1;
        woken.extend(self.collector.handle_garbage(from, now, error));
    }
}

impl GroupCounts {
    fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Kept => {}
            Fate::Late => self.late += 1,
            Fate::Repeated => self.repeated += 1,
            Fate::OverLimit => self.over_limit += 1,
        }
    }
}

/// A hold on a link: its task ends with the last one.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) link: Arc<Link>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Handle {
    /// Starts the task that receives. Must be called within a tokio runtime.
    pub(super) fn start(link: Link) -> Self {
        let (link, tasks, stop) = (Arc::new(link), TaskTracker::new(), CancellationToken::new());
        let (receiver, stopped) = (Arc::clone(&link), stop.clone());
        let mut limits = Limits::client();
        limits.message_bytes = LONGEST_DATAGRAM;
        tasks.spawn(async move { stopped.run_until_cancelled(receiver.receive(limits)).await });
        tasks.close();
        Self { link, tasks, stop }
    }

    /// Ends the task, and waits for that.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What UDP's length field allows.
const LONGEST_DATAGRAM: usize = 1 << 16;

/// How long receiving pauses after an error, doubling from the one to the other.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
