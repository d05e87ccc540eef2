//! A client that outlives its server: what becomes of its calls while the server is restarted.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::Duration;

use msgrpc::{CallError, Client, Reconnect, Server, ServerHandle};
use tokio::time::sleep;

/// A clock that takes its time.
#[msgrpc::service]
pub trait Ticker {
    /// Returns `number` after a moment.
    async fn tick(&self, number: u32) -> u32;
    /// The same; asking twice does no harm.
    #[msgrpc(idempotent)]
    async fn peek(&self, number: u32) -> u32;
}

struct Clock;

impl Ticker for Clock {
    async fn tick(&self, number: u32) -> u32 {
        sleep(Duration::from_millis(50)).await;
        number
    }

    async fn peek(&self, number: u32) -> u32 {
        self.tick(number).await
    }
}

/// Serves at `address`; returns where, and what ends it.
async fn serve(address: &str) -> Result<(String, ServerHandle), msgrpc::ServeError> {
    let server = Server::new(TickerService::new(Clock)).listen(address).bind().await?;
    let (address, handle) = (server.addresses()[0].to_string(), server.handle());
    tokio::spawn(server.run());
    Ok((address, handle))
}

fn tell<T: std::fmt::Debug>(call: &str, outcome: Result<T, CallError>) {
    match outcome {
        Ok(answer) => println!("{call}: {answer:?}"),
        Err(error) if error.was_sent() => println!("{call}: perhaps executed: {error}"),
        Err(error) => println!("{call}: not executed: {error}"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (address, server) = serve("tcp://127.0.0.1:0").await?;
    // For ever, as by default, but with no more than half a second between tries.
    let policy = Reconnect::default().max_interval(Duration::from_millis(500));
    let client = Client::builder(&address).reconnect(policy).connect().await?;
    let ticker = TickerClient::new(client.clone());

    let mut states = client.watch();
    println!("    {}", states.current());
    let watching = tokio::spawn(async move {
        while let Some(state) = states.changed().await {
            println!("    {state}");
        }
    });

    tell("tick 1", ticker.tick(1).await);

    // Two calls are on their way when the server is killed.
    let (second, third) = (tokio::spawn(ticker.tick(2)), tokio::spawn(ticker.peek(3)));
    sleep(Duration::from_millis(20)).await;
    server.abort();
    server.stopped().await;
    // The first of them may have been executed; the other one waits with those that come now.
    tell("tick 2", second.await?);
    tell("tick 4", ticker.tick(4).timeout(Duration::from_millis(200)).await);

    let (_, server) = serve(&address).await?;
    tell("tick 5", ticker.tick(5).await);
    tell("peek 3", third.await?);

    client.close().await;
    watching.await?;
    server.shutdown();
    server.stopped().await;
    Ok(())
}
