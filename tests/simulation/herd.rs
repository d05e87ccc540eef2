//! Many clients that lose their server at the same moment, and the times at which they come back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgrpc::{Client, Reconnect, Stopped};
use tokio::time::sleep;

use super::ledger::{Book, LedgerClient};
use super::load::{tasks, works_within};
use super::network;
use super::network::{CONNECT_TIMEOUT, To};
use super::server::{Order, Strings, finish, host, run, seeds};

const CLIENTS: u64 = 60;
const MOST_PAUSE: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);
const DOWN: Duration = Duration::from_secs(1);
const UP: Duration = Duration::from_secs(12);

/// The times at which all clients connect, from when the server goes until they are back.
fn tries(seed: u64) -> Vec<Duration> {
    let mut sim = network(seed, Duration::from_secs(30));
    let (book, strings) = (Book::default(), Strings::new(Duration::from_millis(100)));
    host(&mut sim, "server", &strings, &book);
    let tries = Arc::new(Mutex::new(Vec::new()));
    for group in 0..4 {
        let (book, tries) = (book.clone(), Arc::clone(&tries));
        sim.client(format!("clients-{group}"), async move {
            let before = tasks();
            let mut clients = Vec::new();
            for number in (0..CLIENTS).filter(|number| number % 4 == group) {
                let policy = Reconnect::default().max_interval(MOST_PAUSE);
                let policy = policy.seed(seed * CLIENTS + number);
                let to = To { host: "server", tries: Arc::clone(&tries) };
                let client = Client::builder_with(to).reconnect(policy).connect().await?;
                let token = || (number, book.issued());
                let ledger = LedgerClient::new(client.clone());
                works_within(&ledger, &book, token, Duration::from_secs(1)).await;
                clients.push(client);
            }
            let most = MOST_PAUSE + CONNECT_TIMEOUT;
            sleep((UP + most).saturating_sub(turmoil::sim_elapsed().unwrap())).await;
            for client in clients {
                assert!(client.state().is_connected(), "{}", client.state());
                client.close().await;
            }
            assert_eq!(tasks(), before, "tasks of the clients are left");
            Ok(())
        });
    }
    run(&mut sim, |sim| {
        let wanted =
            if sim.elapsed() < DOWN || sim.elapsed() >= UP { Order::Run } else { Order::Die };
        if *strings.order.borrow() != wanted {
            strings.order.send_replace(wanted);
        }
    });
    let stopped = finish(&mut sim, "server", &strings);
    assert_eq!(stopped, Stopped::default(), "connections or calls were left");
    book.judge();
    let tries = tries.lock().unwrap();
    tries.iter().copied().filter(|at| *at >= DOWN).collect()
}

#[test]
fn clients_that_lose_their_server_come_back_spread_over_time() {
    seeds(5, |seed| {
        let tries = tries(seed);
        let back: Vec<_> = tries.into_iter().filter(|at| *at >= UP).collect();
        // Those whose way there was just the rest of the outage have begun before.
        assert!((55..=60).contains(&back.len()), "each connects once: {}", back.len());
        for second in 0..3 {
            let share = between(&back, UP + second * SECOND, SECOND);
            assert!((1..45).contains(&share), "{share} of 60 in second {second}");
        }
        for part in 0..30 {
            let share = between(&back, UP + part * SECOND / 10, SECOND / 10);
            assert!(share < 15, "{share} of 60 in tenth {part} of a second");
        }
    });
}

fn between(times: &[Duration], begin: Duration, length: Duration) -> usize {
    times.iter().filter(|at| (begin..begin + length).contains(*at)).count()
}
