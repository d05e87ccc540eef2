//! Servers that end in order, or by a crash, in the middle of calls: each caller learns what became of its call.

use std::time::Duration;

use msgrpc::{Client, Reconnect, Stopped};

use super::ledger::{Book, LedgerClient, Tally};
use super::load::{Load, tasks};
use super::network;
use super::network::To;
use super::server::{Order, Strings, host, run, seeds};

/// When the server is told to end.
const END: Duration = Duration::from_millis(700);
const GRACE: Duration = Duration::from_millis(300);

/// Clients that stay with their connection, and a server that ends at [`END`] in the way of `order`; without one its host
/// crashes. Returns what the server counted, what the callers did, and how many calls were cut off at work.
fn ended(seed: u64, order: Option<Order>) -> (Option<Stopped>, Tally, Book) {
    let mut sim = network(seed, Duration::from_secs(10));
    let (book, strings) = (Book::default(), Strings::new(GRACE));
    host(&mut sim, "server", &strings, &book);
    for number in 0..3 {
        let work = Duration::from_millis(600);
        let load = Load::new(&book, seed * 10 + number, END + Duration::from_millis(50));
        let load = Load { callers: 10, work, calm: true, ..load };
        sim.client(format!("client-{number}"), async move {
            let before = tasks();
            let to = Client::builder_with(To::new("server")).reconnect(Reconnect::never());
            let client = to.connect().await?;
            load.run(&LedgerClient::new(client.clone())).await;
            client.close().await;
            assert_eq!(tasks(), before, "tasks of the client are left");
            Ok(())
        });
    }
    let mut told = false;
    run(&mut sim, |sim| {
        if sim.elapsed() >= END && !told {
            told = true;
            match order {
                Some(order) => drop(strings.order.send_replace(order)),
                None => sim.crash("server"),
            }
        }
        let late = END + GRACE + Duration::from_secs(1);
        assert!(sim.elapsed() <= late, "somebody waits for longer than the server lives");
    });
    let end = END + GRACE + Duration::from_secs(1);
    while order == Some(Order::Shutdown) && strings.stopped.lock().unwrap().is_none() {
        assert!(sim.elapsed() <= end, "the server does not end");
        sim.step().unwrap();
    }
    let stopped = *strings.stopped.lock().unwrap();
    (stopped, book.judge(), book)
}

#[test]
fn a_server_that_ends_in_order_counts_what_its_callers_learn() {
    seeds(50, |seed| {
        let (stopped, tally, book) = ended(seed, Some(Order::Shutdown));
        let stopped = stopped.unwrap();
        assert_eq!(stopped.refused, tally.refused, "{stopped}; {tally:?}");
        assert_eq!(stopped.aborted, book.cut_off(), "{stopped}; {tally:?}");
        assert!(tally.answered > 20, "{stopped}; {tally:?}");
        assert_eq!(stopped.connections_closed + stopped.connections_aborted, 3, "{stopped}");
    });
}

#[test]
fn a_server_that_crashes_or_dies_leaves_no_caller_waiting() {
    seeds(50, |seed| {
        let order = (seed % 2 == 0).then_some(Order::Die);
        let (_, tally, book) = ended(seed, order);
        assert!(book.cut_off() > 0, "nothing was at work: {tally:?}");
        assert!(tally.sent >= book.cut_off(), "{tally:?}");
    });
}
