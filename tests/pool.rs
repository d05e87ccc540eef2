//! Pools: spreading, replacing, waiting, and the numbers that errors tell.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, Pool, PoolBuilder, Server};
use support::{
    Bench, Gate, LabClient, LabService, Running, Script, Wire, lab, memory, poll_once, quiet,
    response, until,
};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A pool to a scripted server, and its connections.
async fn scripted(
    connections: usize,
    set: impl FnOnce(PoolBuilder) -> PoolBuilder,
) -> (Pool, Script, Vec<Wire>) {
    let mut script = Script::listen().await;
    let builder = Pool::builder(&script.address).max_size(connections);
    let pool = set(builder).build().await.unwrap();
    let mut wires = Vec::new();
    for _ in 0..connections {
        wires.push(script.accept().await);
    }
    (pool, script, wires)
}

/// The messages that came so far.
async fn arrived(wire: &mut Wire) -> usize {
    let mut count = 0;
    while !wire.is_silent().await {
        while wire.buffered().is_some() {
            count += 1;
        }
    }
    count
}

/// Sends calls that are not answered at once.
fn send_all<F: Future + Unpin>(calls: &mut [F]) {
    for call in calls {
        assert!(poll_once(call).is_pending());
    }
}

fn text<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    result.unwrap_err().to_string()
}

// Opening.

#[tokio::test(start_paused = true)]
async fn connections_are_opened_side_by_side() {
    for isolated in [false, true] {
        let (server, _bench) = lab().await;
        let gate = Gate::new(&server.address);
        gate.delay(SECOND);
        let begun = Instant::now();
        let pool =
            Pool::builder_with(gate.clone()).max_size(8).isolated(isolated).build().await.unwrap();
        assert_eq!(begun.elapsed(), SECOND, "8 connections of a second each");
        let status = pool.status();
        assert_eq!((status.open, status.idle, status.created, gate.tries()), (8, 8, 8, 8));
        assert_eq!(LabClient::new(pool).add(2, 3).await.unwrap(), 5);
    }
}

#[tokio::test]
async fn one_line_makes_a_pool() {
    let (server, _bench) = lab().await;
    let pool = Pool::connect(&server.address, 3).await.unwrap();
    let lab = LabClient::new(pool.clone());
    let sums = join_all((0..100).map(|n| lab.add(n, 1))).await;
    assert!(sums.into_iter().map(Result::unwrap).eq(1..101));
    let status = pool.status();
    assert_eq!(status.to_string(), "size 3, open 3, in flight 0, waiting 0");
    let sum: i64 = pool.call("add", (40, 2)).await.unwrap();
    assert_eq!(sum, 42);
}

#[tokio::test(start_paused = true)]
async fn a_pool_without_any_connection_is_refused_with_the_reasons() {
    let address = memory();
    for isolated in [false, true] {
        let built = Pool::builder(&address).isolated(isolated).build().await;
        assert_eq!(
            built.unwrap_err().to_string(),
            format!(
                "none of the 8 connections of the pool could be opened: could not connect to {address}: nobody \
                 listens there. Is the server running?"
            )
        );
    }
    let built = Pool::connect("tcp:/127.0.0.1:8000", 8).await;
    assert!(built.unwrap_err().to_string().contains("tcp://127.0.0.1:8000"), "shows a good one");
}

