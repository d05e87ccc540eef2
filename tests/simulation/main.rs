//! Clients, pools and servers on a simulated network whose hosts crash and whose links fail, by seeds that repeat.
//!
//! `MSGRPC_SEED=n` runs one seed. turmoil gives each host a runtime and a paused clock of its own.
#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::panic, reason = "tests")]

mod ledger;
mod load;
mod network;
mod restarts;
mod server;

use std::time::Duration;

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
