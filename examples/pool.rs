//! A pool: several connections to one server, first shared by all calls, then one call at a time on each.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use msgrpc::{CallError, Pool, Server};

/// What the server offers.
#[msgrpc::service]
pub trait Kitchen {
    /// Cooks a dish, which takes 50 ms.
    async fn cook(&self, dish: u32) -> u32;
}

struct Stove;

impl Kitchen for Stove {
    async fn cook(&self, dish: u32) -> u32 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        dish
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(KitchenService::new(Stove)).listen("tcp://127.0.0.1:0").bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    // Shared: each connection carries many calls; the least busy one is taken.
    let pool = Pool::builder(&address).max_size(4).build().await?;
    println!("shared, 40 calls: {:?}", cook(&pool, 40).await?);
    println!("  {}", pool.status());
    pool.close().await;

    // Isolated: a connection for each call, four at a time. The others wait.
    let pool = Pool::builder(&address).max_size(4).isolated(true).build().await?;
    println!("isolated, 40 calls: {:?}", cook(&pool, 40).await?);
    pool.close().await;

    // Who waits too long is told the numbers, and nothing was sent.
    let wait = Duration::from_millis(10);
    let pool =
        Pool::builder(&address).max_size(1).isolated(true).wait_timeout(wait).build().await?;
    let kitchen = KitchenClient::new(pool.clone());
    let (one, two) = tokio::join!(kitchen.cook(1), kitchen.cook(2));
    println!("one of them: {:?}", one.as_ref().or(two.as_ref()).ok());
    let Err(error) = one.and(two) else { return Err("there is one connection".into()) };
    println!("the other one: {error}; sent: {}", error.was_sent());
    pool.close().await;

    drop(stop);
    server.await??;
    Ok(())
}

/// Cooks so many dishes at once, and says how long that took.
async fn cook(pool: &Pool, dishes: u32) -> Result<Duration, CallError> {
    let kitchen = KitchenClient::new(pool.clone());
    let begun = Instant::now();
    try_join_all((0..dishes).map(|dish| kitchen.cook(dish))).await?;
    Ok(begun.elapsed())
}
