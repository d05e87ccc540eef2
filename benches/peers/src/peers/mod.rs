//! The peers: one file each, one line in [`ALL`] each.
//!
//! A peer that makes calls implements [`Rpc`] and gets the call loops from here. One that does
//! not fit – the raw echo, or a client that is not `Send` – fills in its [`Peer`] itself.

#[cfg(feature = "jsonrpsee")]
mod jsonrpsee;
#[cfg(feature = "msgpack-rpc")]
mod msgpack_rpc;
#[cfg(feature = "msgrpc")]
mod msgrpc;
mod raw;
mod tarpc;
#[cfg(feature = "tonic")]
mod tonic;

use std::fmt;

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::future::{FutureExt, LocalBoxFuture};
use tokio::task::JoinSet;

use crate::load::{Load, Tally};

/// Every peer that is compiled in, in the order of the tables.
pub(crate) const ALL: &[Peer] = &[
    raw::PEER,
    Peer::rpc::<tarpc::Tarpc>(),
    #[cfg(feature = "tonic")]
    Peer::rpc::<tonic::Tonic>(),
    #[cfg(feature = "jsonrpsee")]
    Peer::rpc::<jsonrpsee::Jsonrpsee>(),
    #[cfg(feature = "msgpack-rpc")]
    Peer::rpc::<msgpack_rpc::MsgpackRpc>(),
    #[cfg(feature = "msgrpc")]
    Peer::rpc::<msgrpc::Msgrpc>(),
];

/// Most calls in flight on one connection; clients and servers with such a limit are set to it.
pub(crate) const MAX_IN_FLIGHT: usize = 4096;

/// One way to have a text echoed.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Announces where it listens, then serves for ever.
    pub(crate) serve: fn() -> LocalBoxFuture<'static, Result<()>>,
    /// Connects, keeps calls in flight until the load's phase says stop, and tells their number.
    pub(crate) load: fn(Load) -> LocalBoxFuture<'static, Result<Tally>>,
}

/// A client of a peer that makes calls, and its server.
///
/// Clones share the connection. `echo` is what the tables of calls measure, `echo_bytes` the
/// tables of payloads; each does it in the way that the peer's own documentation shows.
pub(crate) trait Rpc: Clone + Send + Sync + Sized + 'static {
    const NAME: &'static str;

    /// Announces where it listens, then serves for ever.
    fn serve() -> impl Future<Output = Result<()>>;

    /// Opens one connection to the address that the server announced.
    fn connect(address: &str) -> impl Future<Output = Result<Self>>;

    fn echo(&self, text: String) -> impl Future<Output = Result<String>> + Send;

    fn echo_bytes(&self, data: Bytes) -> impl Future<Output = Result<Bytes>> + Send;
}

impl Peer {
    const fn rpc<R: Rpc>() -> Self {
        Self {
            name: R::NAME,
            serve: || R::serve().boxed_local(),
            load: |load| call_loops::<R>(load).boxed_local(),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The peer of that name, for the command line.
pub(crate) fn find(name: &str) -> Result<&'static Peer, String> {
    let names = || ALL.iter().map(|peer| peer.name).collect::<Vec<_>>().join(", ");
    ALL.iter().find(|peer| peer.name == name).ok_or_else(|| format!("not one of: {}", names()))
}

/// One task for each call in flight: what a program with as many independent callers does.
async fn call_loops<R: Rpc>(load: Load) -> Result<Tally> {
    let mut tasks = JoinSet::new();
    for _ in 0..load.shape.connections {
        let client = R::connect(&load.address).await?;
        for _ in 0..load.shape.in_flight {
            tasks.spawn(call_loop(client.clone(), load.clone()));
        }
    }
    let mut total = Tally::new(load.shape)?;
    while let Some(tally) = tasks.join_next().await {
        total.add(&tally??)?;
    }
    Ok(total)
}

async fn call_loop<R: Rpc>(client: R, load: Load) -> Result<Tally> {
    let size = load.shape.size();
    let (text, data) = ("x".repeat(size), Bytes::from(vec![7; size]));
    let mut tally = Tally::new(load.shape)?;
    loop {
        let started = tally.start();
        let answered = match load.shape.bytes {
            None => client.echo(text.clone()).await?.len(),
            Some(_) => client.echo_bytes(data.clone()).await?.len(),
        };
        ensure!(answered == size, "sent {size} bytes, {answered} came back");
        if !tally.count(&load.phase, 1, started) {
            return Ok(tally);
        }
    }
}
