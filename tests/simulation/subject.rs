//! What calls are made through, as the scenarios treat it: it works again after faults, and leaves nothing behind.

use std::time::Duration;

use msgrpc::{Balance, Caller, Client, Pool};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;
use turmoil::Sim;

use super::ledger::LedgerClient;
use super::load::{Load, tasks, works_within};

/// A client, a pool or a balancer.
pub(crate) trait Subject: Caller + Clone {
    /// Panics if a call is under way or waits.
    fn assert_quiet(&self);

    async fn end(self);
}

impl Subject for Client {
    fn assert_quiet(&self) {
        assert!(self.state().is_connected(), "{}", self.state());
    }

    async fn end(self) {
        self.close().await;
    }
}

impl Subject for Pool {
    fn assert_quiet(&self) {
        let status = self.status();
        assert_eq!((status.in_flight, status.waiting), (0, 0), "{status:?}");
    }

    async fn end(self) {
        self.close().await;
    }
}

impl Subject for Balance {
    fn assert_quiet(&self) {
        for server in self.status() {
            assert_eq!(server.in_flight, 0, "{server:?}");
        }
    }

    async fn end(self) {
        self.close().await;
    }
}

/// A host that calls as `load` says through what `connect` makes, while there are faults; after them that works again
/// `within` this time, and leaves nothing behind when it is closed.
pub(crate) fn client<S: Subject>(
    sim: &mut Sim<'_>,
    host: &'static str,
    load: Load,
    within: Duration,
    connect: impl FnOnce() -> S + 'static,
) {
    sim.client(host, async move {
        let before = tasks();
        let subject = connect();
        let ledger = LedgerClient::new(subject.clone());
        load.run(&ledger).await;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(!load.seed);
        works_within(&ledger, &load.book, || rng.random(), within).await;
        // Its end.
        sleep(Duration::from_millis(1)).await;
        subject.assert_quiet();
        drop(ledger);
        subject.end().await;
        assert_eq!(tasks(), before, "tasks of {host} are left");
        Ok(())
    });
}
