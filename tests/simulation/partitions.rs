//! Links that fail, in one direction or both, that hold messages back, and that get slow. No byte of a reset arrives.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use turmoil::Sim;

use super::ledger::{Book, Tally};
use super::load::Load;
use super::server::{Strings, finish, host, run, seeds};
use super::subject::client;
use super::{RECOVERY, client_to, network, pool_to};

/// How long faults go on.
const FAULTS: Duration = Duration::from_secs(3);

/// How soon a connection is left on which nothing arrives any more: after five seconds and one timeout, then another
/// has to be found.
const SILENCE: Duration = Duration::from_millis(5_000 + 1_500);

const CLIENTS: [&str; 4] = ["client-0", "client-1", "pool", "isolated"];

/// What happens to the link of one client.
fn strike(sim: &mut Sim<'_>, client: &str, rng: &mut Xoshiro256PlusPlus) {
    mend(sim, client);
    match rng.random_range(0..6) {
        0 => sim.partition(client, "server"),
        1 => sim.partition_oneway(client, "server"),
        2 => sim.partition_oneway("server", client),
        3 => sim.hold(client, "server"),
        4 => {
            let delay = Duration::from_millis(rng.random_range(1..300));
            sim.set_link_max_message_latency(client, "server", delay);
        }
        _ => {}
    }
}

fn mend(sim: &mut Sim<'_>, client: &str) {
    sim.release(client, "server");
    sim.repair(client, "server");
    sim.set_link_max_message_latency(client, "server", Duration::from_millis(20));
}

/// Clients and pools whose links to the one server fail, each by itself.
fn partitioned(seed: u64) -> Tally {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut sim = network(seed, Duration::from_secs(30));
    let (book, strings) = (Book::default(), Strings::new(Duration::from_millis(500)));
    host(&mut sim, "server", &strings, &book);
    let load = |number| Load { seed: seed * 10 + number, ..Load::new(&book, 0, FAULTS) };
    let within = SILENCE + RECOVERY;
    client(&mut sim, "client-0", load(0), within, move || client_to(seed));
    client(&mut sim, "client-1", load(1), within, move || client_to(seed + 1));
    client(&mut sim, "pool", load(2), within, || pool_to(false));
    client(&mut sim, "isolated", load(3), within, || pool_to(true));

    let mut at = Duration::from_millis(300);
    let mut mended = false;
    run(&mut sim, |sim| {
        if sim.elapsed() >= FAULTS {
            if !mended {
                for client in CLIENTS {
                    mend(sim, client);
                }
                mended = true;
            }
        } else if sim.elapsed() >= at {
            strike(sim, CLIENTS[rng.random_range(0..4)], &mut rng);
            at += Duration::from_millis(rng.random_range(10..200));
        }
    });
    finish(&mut sim, "server", &strings);
    book.judge()
}

#[test]
fn links_that_fail_lose_and_repeat_nothing_and_dead_connections_are_left() {
    let mut all = Tally::default();
    seeds(50, |seed| all.add(partitioned(seed)));
    assert!(all.answered > 50 && all.sent > 0, "{all:?}");
}
