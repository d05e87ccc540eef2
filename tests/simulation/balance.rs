//! A balancer over two servers, one of which crashes again and again.

use std::future::pending;
use std::time::Duration;

use msgrpc::transport::{BoxFuture, PoolOptions};
use msgrpc::{Balance, Discover, DiscoverError, Endpoint};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::ledger::{Book, LedgerClient, Tally};
use super::load::{Load, tasks, works_within};
use super::network::To;
use super::server::{Strings, finish, host, run, seeds};
use super::{MOST_PAUSE, RECOVERY, network};

const FAULTS: Duration = Duration::from_secs(3);

/// Two servers, now and always.
struct Both(bool);

impl Discover for Both {
    fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
        Box::pin(async {
            if std::mem::replace(&mut self.0, true) {
                pending::<()>().await;
            }
            Ok(vec![Endpoint::with(To::new("steady")), Endpoint::with(To::new("crashing"))])
        })
    }
}

fn balanced(seed: u64) -> Tally {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut sim = network(seed, Duration::from_secs(20));
    let book = Book::default();
    let strings = [(); 2].map(|()| Strings::new(Duration::from_millis(100)));
    host(&mut sim, "steady", &strings[0], &book);
    host(&mut sim, "crashing", &strings[1], &book);
    let load = Load { callers: 6, ..Load::new(&book, seed, FAULTS) };
    sim.client("client", async move {
        let before = tasks();
        let options = PoolOptions::default().max_interval(MOST_PAUSE);
        let balance = Balance::discover(Both(false)).options(options).build().await?;
        let ledger = LedgerClient::new(balance.clone());
        load.run(&ledger).await;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(!seed);
        // One server is there all the time.
        let soon = Duration::from_millis(200);
        works_within(&ledger, &load.book, || rng.random(), soon).await;
        tokio::time::sleep(RECOVERY).await;
        for server in balance.status() {
            assert!(server.open > 0, "{server:?}");
            assert_eq!(server.in_flight, 0, "{server:?}");
        }
        drop(ledger);
        balance.close().await;
        assert_eq!(tasks(), before, "tasks of the balancer are left");
        Ok(())
    });
    let mut at = Duration::from_millis(500);
    let mut down = false;
    run(&mut sim, |sim| {
        if sim.elapsed() >= at {
            if down {
                sim.bounce("crashing");
                at = if at < FAULTS {
                    at + Duration::from_millis(rng.random_range(100..600))
                } else {
                    Duration::MAX
                };
            } else {
                sim.crash("crashing");
                at = FAULTS.min(at + Duration::from_millis(rng.random_range(10..600)));
            }
            down = !down;
        }
    });
    finish(&mut sim, "steady", &strings[0]);
    finish(&mut sim, "crashing", &strings[1]);
    book.judge()
}

#[test]
fn a_balancer_of_which_one_server_crashes_loses_and_repeats_nothing() {
    seeds(50, |seed| {
        let tally = balanced(seed);
        assert_eq!(tally.unsent, 0, "the other server took what had not left: {tally:?}");
        assert!(tally.answered > 100, "{tally:?}");
    });
}
