//! A server that is restarted every second under load.

use std::time::Duration;

use msgrpc::transport::PoolOptions;
use msgrpc::{Client, Pool, Reconnect};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use turmoil::Sim;

use super::ledger::{Book, Tally};
use super::load::Load;
use super::network::{CONNECT_TIMEOUT, To};
use super::server::{Order, Strings, finish, run, seeds};
use super::{client, network};

const MOST_PAUSE: Duration = Duration::from_millis(400);
/// For the way there and back, a few times.
const ROUND_TRIPS: Duration = Duration::from_millis(200);

fn client_to(seed: u64) -> Client {
    let policy = Reconnect::default().max_interval(MOST_PAUSE).seed(seed);
    Client::builder_with(To::new("server")).reconnect(policy).connect_lazy().unwrap()
}

fn pool_to(isolated: bool) -> Pool {
    let options = PoolOptions::default().max_size(3).max_interval(MOST_PAUSE);
    let pool = Pool::builder_with(To::new("server")).options(options).isolated(isolated);
    pool.build_lazy().unwrap()
}

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
    let served = (strings.clone(), book.clone());
    sim.host("server", move || served.0.clone().serve(served.1.clone()));
    let load = |number| Load {
        book: book.clone(),
        seed: seed * 10 + number,
        callers: 3,
        until: length,
        pause: Duration::from_millis(60),
        work: Duration::from_millis(60),
    };
    let within = MOST_PAUSE + CONNECT_TIMEOUT + ROUND_TRIPS;
    client!(sim, "client-0", load(0), within, move || client_to(seed));
    client!(sim, "client-1", load(1), within, move || client_to(seed + 1));
    client!(sim, "pool", load(2), within, || pool_to(false));
    client!(sim, "isolated", load(3), within, || pool_to(true));

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
    seeds(200, |seed| {
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
