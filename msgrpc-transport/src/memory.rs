//! Connections within this process: `memory://name`.
//!
//! Used by tests and by programs that are client and server at once. Names belong to the process; nothing of it is
//! ever seen outside.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};

use crate::{
    Address, BindError, ConnectError, DialOptions, ListenOptions, MemoryName, Peer, Stream,
    dial::within,
};

/// Who listens: each name with the queue of its listener. Written by binding and by dropping a listener.
static LISTENERS: Mutex<BTreeMap<String, mpsc::Sender<DuplexStream>>> = Mutex::new(BTreeMap::new());

/// How many bytes one side may be ahead of the other's reading, each way: what a socket would hold, about.
const BUFFER_BYTES: usize = 64 * 1024;

/// A name in [`LISTENERS`], freed on drop.
#[derive(Debug)]
pub(crate) struct Listening {
    address: Address,
    name: String,
    queue: mpsc::Receiver<DuplexStream>,
}

impl Listening {
    pub(crate) fn bind(name: &MemoryName, options: &ListenOptions) -> Result<Self, BindError> {
        let (address, name) = (Address::Memory(name.clone()), name.as_str().to_owned());
        // A queue of none cannot be had, nor one of more than the semaphore counts.
        let backlog = usize::try_from(options.backlog).unwrap_or(usize::MAX);
        let (sender, queue) = mpsc::channel(backlog.clamp(1, MOST_WAITING));
        let mut listeners = listeners();
        if listeners.contains_key(&name) {
            return Err(BindError::NameTaken { address });
        }
        listeners.insert(name.clone(), sender);
        Ok(Self { address, name, queue })
    }

    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        match ready!(self.queue.poll_recv(cx)) {
            Some(io) => Poll::Ready(Stream::new(io, Peer::memory(), self.address.clone())),
            // The sender is in the map for as long as we are: this cannot be, and waiting is the harmless answer.
            None => Poll::Pending,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        listeners().remove(&self.name);
    }
}

pub(crate) async fn dial(
    address: &Address,
    name: &MemoryName,
    options: &DialOptions,
) -> Result<Stream, ConnectError> {
    let refused = || ConnectError::Refused { address: address.clone() };
    let queue = listeners().get(name.as_str()).cloned().ok_or_else(refused)?;
    let (near, far) = duplex(BUFFER_BYTES);
    match within(options.connect_timeout, queue.send(far)).await {
        Ok(Ok(())) => Ok(Stream::new(near, Peer::memory(), address.clone())),
        // The listener was dropped while we waited for a place in its queue.
        Ok(Err(_closed)) => Err(refused()),
        Err(timeout) => {
            let (address, attempts) = (address.clone(), Vec::new());
            Err(ConnectError::TimedOut { address, timeout, attempts })
        }
    }
}

fn listeners() -> MutexGuard<'static, BTreeMap<String, mpsc::Sender<DuplexStream>>> {
    // Nothing panics while it is held, and a map is whole after each of its methods.
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Far above any sensible backlog, far below what a channel can count.
const MOST_WAITING: usize = 1 << 20;
