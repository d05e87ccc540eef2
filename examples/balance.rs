//! Load spread over three servers, one of which goes away and comes back while calls are made.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::collections::BTreeMap;
use std::time::Duration;

use msgrpc::{CallError, Client, Server};
use tokio::sync::oneshot;

/// What each server offers.
#[msgrpc::service]
pub trait Clerk {
    /// Stamps a form. Stamping it twice does no harm, so that a lost answer may be asked for again.
    #[msgrpc(idempotent)]
    async fn stamp(&self, form: u32) -> String;
}

struct Desk(&'static str);

impl Clerk for Desk {
    async fn stamp(&self, _form: u32) -> String {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.0.to_owned()
    }
}

/// A server in the background; dropping what it returns ends it.
async fn open(name: &'static str) -> Result<oneshot::Sender<()>, Box<dyn std::error::Error>> {
    let (stop, stopped) = oneshot::channel();
    let server = Server::new(ClerkService::new(Desk(name))).listen(address(name)).bind().await?;
    tokio::spawn(server.run_until(stopped));
    Ok(stop)
}

/// Addresses of servers elsewhere would look like `tcp://10.0.0.1:8000`.
fn address(name: &str) -> String {
    format!("memory://desk-{name}")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut desks = BTreeMap::new();
    for name in ["anna", "bert", "carl"] {
        desks.insert(name, open(name).await?);
    }
    let balance = Client::balance(["anna", "bert", "carl"].map(address)).await?;
    let clerk = ClerkClient::new(balance.clone());

    println!("all three: {:?}", stamp(&clerk).await?);

    desks.remove("bert");
    println!("bert goes: {:?}", stamp(&clerk).await?);

    desks.insert("bert", open("bert").await?);
    while balance.status().iter().any(|desk| desk.open == 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("bert is back: {:?}", stamp(&clerk).await?);

    balance.close().await;
    Ok(())
}

/// Has 300 forms stamped, up to 30 at a time, and counts by whom.
async fn stamp<C: msgrpc::Caller>(
    clerk: &ClerkClient<C>,
) -> Result<BTreeMap<String, u32>, CallError> {
    let mut stamps = BTreeMap::new();
    for batch in 0..10 {
        let forms = (0..30).map(|n| clerk.stamp(batch * 30 + n));
        for name in futures::future::try_join_all(forms).await? {
            *stamps.entry(name).or_default() += 1;
        }
    }
    Ok(stamps)
}
