//! A server that ends in order: calls at work have a grace, later ones are refused, and the counts tell.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::Duration;

use msgrpc::{CallError, Context, Server};

/// Bakes, for as long as it takes.
#[msgrpc::service]
pub trait Bakery {
    /// Bakes one thing, in so many milliseconds.
    async fn bake(&self, millis: u64) -> String;
    /// Closes the shop, from within.
    async fn close(&self, ctx: &Context);
}

struct Oven;

impl Bakery for Oven {
    async fn bake(&self, millis: u64) -> String {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        format!("baked in {millis} ms")
    }

    async fn close(&self, ctx: &Context) {
        if let Some(server) = ctx.server() {
            server.shutdown();
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(BakeryService::new(Oven))
        .shutdown_grace(Duration::from_millis(400))
        .method_timeout_of("bake", Duration::from_secs(60))
        .listen("tcp://127.0.0.1:0")
        .bind()
        .await?;
    let address = server.addresses()[0].to_string();
    // A program of its own ends with `server.run_until_signal().await?`: by Ctrl-C and by SIGTERM.
    let handle = server.handle();
    tokio::spawn(server.run());

    let bakery = BakeryClient::connect(&address).await?;
    let orders: Vec<_> = [100, 200, 60_000].map(|millis| tokio::spawn(bakery.bake(millis))).into();
    // Answered after the three have begun, as all of them are on one connection.
    bakery.close().await?;

    match bakery.bake(1).await {
        Err(CallError::Fault(fault)) => println!("too late: {fault}"),
        other => println!("{other:?}"),
    }
    for order in orders {
        match order.await? {
            Ok(bread) => println!("{bread}"),
            Err(CallError::Closed(closed)) => println!("never baked: {}", closed.reason()),
            Err(error) => println!("{error}"),
        }
    }
    println!("{}", handle.stopped().await);
    Ok(())
}
