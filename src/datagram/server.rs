//! One socket that serves datagrams: each is read by itself, its requests are started, their outcomes are sent back.
//!
//! Run by the server, one task a socket. Nothing ends it but its server: not what a peer sends, not an error of the
//! network. It keeps no table of msgids, so that two peers with the same id never meet.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use msgrpc_core::connection::Event;
use msgrpc_core::datagram::Datagram;
use msgrpc_core::{Fault, Invocation, Malformed, MsgId};
use msgrpc_transport::{Address, DatagramSocket, Received};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::amplification::Amplification;
use super::answer::{Answer, is_unknown_method};
use super::dedup::{Key, Memory, Seen};
use super::places::{Place, Places};
use super::{Asked, DatagramCounters, DatagramOptions};
use crate::accept::Acceptor;
use crate::connection::{Closing, Manners, now};
use crate::context::Context;
use crate::method_timeouts::Due;
use crate::router::Router;
use crate::running::{Running, Started};
use crate::service::{Outcome, Request};
use crate::shutdown::{ServerHandle, add};

/// A socket that was bound, and how its server answers.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) socket: DatagramSocket,
    pub(crate) answering: Answering,
}

/// How datagrams are answered.
#[derive(Debug, Default)]
pub(crate) struct Answering {
    /// Requests of unknown methods, and those of a wrong shape, are not answered: many servers may have got them, and
    /// most of those have nothing to say.
    pub(crate) silent: bool,
    /// The socket that answers go out from. Default: the one that was asked.
    pub(crate) socket: Option<Arc<DatagramSocket>>,
    /// Answers wait for a random time up to this one, so that those of many servers do not come at once.
    pub(crate) delay: Option<Duration>,
}

/// The server of one socket.
pub(crate) struct DatagramServer {
    socket: DatagramSocket,
    answering: Answering,
    router: Arc<Router>,
    blocking: Arc<Semaphore>,
    manners: Manners,
    longest: usize,
    places: Arc<Places>,
    amplification: Amplification,
    memory: Option<Memory>,
    counters: DatagramCounters,
    tasks: TaskTracker,
    server: ServerHandle,
    /// Cancelled when nothing more is read.
    stopping: CancellationToken,
    /// Cancelled when nothing more is answered.
    gone: CancellationToken,
}

/// The way back of an answer.
#[derive(Clone, Copy, Debug)]
struct Back {
    to: SocketAddr,
    from: Option<IpAddr>,
    /// Bytes of the request that an answer is measured by.
    request: usize,
}

/// What was asked, until it is answered.
struct Question {
    back: Back,
    msgid: MsgId,
    key: Option<Key>,
}

impl DatagramServer {
    pub(crate) fn new(
        listening: Listening,
        acceptor: &Acceptor,
        options: &DatagramOptions,
        counters: DatagramCounters,
    ) -> Arc<Self> {
        let Listening { socket, answering } = listening;
        Arc::new(Self {
            socket,
            answering,
            router: Arc::clone(&acceptor.router),
            blocking: Arc::clone(&acceptor.blocking),
            manners: acceptor.manners.clone(),
            longest: options.longest(),
            places: Arc::new(Places::new(options)),
            amplification: Amplification::new(options),
            memory: options.dedup.then(Memory::default),
            counters,
            tasks: acceptor.tasks.clone(),
            server: acceptor.server.clone(),
            stopping: CancellationToken::new(),
            gone: CancellationToken::new(),
        })
    }

    /// Receives and serves until it is closed.
    pub(crate) async fn run(self: Arc<Self>) {
        let reading = async {
            let mut buffer = BytesMut::new();
            let mut errors = 0;
            loop {
                match self.socket.recv(&mut buffer).await {
                    Ok(received) => {
                        errors = 0;
                        self.handle(&buffer.split().freeze(), &received);
                    }
                    Err(error) => self.wait_out(&error, &mut errors).await,
                }
            }
        };
        self.stopping.run_until_cancelled(reading).await;
    }

