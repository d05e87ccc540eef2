//! Clients, pools and servers on a simulated network whose hosts crash and whose links fail, by seeds that repeat.
//!
//! `MSGRPC_SEED=n` runs one seed. turmoil gives each host a runtime and a paused clock of its own.
#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::panic, reason = "tests")]

mod balance;
mod herd;
mod ledger;
mod load;
mod network;
mod partitions;
mod restarts;
mod server;
mod shutdown;

use std::time::Duration;

use msgrpc::transport::PoolOptions;
use msgrpc::{Client, Pool, Reconnect};
use network::{CONNECT_TIMEOUT, To};
use turmoil::{Builder, Sim};

/// A network that delays each message by up to 20 ms.
fn network(seed: u64, duration: Duration) -> Sim<'static> {
    Builder::new()
        .rng_seed(seed)
        .enable_random_order()
        .tick_duration(Duration::from_millis(2))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20))
        .tcp_capacity(1_024)
        .simulation_duration(duration)
        .build()
}

/// The longest pause between two tries of a client or a pool.
const MOST_PAUSE: Duration = Duration::from_millis(400);

/// How soon after the end of its faults a client works again: the longest pause, a try that had begun before and one
/// more, and the ways there and back.
const RECOVERY: Duration =
    MOST_PAUSE.saturating_add(CONNECT_TIMEOUT).saturating_add(Duration::from_millis(200));

fn client_to(seed: u64) -> Client {
    let policy = Reconnect::default().max_interval(MOST_PAUSE).seed(seed);
    Client::builder_with(To::new("server")).reconnect(policy).connect_lazy().unwrap()
}

fn pool_to(isolated: bool) -> Pool {
    let options = PoolOptions::default().max_size(3).max_interval(MOST_PAUSE);
    let pool = Pool::builder_with(To::new("server")).options(options).isolated(isolated);
    pool.build_lazy().unwrap()
}

/// A host of a client that calls as `load` says, through what `connect` makes, while the servers have faults; after
/// them it works again `within` that time, and leaves nothing behind when it is closed.
macro_rules! client {
    ($sim:expr, $host:expr, $load:expr, $within:expr, $connect:expr) => {{
        let (load, connect, within) = ($load, $connect, $within);
        $sim.client($host, async move {
            let before = $crate::load::tasks();
            let client = connect();
            let ledger = $crate::ledger::LedgerClient::new(client.clone());
            load.run(&ledger).await;
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(!load.seed);
            $crate::load::works_within(&ledger, &load.book, || rng.random(), within).await;
            drop(ledger);
            client.close().await;
            assert_eq!($crate::load::tasks(), before, "tasks of the client are left");
            Ok(())
        })
    }};
}
use client;
