//! Listening by TLS: connections are accepted one after another, and shake hands side by side.
//!
//! Used by [`Listener`](crate::Listener). A client that stalls holds nobody up: handshakes are tasks of their own, so
//! many at once; when all places are taken, those whose clients are silent give way to who waits.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    task::{self, JoinSet},
    time::{Sleep, sleep},
};

use super::{
    ServerTls,
    handshake::{Door, Place},
};
use crate::{Address, BindError, HostPort, ListenOptions, Stream, tcp};

/// A listening socket, and the handshakes of those that were accepted.
#[derive(Debug)]
pub(crate) struct Listening {
    tcp: tcp::Listening,
    tls: ServerTls,
    door: Arc<Door>,
    /// Most places.
    most: usize,
    /// The tasks; they end with the listener.
    handshakes: JoinSet<Option<Stream>>,
    /// The places of those at work: `places.len() == handshakes.len() <= most`.
    places: HashMap<task::Id, Seat>,
    /// Accepted, and waits for a place.
    waiting: Option<(TcpStream, SocketAddr)>,
    /// Until the one who has been silent for longest has been so for long enough.
    patience: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Seat {
    place: Arc<Place>,
    /// It was told to give way, and will.
    leaving: bool,
}

impl Listening {
    pub(crate) async fn bind(
        address: &Address,
        host: &HostPort,
        options: &ListenOptions,
    ) -> Result<(Self, HostPort), BindError> {
        let Some(tls) = options.tls.clone() else {
            return Err(BindError::NoCertificate { address: address.clone() });
        };
        let (tcp, local) = tcp::Listening::bind(address, host, options).await?;
        Ok((Self::over(tcp, tls, options), local))
    }

    /// Listens on a socket that is bound already.
    pub(crate) fn over(tcp: tcp::Listening, tls: ServerTls, options: &ListenOptions) -> Self {
        Self {
            tcp,
            tls,
            door: Arc::new(Door::new(options.handshake_timeout)),
            most: options.handshakes.max(1),
            handshakes: JoinSet::new(),
            places: HashMap::new(),
            waiting: None,
            patience: None,
        }
    }

    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        loop {
            if let Poll::Ready(stream) = self.poll_done(cx) {
                return Poll::Ready(stream);
            }
            if self.waiting.is_none() {
                let accepted = self.tcp.poll_accept_with(cx, |socket, peer| {
                    socket.set_nodelay(true)?;
                    Ok((socket, peer))
                });
                self.waiting = Some(ready!(accepted));
            }
            if self.places.len() >= self.most {
                ready!(self.poll_give_way(cx));
            } else if let Some(accepted) = self.waiting.take() {
                self.begin(accepted);
            }
        }
    }

    /// The next connection whose handshake is done. Those that have failed free their places.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        while let Poll::Ready(Some(ended)) = self.handshakes.poll_join_next_with_id(cx) {
            let (id, stream) = match ended {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "a TLS handshake ended by a defect");
                    (error.id(), None)
                }
            };
            self.places.remove(&id);
            if let Some(stream) = stream {
                return Poll::Ready(stream);
            }
        }
        Poll::Pending
    }

    fn begin(&mut self, accepted: (TcpStream, SocketAddr)) {
        let place = self.door.place();
        let (door, config) = (Arc::clone(&self.door), self.tls.config());
        let handshake = door.shake_hands(Arc::clone(&place), config, accepted);
        let id = self.handshakes.spawn(handshake).id();
        self.places.insert(id, Seat { place, leaving: false });
    }

    /// Has the one whose client has been silent for longest give way, when it has been so for long enough. Its end, or
    /// that of any other, wakes the caller; ready when there is something to look at anew.
    fn poll_give_way(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let door = &self.door;
        let silence = |seat: &&mut Seat| door.silence(&seat.place);
        if self.places.values().any(|seat| seat.leaving) {
            return Poll::Pending;
        }
        let Some(seat) = self.places.values_mut().max_by_key(silence) else {
            return Poll::Pending;
        };
        let silent = door.silence(&seat.place);
        if silent >= PATIENCE {
            seat.leaving = true;
            seat.place.want();
            self.patience = None;
            return Poll::Pending;
        }
        let patience = self.patience.insert(Box::pin(sleep(PATIENCE.saturating_sub(silent))));
        patience.as_mut().poll(cx)
    }
}

/// How long a client may be silent in its handshake while others wait: far more than a round trip takes, and short
/// enough that who waits does not notice.
const PATIENCE: Duration = Duration::from_millis(500);