    /// Brings it to its end: reads no more, and unless it may finish, drops what is at work.
    pub(crate) fn close(&self, closing: Closing) {
        self.stopping.cancel();
        if closing == Closing::Abort {
            self.gone.cancel();
        }
    }

    /// Requests and notifications at work, and answers that wait to be sent.
    pub(crate) fn at_work(&self) -> usize {
        self.places.taken()
    }

    pub(super) fn address(&self) -> &Address {
        self.socket.address()
    }

    pub(super) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// What the network reports about answers sent before (ICMP) is of one peer, and passed over. What keeps coming is
    /// of this machine, and waited out.
    async fn wait_out(&self, error: &io::Error, errors: &mut u32) {
        tracing::debug!(address = %self.address(), %error, "receiving failed");
        *errors += 1;
        if *errors > MOST_ERRORS {
            *errors = 0;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Handles one datagram.
    fn handle(self: &Arc<Self>, datagram: &Bytes, received: &Received) {
        self.counters.received();
        let messages = match Datagram::read(datagram, &self.manners.limits) {
            Ok(messages) => messages,
            Err(error) => {
                tracing::debug!(peer = %received.from, %error, "a datagram was dropped");
                return self.counters.garbage();
            }
        };
        let (to, from) = (received.from, received.to);
        let mut begin = 0;
        for (index, (bytes, event)) in messages.events().enumerate() {
            let frame = datagram.get(begin..begin + bytes).unwrap_or_default();
            begin += bytes;
            // A later message has shared the way here with the first, but its answer travels alone.
            let request = if index == 0 { bytes } else { bytes.saturating_sub(HEADERS) };
            let back = Back { to, from, request };
            match event {
                Event::Invocation(invocation) => self.start(&invocation, frame, back, received),
                Event::Malformed(malformed) => self.refuse(malformed, back),
                // Nothing was asked for from here.
                _ => self.counters.unasked(),
            }
        }
    }

    /// Starts a request or a notification.
    fn start(
        self: &Arc<Self>,
        invocation: &Invocation<'_>,
        frame: &[u8],
        back: Back,
        received: &Received,
    ) {
        let Some(place) = self.take_place(back) else { return };
        let question = match invocation.msgid {
            None => None,
            Some(msgid) => match self.ask(msgid, frame, back) {
                Ok(question) => Some(question),
                Err(Some(answer)) => return self.dispatch(back, answer, place),
                Err(None) => return,
            },
        };
        if invocation.method.len() > self.manners.limits.method_bytes {
            let outcome = Fault::unknown_method(invocation.method).into();
            return self.finish(question, outcome, place);
        }
        let context = Context::asked(
            Asked::new(self, received),
            Arc::clone(&self.blocking),
            self.server.clone(),
        );
        let due = self.router.due(|| invocation.method);
        let (context, due) = match due {
            None => (context, None),
            Some(due) => (context.due_at(due.at), Some((due, invocation.method.into()))),
        };
        let request = Request::new(invocation.keep(), context);
        match Running::start(|| self.router.call(request)) {
            Started::Ready(outcome) => self.finish(question, outcome, place),
            Started::Pending(running) => {
                let server = Arc::clone(self);
                self.tasks.spawn(server.work(question, (running, due), (back, place)));
            }
        }
    }

    /// A request that was not ready at once.
    async fn work(
        self: Arc<Self>,
        question: Option<Question>,
        (running, due): (Running, Option<(Due, Box<str>)>),
        (back, place): (Back, Place),
    ) {
        let outcome = async {
            let Some((due, method)) = due else { return running.await };
            due.limit(running, &method, &back.to.to_string(), self.server.tally()).await
        };
        match self.gone.run_until_cancelled(outcome).await {
            Some(outcome) => self.finish(question, outcome, place),
            None => add(&self.server.tally().aborted, 1),
        }
    }

    /// A request that is new; otherwise the answer that it had, if it has been answered.
    fn ask(&self, msgid: MsgId, frame: &[u8], back: Back) -> Result<Question, Option<Answer>> {
        let Some(memory) = &self.memory else { return Ok(Question { back, msgid, key: None }) };
        let key = memory.key(back.to, msgid, frame);
        match memory.enter(key, now()) {
            Seen::New => Ok(Question { back, msgid, key: Some(key) }),
            seen => {
                self.counters.repeated();
                let Seen::Answered(answer) = seen else { return Err(None) };
                Err(Some(answer))
            }
        }
    }

    /// Answers what is no message, if it has an id (W11).
    fn refuse(self: &Arc<Self>, malformed: Malformed, back: Back) {
        self.counters.garbage();
        let Some(msgid) = malformed.msgid.filter(|_| !self.answering.silent) else { return };
        if let Some(place) = self.take_place(back) {
            let question = Question { back, msgid, key: None };
            self.finish(Some(question), malformed.fault.into(), place);
        }
    }

    fn take_place(&self, back: Back) -> Option<Place> {
        let place = self.places.take(back.to.ip().to_canonical());
        if place.is_none() {
            self.counters.overloaded();
        }
        place
    }

    /// Something that was at work is done; answers it, if an answer is due.
    fn finish(self: &Arc<Self>, question: Option<Question>, outcome: Outcome, place: Place) {
        if self.stopping.is_cancelled() {
            add(&self.server.tally().answered, 1);
        }
        let Some(Question { back, msgid, key }) = question else { return };
        let memory = self.memory.as_ref().zip(key);
        if self.answering.silent && is_unknown_method(&outcome) {
            if let Some((memory, key)) = memory {
                memory.forget(key);
            }
            return self.counters.unanswered();
        }
        let answer = Answer::new(msgid, outcome, self.manners.faults, self.longest);
        if let Some((memory, key)) = memory {
            memory.answered(key, answer.clone(), now());
        }
        self.dispatch(back, answer, place);
    }

    /// Sends an answer, if its peer may be sent as much.
    fn dispatch(self: &Arc<Self>, back: Back, answer: Answer, place: Place) {
        let Answer { datagram, kind } = answer;
        let source = back.to.ip();
        if !self.amplification.allows(source, kind, (back.request, datagram.len()), now()) {
            tracing::debug!(peer = %back.to, bytes = datagram.len(), "an answer was kept back");
            return self.counters.unanswered();
        }
        if self.answering.delay.is_none() {
            match self.answering_socket().try_send(&datagram, Some(back.to), back.from) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return self.note_sent(back, sent),
            }
        }
        // Reading does not wait for this; the place bounds how many there are.
        let server = Arc::clone(self);
        self.tasks.spawn(async move {
            let gone = server.gone.clone();
            gone.run_until_cancelled(server.send_later(back, datagram)).await;
            drop(place);
        });
    }

    async fn send_later(&self, back: Back, datagram: Bytes) {
        if let Some(longest) = self.answering.delay {
            tokio::time::sleep(longest.mul_f64(rand::random())).await;
        }
        let sent = self.answering_socket().send(&datagram, Some(back.to), back.from).await;
        self.note_sent(back, sent);
    }

    fn note_sent(&self, back: Back, sent: io::Result<()>) {
        if let Err(error) = sent {
            tracing::debug!(peer = %back.to, %error, "an answer could not be sent");
            self.counters.unsent();
        }
    }

    fn answering_socket(&self) -> &DatagramSocket {
        self.answering.socket.as_deref().unwrap_or(&self.socket)
    }
}

impl fmt::Debug for DatagramServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramServer")
            .field("socket", &self.socket)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// What IPv6 and UDP put before a datagram, in bytes.
const HEADERS: usize = 48;

/// Errors in a row that are passed over before a pause.
const MOST_ERRORS: u32 = 64;

/// How long is waited after too many errors in a row.
const PAUSE: Duration = Duration::from_millis(5);
