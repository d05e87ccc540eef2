//! One handshake of a listener: its place, its time, and what is said of it when it fails.
//!
//! Used by the listener, which runs each in a task of its own. It never outlives its time, nor keeps a place that
//! others wait for while its client is silent.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{failure::explain_to_server, rustls::ServerConfig, secured::secured};
use crate::{Stream, dial::within};

/// What the handshakes of a listener share.
#[derive(Debug)]
pub(super) struct Door {
    /// When the listener began.
    began: Instant,
    /// Longest time for one handshake.
    pub(super) limit: Option<Duration>,
    warned: Mutex<Warned>,
}

/// What was warned of.
#[derive(Debug, Default)]
struct Warned {
    at: Option<Instant>,
    /// Warnings left out since.
    left_out: u64,
}

impl Door {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { began: Instant::now(), limit, warned: Mutex::default() }
    }

    /// Shakes hands with `peer`. `None` when that failed, which has been logged.
    pub(super) async fn shake_hands(
        self: Arc<Self>,
        place: Arc<Place>,
        config: Arc<ServerConfig>,
        (socket, peer): (TcpStream, SocketAddr),
    ) -> Option<Stream> {
        let handshake = within(self.limit, self.attempt(&place, config, socket, peer));
        let given_up = tokio::select! {
            biased;
            outcome = handshake => match outcome {
                Ok(stream) => return stream,
                Err(limit) => format!("it was not done within {limit:?}"),
            },
            () = place.wanted.notified() => "its client is silent, and others wait".to_owned(),
        };
        tracing::debug!(%peer, "TLS handshake given up: {given_up}");
        None
    }

    async fn attempt(
        &self,
        place: &Place,
        config: Arc<ServerConfig>,
        socket: TcpStream,
        peer: SocketAddr,
    ) -> Option<Stream> {
        let accepting = TlsAcceptor::from(config).accept(socket).into_fallible();
        match self.watched(place, accepting).await {
            Ok(tls) => secured(tls, peer).inspect_err(|error| self.log(peer, error)).ok(),
            Err((error, socket)) => {
                self.log(peer, &error);
                see_out(socket).await;
                None
            }
        }
    }

    /// How long a place's client has been silent.
    pub(super) fn silence(&self, place: &Place) -> Duration {
        let heard = Duration::from_millis(place.heard.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(heard)
    }

    /// A place whose client was heard just now.
    pub(super) fn place(&self) -> Arc<Place> {
        let place = Place { heard: AtomicU64::new(0), wanted: Notify::new() };
        self.hear(&place);
        Arc::new(place)
    }

    fn hear(&self, place: &Place) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        place.heard.store(now, Ordering::Relaxed);
    }

    /// The same future; it runs when something has come from the client.
    async fn watched<F: Future>(&self, place: &Place, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        poll_fn(|cx| {
            self.hear(place);
            handshake.as_mut().poll(cx)
        })
        .await
    }

    /// Logs a failure; as a warning once a minute at most, if somebody has to do something about it.
    fn log(&self, peer: SocketAddr, error: &io::Error) {
        let (reason, is_for_somebody) = explain_to_server(error);
        match is_for_somebody.then(|| self.may_warn(Instant::now())).flatten() {
            Some(0) => tracing::warn!(%peer, "TLS handshake failed: {reason}"),
            Some(others) => {
                tracing::warn!(%peer, others, "TLS handshake failed: {reason}; others did before");
            }
            None => tracing::debug!(%peer, "TLS handshake failed: {reason}"),
        }
    }

    /// How many warnings were left out before this one; `None` if it is left out as well.
    fn may_warn(&self, now: Instant) -> Option<u64> {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.at.is_some_and(|at| now.saturating_duration_since(at) < WARN_INTERVAL) {
            warned.left_out += 1;
            return None;
        }
        warned.at = Some(now);
        Some(std::mem::take(&mut warned.left_out))
    }
}

/// The place of one handshake among those that a listener has at once.
#[derive(Debug)]
pub(super) struct Place {
    /// When something last came from its client, in milliseconds since the listener began.
    heard: AtomicU64,
    /// Told when others wait, and its client is silent.
    wanted: Notify,
}

impl Place {
    /// Ends the handshake, unless its client is heard at this moment.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }
}

/// Closes after a failure so that the client reads why: a socket closed with bytes unread resets the connection, and
/// the alert may be lost with it.
async fn see_out(mut socket: TcpStream) {
    let discarding = async {
        socket.shutdown().await?;
        tokio::io::copy(&mut socket.take(MOST_DISCARDED), &mut tokio::io::sink()).await
    };
    if !matches!(timeout(LINGER, discarding).await, Ok(Ok(_))) {
        tracing::trace!("a client whose handshake failed does not close");
    }
}

/// How often warnings are logged at most.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// How long a client has to close after its handshake failed.
const LINGER: Duration = Duration::from_millis(500);

/// How many bytes a client may still send after its handshake failed.
const MOST_DISCARDED: u64 = 64 * 1024;