#[tokio::test(start_paused = true)]
async fn one_connection_is_enough_to_begin_with() {
    let (server, _bench) = lab().await;
    let gate = Gate::new(&server.address);
    gate.bar(true);
    gate.delay(SECOND);
    let building = tokio::spawn(Pool::builder_with(gate.clone()).max_size(4).build());
    sleep(SECOND / 2).await;
    gate.bar(false);
    let pool = building.await.unwrap().unwrap();
    assert_eq!(pool.status().open, 4);
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_lazy_pool_wait_for_its_first_connection() {
    for isolated in [false, true] {
        let address = memory();
        let pool = Pool::builder(&address).max_size(2).isolated(isolated).build_lazy().unwrap();
        let lab = LabClient::new(pool.clone());
        let call = tokio::spawn(lab.add(2, 3));
        let note = tokio::spawn(lab.note(7));
        sleep(SECOND).await;
        let bench = Bench::default();
        let _server =
            Running::start_at(Server::new(LabService::new(bench.clone())), &address).await;
        assert_eq!(call.await.unwrap().unwrap(), 5);
        note.await.unwrap().unwrap();
        until("the note arrives", || bench.kept() == [7]).await;
        assert!(pool.status().failed > 0);
    }
}

#[tokio::test]
async fn a_build_that_is_dropped_leaves_nothing() {
    let (server, _bench) = lab().await;
    server.serves_others().await;
    let tasks = tokio::runtime::Handle::current().metrics();
    until("only the server is left", || tasks.num_alive_tasks() == 2).await;
    let before = tasks.num_alive_tasks();
    for isolated in [false, true] {
        for polls in 0..20 {
            let mut building =
                Box::pin(Pool::builder(&server.address).max_size(4).isolated(isolated).build());
            for _ in 0..polls {
                if poll_once(&mut building).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }
    until("all tasks are gone", || tasks.num_alive_tasks() == before).await;
}

// Spreading.

#[tokio::test]
async fn calls_are_spread_evenly_together_and_one_after_another() {
    let (pool, _script, mut wires) = scripted(4, |builder| builder).await;
    let mut calls: Vec<_> = (0..40).map(|n| pool.call::<u32>("x", (n,))).collect();
    send_all(&mut calls);
    for wire in &mut wires {
        assert_eq!(arrived(wire).await, 10);
        for msgid in 0..10 {
            wire.send(response(msgid, 0)).await;
        }
    }
    join_all(calls).await.into_iter().for_each(|answer| assert_eq!(answer.unwrap(), 0));
    // No call is in flight: the connections take turns.
    for _ in 0..40 {
        pool.notify("note", ()).await.unwrap();
    }
    for wire in &mut wires {
        assert_eq!(arrived(wire).await, 10);
    }
}

#[tokio::test]
async fn the_least_busy_connection_is_taken() {
    let (pool, _script, mut wires) = scripted(2, |builder| builder).await;
    let mut calls: Vec<_> = (0..8).map(|n| pool.call::<u32>("x", (n,))).collect();
    send_all(&mut calls);
    assert_eq!((arrived(&mut wires[0]).await, arrived(&mut wires[1]).await), (4, 4));
    // One connection answers, the other one does not: the next three go where there is room.
    for msgid in 0..3 {
        wires[1].send(response(msgid, 0)).await;
    }
    quiet().await;
    calls.retain_mut(|call| poll_once(call).is_pending());
    assert_eq!((calls.len(), pool.status().in_flight), (5, 5));
    let mut more: Vec<_> = (0..3).map(|n| pool.call::<u32>("x", (n,))).collect();
    send_all(&mut more);
    assert_eq!((arrived(&mut wires[0]).await, arrived(&mut wires[1]).await), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_nothing_does_not_look_idle() {
    let (pool, _script, mut wires) = scripted(2, |builder| builder.timeout(SECOND)).await;
    let serve = |mut wire: Wire| async move {
        while let Some(message) = wire.next().await {
            let msgid = message.as_array().unwrap()[1].clone();
            wire.send(response(msgid, 0)).await;
        }
    };
    let mut dead = wires.remove(0);
    tokio::spawn(serve(wires.remove(0)));
    for _ in 0..100 {
        drop(pool.call::<u32>("x", ()).await);
    }
    assert!(arrived(&mut dead).await < 10, "calls avoid the connection on which they time out");
}

// Both kinds.

#[tokio::test]
async fn notifications_go_through_pools_of_both_kinds() {
    for isolated in [false, true] {
        let (server, bench) = lab().await;
        let pool =
            Pool::builder(&server.address).max_size(3).isolated(isolated).build().await.unwrap();
        let lab = LabClient::new(pool.clone());
        for n in 0..30 {
            lab.note(n).await.unwrap();
        }
        join_all((30..60).map(|n| lab.note(n))).await.into_iter().for_each(Result::unwrap);
        until("all have arrived", || bench.kept().len() == 60).await;
        let mut kept = bench.kept();
        kept.sort_unstable();
        assert!(kept.into_iter().eq(0..60), "each once");
        let status = pool.status();
        assert_eq!((status.in_flight, status.waiting, status.open, status.created), (0, 0, 3, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_times_out_after_its_own_timeout() {
    let (server, bench) = lab().await;
    for isolated in [false, true] {
        let pool =
            Pool::builder(&server.address).max_size(1).isolated(isolated).build().await.unwrap();
        let lab = LabClient::new(pool);
        let begun = Instant::now();
        let error = lab.hold(1).timeout(3 * SECOND).await.unwrap_err();
        assert!((3000..3200).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        assert_eq!(error.to_string(), "memory has not answered `hold` within 3s");
        assert!(error.was_sent());
    }
    bench.open(2);
}

#[tokio::test(start_paused = true)]
async fn calls_that_cannot_be_sent_are_not_repeated() {
    let (server, _bench) = lab().await;
    for isolated in [false, true] {
        let limits = support::client_limits(|limits| limits.outbound_message_bytes = 100);
        let builder = Pool::builder(&server.address).max_size(2).isolated(isolated).limits(limits);
        let pool = builder.build().await.unwrap();
        let lab = LabClient::new(pool.clone());
        let error = lab.measure(&[0; 200]).await.unwrap_err();
        assert!(matches!(error, CallError::TooLarge(_)) && !error.was_sent());
        assert_eq!(lab.measure(&[0; 20]).await.unwrap(), 20);
        assert_eq!((pool.status().open, pool.status().in_flight), (2, 0));
    }
}

// Waiting.

#[tokio::test(start_paused = true)]
async fn an_exhausted_pool_tells_each_caller_its_numbers() {
    let (server, bench) = lab().await;
    let builder = Pool::builder(&server.address).max_size(1).isolated(true).wait_timeout(SECOND);
    let pool = builder.build().await.unwrap();
    let lab = LabClient::new(pool.clone());
    let mut calls: Vec<_> = (0..100).map(|token| tokio::spawn(lab.hold(token))).collect();
    let first = calls.remove(0);
    until("the first one is at work", || bench.started() == 1).await;
    assert_eq!((pool.status().in_flight, pool.status().waiting), (1, 99));
    let begun = Instant::now();
    let errors = join_all(calls).await.into_iter().map(|call| call.unwrap().unwrap_err());
    let errors: Vec<_> = errors.inspect(|error| assert!(!error.was_sent())).collect();
    assert_eq!(begun.elapsed(), SECOND);
    let mut texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let mut expected: Vec<_> = (1..=99)
        .map(|waiting| {
            format!(
                "`hold` was not sent: the one connection of the pool to {} was busy for 1s (wait_timeout): size 1, \
                 open 1, in flight 1, waiting {waiting}",
                server.address
            )
        })
        .collect();
    texts.sort_unstable();
    expected.sort_unstable();
    assert_eq!(texts, expected);
    bench.open(1);
    assert_eq!(first.await.unwrap().unwrap(), 0);
    assert_eq!(lab.add(2, 3).await.unwrap(), 5);
    assert_eq!(bench.started(), 1, "nothing else was ever sent");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_down_tells_its_numbers_and_the_reason() {
    for isolated in [false, true] {
        let (server, _bench) = lab().await;
        let gate = Gate::new(&server.address);
        gate.bar(true);
        let pool = Pool::builder_with(gate.clone()).isolated(isolated).build_lazy().unwrap();
        let lab = LabClient::new(pool.clone());
        let begun = Instant::now();
        let calls = (0..17).map(|n| tokio::spawn(lab.add(n, 1)));
        let calls: Vec<_> = calls.collect();
        let error = calls.into_iter().next().unwrap().await.unwrap().unwrap_err();
        assert_eq!(begun.elapsed(), 15 * SECOND);
        let CallError::NotConnected(error) = &error else { panic!("{error:?}") };
        assert!(error.tries() > 0);
        assert_eq!(
            error.to_string(),
            format!(
                "`add` was not sent, no connection after {} tries: all 8 connections of the pool to {address} were down \
                 for 15s (wait_timeout): size 8, open 0, in flight 0, waiting 17; last error: could not connect to \
                 {address}: the gate is barred",
                error.tries(),
                address = server.address
            )
        );
        // A shorter timeout of the call's own ends the wait.
        let begun = Instant::now();
        let error = text(lab.add(1, 2).timeout(SECOND).await);
        assert_eq!(begun.elapsed(), SECOND);
        assert!(
            error.contains("were down for 1s (the timeout of the call): size 8, open 0"),
            "{error}"
        );
        gate.bar(false);
        assert_eq!(lab.add(2, 3).await.unwrap(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn what_trying_again_cannot_help_fails_calls_at_once_and_is_not_tried_hot() {
    for isolated in [false, true] {
        let (server, _bench) = lab().await;
        let gate = Gate::new(&server.address);
        gate.forbid();
        let pool = Pool::builder_with(gate.clone()).isolated(isolated).build_lazy().unwrap();
        let lab = LabClient::new(pool);
        let begun = Instant::now();
        let error = lab.add(2, 3).await.unwrap_err();
        assert!(begun.elapsed().is_zero() && !error.was_sent());
        assert!(error.to_string().contains("udp://127.0.0.1:1"), "{error}");
        for _ in 0..60 {
            sleep(SECOND).await;
            drop(lab.add(2, 3).timeout(SECOND).await);
        }
        assert!(gate.tries() <= 8 + 20, "{} tries in one to two minutes", gate.tries());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_closes_at_once_is_not_tried_hot() {
    for isolated in [false, true] {
        let mut script = Script::listen().await;
        let gate = Gate::new(&script.address);
        tokio::spawn(async move {
            loop {
                drop(script.accept().await);
            }
        });
        let pool = Pool::builder_with(gate.clone()).isolated(isolated).build_lazy().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < 60 * SECOND {
            let error = pool.call::<u32>("x", ()).await.unwrap_err();
            assert!(matches!(error, CallError::Closed(_) | CallError::NotConnected(_)), "{error}");
        }
        assert!(gate.tries() < 250, "{} tries in a minute", gate.tries());
        let error = text(pool.call::<u32>("x", ()).timeout(SECOND / 1000).await);
        let reason = "nothing was answered before the end: the peer closed it";
        assert!(error.contains(reason), "{error}");
    }
}
