//! A server that is restarted every second under load.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use turmoil::Sim;

use super::ledger::{Book, Tally};
use super::load::Load;
use super::server::{Order, Strings, finish, host, run, seeds};
use super::{RECOVERY, client, client_to, network, pool_to};

/// How a server goes, and how it comes back.
#[derive(Clone, Copy, Debug)]
enum Restart {
    /// With its host: nobody answers until it is back.
    Host,
    /// Its process alone: connections are refused.
    Process,
    /// In order.
    Ordered,
}

fn go(restart: Restart, sim: &mut Sim<'_>, strings: &Strings) {
    match restart {
        Restart::Host => sim.crash("server"),
        Restart::Process => drop(strings.order.send_replace(Order::Die)),
        Restart::Ordered => drop(strings.order.send_replace(Order::Shutdown)),
    }
}

fn come(restart: Restart, sim: &mut Sim<'_>, strings: &Strings) {
    match restart {
        Restart::Host => sim.bounce("server"),
        Restart::Process | Restart::Ordered => drop(strings.order.send_replace(Order::Run)),
    }
}

/// A server that is restarted every second for `length`, by two clients and two pools.
fn restarted(seed: u64, length: Duration) -> Tally {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut sim = network(seed, length + Duration::from_secs(10));
    let (book, strings) = (Book::default(), Strings::new(Duration::from_millis(100)));
    host(&mut sim, "server", &strings, &book);
    let load = |number| Load { seed: seed * 10 + number, ..Load::new(&book, 0, length) };
    client!(sim, "client-0", load(0), RECOVERY, move || client_to(seed));
    client!(sim, "client-1", load(1), RECOVERY, move || client_to(seed + 1));
    client!(sim, "pool", load(2), RECOVERY, || pool_to(false));
    client!(sim, "isolated", load(3), RECOVERY, || pool_to(true));

    let mut at = Duration::from_secs(1);
    let mut gone = None;
    run(&mut sim, |sim| {
        if sim.elapsed() < at {
            return;
        }
        if let Some(restart) = gone.take() {
            come(restart, sim, &strings);
            at = Duration::from_secs(at.as_secs() + 1);
        } else if at < length {
            let ways = [Restart::Host, Restart::Process, Restart::Ordered];
            let restart = ways[rng.random_range(0..3)];
            go(restart, sim, &strings);
            gone = Some(restart);
            at += Duration::from_millis(rng.random_range(10..300));
        }
    });
    finish(&mut sim, "server", &strings);
    book.judge()
}

#[test]
fn a_server_that_is_restarted_every_second_loses_and_repeats_nothing() {
    seeds(50, |seed| {
        let tally = restarted(seed, Duration::from_secs(3));
        assert!(tally.answered > 100, "{tally:?}");
    });
}

#[test]
fn a_minute_of_restarts_loses_and_repeats_nothing() {
    seeds(2, |seed| {
        let tally = restarted(seed, Duration::from_secs(60));
        assert!(tally.answered > 3_000, "{tally:?}");
        assert!(tally.sent > 0 && tally.unsent > 0 && tally.dropped > 0, "{tally:?}");
    });
}
