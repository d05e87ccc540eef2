//! `raw`: tokio sockets and nothing else. No ids, no decoding, no tasks for calls: the floor.
//!
//! A "call" is [`HEADER`] bytes and the payload. The client keeps as many of them outstanding as
//! are to be in flight, by sending again what has come back, all of it in one write.

use anyhow::{Result, ensure};
use futures::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    load::{Load, Tally},
    peers::Peer,
    server::announce,
};

pub(super) const PEER: Peer =
    Peer { name: "raw", serve: || serve().boxed_local(), load: |load| run(load).boxed_local() };

/// Bytes around the payload of a short call, as the RPC formats have them.
const HEADER: usize = 18;

/// Most bytes that are sent without reading in between. The sockets of a connection hold that
/// much, so that the two sides cannot wait for each other.
const AHEAD: usize = 64 * 1024;

/// Size of the server's read buffer, and of the client's when payloads are large.
const CHUNK: usize = 256 * 1024;

async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A client that is done resets its connection; that is no error here.
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the client is gone");
        stream.write_all(&buffer[..read]).await?;
    }
}

/// One task for each connection.
async fn run(load: Load) -> Result<Tally> {
    let mut tasks = JoinSet::new();
    for _ in 0..load.shape.connections {
        let stream = TcpStream::connect(&*load.address).await?;
        stream.set_nodelay(true)?;
        tasks.spawn(keep_in_flight(stream, load.clone()));
    }
    let mut total = Tally::new(load.shape)?;
    while let Some(tally) = tasks.join_next().await {
        total.add(&tally??)?;
    }
    Ok(total)
}

async fn keep_in_flight(stream: TcpStream, load: Load) -> Result<Tally> {
    let outstanding = (load.shape.size() + HEADER) * load.shape.in_flight;
    if outstanding <= AHEAD { in_turn(stream, load).await } else { both_ways(stream, load).await }
}

/// Reads what is there, sends as many whole messages, and so on.
async fn in_turn(mut stream: TcpStream, load: Load) -> Result<Tally> {
    let size = load.shape.size() + HEADER;
    let mut tally = Tally::new(load.shape)?;
    let mut buffer = vec![7; size * load.shape.in_flight];
    let mut unfinished = 0;
    let mut sent_at = tally.start();
    stream.write_all(&buffer).await?;
    loop {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the server is gone");
        let whole = (unfinished + read) / size;
        unfinished = (unfinished + read) % size;
        if whole == 0 {
            continue;
        }
        if !tally.count(&load.phase, whole as u64, sent_at) {
            return Ok(tally);
        }
        sent_at = tally.start();
        stream.write_all(&buffer[..whole * size]).await?;
    }
}

/// Sends and reads at the same time: more is outstanding than the sockets hold.
async fn both_ways(mut stream: TcpStream, load: Load) -> Result<Tally> {
    let size = load.shape.size() + HEADER;
    let message = vec![7; size];
    let mut tally = Tally::new(load.shape)?;
    let due = Semaphore::new(load.shape.in_flight);
    let (mut reader, mut writer) = stream.split();

    let send = async {
        loop {
            due.acquire().await?.forget();
            writer.write_all(&message).await?;
        }
    };
    let receive = async {
        let mut buffer = vec![0; CHUNK];
        let mut unfinished = 0;
        loop {
            let read = reader.read(&mut buffer).await?;
            ensure!(read > 0, "the server is gone");
            let whole = (unfinished + read) / size;
            unfinished = (unfinished + read) % size;
            if !tally.count(&load.phase, whole as u64, None) {
                return Ok(tally);
            }
            due.add_permits(whole);
        }
    };
    tokio::select! {
        failed = send => failed,
        tally = receive => tally,
    }
}
