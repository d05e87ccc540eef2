//! UDP: calls as single datagrams, through a network that loses them, to a server that executes each call once.
//!
//! Everything runs within this program: server, network and client.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use msgrpc::{CallError, Client, DatagramOptions, Retransmit, Server};
use tokio::net::UdpSocket;

/// A counter that is read from afar.
#[msgrpc::service]
pub trait Meter {
    /// Sets the counter, and returns what it was set to. Setting it twice is the same as once.
    #[msgrpc(idempotent)]
    async fn set(&self, value: u32) -> u32;
    /// Counts one more. Whoever calls this twice has counted two.
    async fn count(&self) -> u32;
    /// The length of a text.
    async fn measure(&self, text: &str) -> usize;
}

#[derive(Default)]
struct Counter {
    value: AtomicU32,
}

impl Meter for Counter {
    async fn set(&self, value: u32) -> u32 {
        println!("  the server sets the counter to {value}");
        self.value.store(value, Ordering::Relaxed);
        value
    }

    async fn count(&self) -> u32 {
        self.value.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn measure(&self, text: &str) -> usize {
        text.len()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // With `dedup` a request that comes again is answered from memory.
    let server = Server::new(MeterService::new(Counter::default()))
        .datagrams(DatagramOptions::default().dedup(true))
        .listen("udp://127.0.0.1:0")
        .bind()
        .await?;
    let address = server.addresses().remove(0);
    let counters = server.datagram_counters();
    let handle = server.handle();
    let running = tokio::spawn(server.run());

    let network = bad_network(address.port().unwrap_or_default()).await?;
    let client = Client::builder(&format!("udp://{network}"))
        .retransmit(Retransmit::default().first(Duration::from_millis(20)))
        .connect()
        .await?;
    let meter = MeterClient::new(client.clone());

    // The network loses the first two datagrams: the request, and then the answer. The call is sent again by
    // itself, since its method is idempotent; the server executes it once.
    println!("set(41):");
    println!("  answered with {}", meter.set(41).await?);
    let resent = client.datagram_counters().map_or(0, |counters| counters.stats().resent);
    println!("  sent again {resent} times, recognised {} times", counters.stats().repeated);
    println!("count(): {}", meter.count().await?);

    // A request is one datagram, or it is not sent.
    let long = "long ".repeat(2_000);
    match meter.measure(&long).await {
        Err(error @ CallError::TooLarge(_)) => println!("measure(…): {error}"),
        other => println!("measure(…): {other:?}"),
    }

    client.close().await;
    handle.shutdown();
    running.await??;
    Ok(())
}

/// A network between a client and the server on `port` that loses the first datagram each way.
async fn bad_network(port: u16) -> io::Result<SocketAddr> {
    let near = UdpSocket::bind("127.0.0.1:0").await?;
    let far = UdpSocket::bind("127.0.0.1:0").await?;
    far.connect(("127.0.0.1", port)).await?;
    let address = near.local_addr()?;
    tokio::spawn(async move {
        let (mut there, mut back) = ([0; 2_048], [0; 2_048]);
        let (mut client, mut sent, mut answered) = (address, 0, 0);
        loop {
            tokio::select! {
                Ok((length, from)) = near.recv_from(&mut there) => {
                    client = from;
                    sent += 1;
                    if sent > 1 {
                        far.send(&there[..length]).await?;
                    }
                }
                Ok(length) = far.recv(&mut back) => {
                    answered += 1;
                    if answered > 1 {
                        near.send_to(&back[..length], client).await?;
                    }
                }
                else => return Ok::<(), io::Error>(()),
            }
        }
    });
    Ok(address)
}
