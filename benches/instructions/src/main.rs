//! Makes a number of calls of one kind, client and server on one thread, for callgrind to count.
//!
//! `run` beside this crate's manifest runs it twice with different numbers: the difference is what the
//! calls took, without starting and ending.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use msgrpc::Server;
use tokio::task::JoinSet;

#[msgrpc::service]
trait Echo {
    async fn text(&self, text: String) -> String;
    async fn octets(&self, octets: Bytes) -> Bytes;
}

struct Echoer;

impl Echo for Echoer {
    async fn text(&self, text: String) -> String {
        text
    }

    async fn octets(&self, octets: Bytes) -> Bytes {
        octets
    }
}

/// What is sent back and forth, and how many calls are in flight.
#[derive(Clone, Copy)]
enum Run {
    Text { in_flight: usize },
    Octets { bytes: usize, in_flight: usize },
}

impl Run {
    fn of(name: &str) -> Result<Self> {
        Ok(match name {
            "one" => Self::Text { in_flight: 1 },
            "deep" => Self::Text { in_flight: 256 },
            "large" => Self::Octets { bytes: 64 << 10, in_flight: 8 },
            _ => bail!("there is no run `{name}`: one, deep or large"),
        })
    }

    fn in_flight(self) -> usize {
        match self {
            Self::Text { in_flight } | Self::Octets { in_flight, .. } => in_flight,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let run = Run::of(&arguments.next().context("which run? one, deep or large")?)?;
    let calls: usize = arguments.next().context("how many calls?")?.parse()?;
    let server = Server::new(EchoService::new(Echoer)).listen("tcp://127.0.0.1:0").bind().await?;
    let address = server.addresses()[0].to_string();
    let server = tokio::spawn(server.run());
    let client = EchoClient::connect(&address).await?;
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..run.in_flight() {
        callers.spawn(call(client.clone(), run, calls / run.in_flight()));
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    eprintln!("{calls} calls in {:?}", begun.elapsed());
    server.abort();
    Ok(())
}

async fn call(client: EchoClient, run: Run, calls: usize) -> Result<()> {
    let text = "thirty-two bytes of text, like so".to_owned();
    let octets = match run {
        Run::Octets { bytes, .. } => Bytes::from(vec![7; bytes]),
        Run::Text { .. } => Bytes::new(),
    };
    for _ in 0..calls {
        match run {
            Run::Text { .. } => drop(client.text(text.clone()).await?),
            Run::Octets { .. } => drop(client.octets(octets.clone()).await?),
        }
    }
    Ok(())
}
