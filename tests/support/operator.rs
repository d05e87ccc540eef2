//! A transport whose every try the test decides about, and whose far ends the test plays.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgrpc::transport::{BoxFuture, Connect, ConnectError, Peer, Stream};
use msgrpc::{Client, ClientBuilder};
use tokio::io::duplex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Wire;

/// What becomes of a try.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Accept,
    /// It is accepted, and closed at once.
    Slam,
    Refuse,
    /// It is refused in a way that trying again cannot help.
    Forbid,
    /// It is never answered.
    Hang,
}

/// Puts clients through, or does not. Clones are the same operator.
#[derive(Clone)]
pub(crate) struct Operator(Arc<State>);

struct State {
    verdict: Mutex<Verdict>,
    begun: Instant,
    /// When each try was made.
    tries: Mutex<Vec<Instant>>,
    accepted: Mutex<VecDeque<Wire>>,
    arrival: Notify,
}

impl Operator {
    /// One who accepts.
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            verdict: Mutex::new(Verdict::Accept),
            begun: Instant::now(),
            tries: Mutex::default(),
            accepted: Mutex::default(),
            arrival: Notify::new(),
        }))
    }

    /// What becomes of tries from now on.
    pub(crate) fn rule(&self, verdict: Verdict) {
        *self.0.verdict.lock().unwrap() = verdict;
    }

    /// A client whose settings are still to be made.
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder_with(self.clone())
    }

    /// A client with these settings, and the connection to it.
    pub(crate) async fn client(
        &self,
        set: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> (Client, Wire) {
        let client = set(self.builder()).connect().await.unwrap();
        (client, self.next().await)
    }

    /// The next connection.
    pub(crate) async fn next(&self) -> Wire {
        loop {
            if let Some(wire) = self.0.accepted.lock().unwrap().pop_front() {
                return wire;
            }
            self.0.arrival.notified().await;
        }
    }

    /// How long it has been there.
    pub(crate) fn age(&self) -> Duration {
        self.0.begun.elapsed()
    }

    /// How many tries were made.
    pub(crate) fn tries(&self) -> usize {
        self.0.tries.lock().unwrap().len()
    }

    /// When the tries were made, in milliseconds since the operator began.
    pub(crate) fn times(&self) -> Vec<u128> {
        let tries = self.0.tries.lock().unwrap();
        tries.iter().map(|at| at.duration_since(self.0.begun).as_millis()).collect()
    }
}

impl Connect for Operator {
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
        Box::pin(async {
            self.0.tries.lock().unwrap().push(Instant::now());
            let verdict = *self.0.verdict.lock().unwrap();
            let local = super::address("memory://operator");
            let (near, far) = duplex(64 << 10);
            match verdict {
                Verdict::Accept => {
                    let far = Stream::new(far, Peer::named("client"), local.clone());
                    self.0.accepted.lock().unwrap().push_back(Wire::over(far));
                    self.0.arrival.notify_one();
                }
                Verdict::Slam => drop(far),
                Verdict::Refuse => return Err(ConnectError::custom("operator", "line busy")),
                Verdict::Forbid => return Err(ConnectError::Unsupported { address: local }),
                Verdict::Hang => std::future::pending().await,
            }
            Ok(Stream::new(near, Peer::named("desk"), local))
        })
    }

    fn address(&self) -> String {
        "operator".to_owned()
    }
}
