//! Blocking methods: a plain `fn` computes on a thread for blocking work, while other calls are answered.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::Duration;

use msgrpc::Server;

/// Slow sums.
#[msgrpc::service]
pub trait Sums {
    /// Adds up all bytes, slowly. The bytes are borrowed from the request, not copied.
    #[msgrpc(blocking)]
    fn checksum(&self, data: &[u8]) -> u64;
    /// Answers at once.
    async fn ping(&self) -> String;
}

struct Slow;

impl Sums for Slow {
    fn checksum(&self, data: &[u8]) -> u64 {
        std::thread::sleep(Duration::from_millis(100));
        data.iter().map(|byte| u64::from(*byte)).sum()
    }

    async fn ping(&self) -> String {
        "pong".to_owned()
    }
}

// One thread for all async work: a method that blocked it would stop everything.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(SumsService::new(Slow)).listen("tcp://127.0.0.1:0").bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    let sums = SumsClient::connect(&address).await?;
    let data = vec![1; 1_000_000];
    let checksums = async {
        // Two at once, each on a thread of its own.
        let (first, second) = tokio::try_join!(sums.checksum(&data), sums.checksum(&data[..10]))?;
        println!("checksums: {first} and {second}");
        Ok::<_, msgrpc::CallError>(())
    };
    let pings = async {
        println!("meanwhile: {}", sums.ping().await?);
        Ok(())
    };
    tokio::try_join!(checksums, pings)?;

    drop(stop);
    server.await??;
    Ok(())
}
