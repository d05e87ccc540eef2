//! Pools whose connections end: what is replaced, what is sent again, and what is never sent twice.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use msgrpc::transport::PoolOptions;
use msgrpc::{CallError, Context, Pool, PoolBuilder, Server, Value};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use support::{
    Gate, LabClient, Running, Script, Wire, error, lab, memory, poll_once, quiet, request,
    response, until, value,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

/// A pool of one connection to a scripted server, and that connection.
async fn scripted(set: impl FnOnce(PoolBuilder) -> PoolBuilder) -> (Pool, Script, Wire) {
    let mut script = Script::listen().await;
    let pool = set(Pool::builder(&script.address).max_size(1)).build().await.unwrap();
    let wire = script.accept().await;
    (pool, script, wire)
}

/// A call without arguments, as it arrives.
fn asked(msgid: u32, method: &str) -> Value {
    value((0, msgid, method, Vec::<u32>::new()))
}

/// Counts how often each token was executed.
#[msgrpc::service]
trait Register {
    /// Returns the token after a while.
    async fn once(&self, token: u64, millis: u64) -> u64;
    /// The same, for callers that do not mind twice.
    #[msgrpc(idempotent)]
    async fn again(&self, token: u64, millis: u64) -> u64;
}

#[derive(Clone, Default)]
struct Book(Arc<Mutex<HashMap<u64, u32>>>);

impl Register for Book {
    async fn once(&self, token: u64, millis: u64) -> u64 {
        *self.0.lock().unwrap().entry(token).or_default() += 1;
        if millis > 0 {
            sleep(Duration::from_millis(millis)).await;
        }
        tokio::task::yield_now().await;
        token
    }

    async fn again(&self, token: u64, millis: u64) -> u64 {
        self.once(token, millis).await
    }
}

impl Book {
    fn size(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn count(&self, token: u64) -> u32 {
        self.0.lock().unwrap().get(&token).copied().unwrap_or_default()
    }
}

/// What became of the calls of one caller: the token, whether it may be repeated, whether it succeeded or was sent.
type Fates = Vec<(u64, bool, Result<(), bool>)>;

async fn call_and_call(register: RegisterClient<Pool>, caller: u64) -> Fates {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(caller);
    let mut fates = Vec::new();
    for n in 0..60 {
        let (token, millis) = (caller * 1000 + n, rng.random_range(0..30));
        let idempotent = rng.random_bool(0.5);
        let call =
            if idempotent { register.again(token, millis) } else { register.once(token, millis) };
        let fate = match call.await {
            Ok(answer) => {
                assert_eq!(answer, token, "the answer belongs to the call");
                Ok(())
            }
            Err(error) => Err(error.was_sent()),
        };
        fates.push((token, idempotent, fate));
    }
    fates
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_server_has_vanished_is_replaced_after_three_timeouts() {
    let (pool, mut script, _vanished) = scripted(|pool| pool.timeout(10 * SECOND)).await;
    for _ in 0..3 {
        let error = pool.call::<u64>("x", ()).await.unwrap_err();
        assert!(matches!(error, CallError::TimedOut(_)), "{error:?}");
    }
    let call = tokio::spawn(pool.call::<u64>("x", ()));
    let mut wire = script.accept().await;
    assert_eq!(wire.message().await, asked(0, "x"));
    wire.send(&response(0, 5)).await;
    assert_eq!(call.await.unwrap().unwrap(), 5);
    assert_eq!(pool.status().replaced, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_restarts_under_load_executes_nothing_twice() {
    for isolated in [false, true] {
        let (address, book) = (memory(), Book::default());
        let server = || {
            let server = Server::new(RegisterService::new(book.clone()));
            Running::start_at(server.shutdown_grace(Duration::ZERO), &address)
        };
        let mut running = server().await;
        let options = PoolOptions::default().max_interval(Duration::from_millis(10));
        let builder = Pool::builder(&address).options(options).isolated(isolated);
        let pool = builder.build().await.unwrap();
        let register = RegisterClient::new(pool.clone());
        let callers = (0..30).map(|caller| tokio::spawn(call_and_call(register.clone(), caller)));
        let callers: Vec<_> = callers.collect();
        for restart in 0..20 {
            sleep(Duration::from_millis(37)).await;
            running.stop().await;
            sleep(Duration::from_millis(restart % 3 * 20)).await;
            running = server().await;
        }
        let fates: Fates = join_all(callers).await.into_iter().flat_map(Result::unwrap).collect();
        for (token, idempotent, fate) in &fates {
            let count = book.count(*token);
            let most = if *idempotent { 2 } else { 1 };
            match fate {
                Ok(()) => assert!((1..=most).contains(&count), "{token}: {count}"),
                Err(true) => assert!(count <= most, "{token}: {count}"),
                Err(false) => assert_eq!(count, 0, "{token} was not sent"),
            }
        }
        let failed =
            |of: bool| fates.iter().filter(|(_, it, fate)| *it == of && fate.is_err()).count();
        assert!(failed(false) > 0, "calls were lost with their connections");
        assert!(failed(true) < failed(false), "{} {}", failed(true), failed(false));
        assert_eq!(register.once(u64::MAX, 0).await.unwrap(), u64::MAX);
        let status = pool.status();
        assert!(status.replaced > 50 && status.open <= 8, "{status:?}");
        assert_eq!((status.in_flight, status.waiting), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_over_tcp_and_on_several_threads_execute_nothing_twice() {
    for isolated in [false, true] {
        let book = Book::default();
        let server = |address: String| {
            let server = Server::new(RegisterService::new(book.clone()));
            async move { Running::start_at(server.shutdown_grace(Duration::ZERO), &address).await }
        };
        let mut running = server("tcp://127.0.0.1:0".to_owned()).await;
        let address = running.address.clone();
        let options = PoolOptions::default().max_interval(Duration::from_millis(10));
        let builder = Pool::builder(&address).options(options).isolated(isolated);
        let pool = builder.build().await.unwrap();
        let register = RegisterClient::new(pool.clone());
        let stop = CancellationToken::new();
        let callers = (0..8_u64).map(|caller| {
            let (register, stop) = (register.clone(), stop.clone());
            tokio::spawn(async move {
                let mut fates = Vec::new();
                for n in (0..).take_while(|_| !stop.is_cancelled()) {
                    let token = caller << 32 | n;
                    let fate = match register.once(token, 0).await {
                        Ok(answer) => {
                            assert_eq!(answer, token);
                            Ok(())
                        }
                        Err(error) => Err(error.was_sent()),
                    };
                    fates.push((token, fate));
                }
                fates
            })
        });
        let callers: Vec<_> = callers.collect();
        for _ in 0..10 {
            let before = book.size();
            until("calls are executed", || book.size() > before + 100).await;
            running.stop().await;
            running = server(address.clone()).await;
        }
        stop.cancel();
        for (token, fate) in join_all(callers).await.into_iter().flat_map(Result::unwrap) {
            let count = book.count(token);
            match fate {
                Ok(()) => assert_eq!(count, 1, "{token}"),
                Err(true) => assert!(count <= 1, "{token}: {count}"),
                Err(false) => assert_eq!(count, 0, "{token} was not sent"),
            }
        }
        pool.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_on_loan_is_not_put_back() {
    for isolated in [false, true] {
        let (pool, mut script, mut wire) = scripted(|builder| builder.isolated(isolated)).await;
        let call = tokio::spawn(pool.call::<u32>("x", ()));
        assert_eq!(wire.message().await, asked(0, "x"));
        drop(wire);
        let error = call.await.unwrap().unwrap_err();
        assert!(error.was_sent());
        assert_eq!(
            error.to_string(),
            "the connection to memory ended before `x` was answered: the peer closed it"
        );
        let call = tokio::spawn(pool.call::<u32>("y", ()));
        let mut wire = script.accept().await;
        assert_eq!(wire.message().await, asked(0, "y"));
        wire.send(response(0, 7)).await;
        assert_eq!(call.await.unwrap().unwrap(), 7);
        let status = pool.status();
        assert_eq!((status.open, status.created, status.replaced, status.in_flight), (1, 2, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_while_idle_is_not_lent() {
    for isolated in [false, true] {
        let (pool, mut script, wire) = scripted(|builder| builder.isolated(isolated)).await;
        drop(wire);
        quiet().await;
        let call = tokio::spawn(pool.call::<u32>("y", ()));
        let mut wire = script.accept().await;
        assert_eq!(wire.message().await, asked(0, "y"));
        wire.send(response(0, 7)).await;
        assert_eq!(call.await.unwrap().unwrap(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_has_vanished_is_replaced_after_three_silent_timeouts() {
    let (pool, mut script, mut wire) = scripted(|builder| builder.timeout(2 * SECOND)).await;
    // 2 s each, and 5 s since the first of them.
    for _ in 0..4 {
        assert_eq!(pool.status().created, 1);
        assert!(pool.call::<u32>("x", ()).await.unwrap_err().was_sent());
    }
    let mut new = script.accept().await;
    assert_eq!(wire.rest().await.len(), 4);
    let call = tokio::spawn(pool.call::<u32>("y", ()));
    assert_eq!(new.message().await, asked(0, "y"));
    new.send(response(0, 7)).await;
    assert_eq!(call.await.unwrap().unwrap(), 7);
}

// Sending again.

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_in_the_line_of_a_connection_goes_to_the_next() {
    let one_at_a_time = |builder: PoolBuilder| builder.client(|client| client.max_in_flight(1));
    let (pool, mut script, mut wire) = scripted(one_at_a_time).await;
    let sent = tokio::spawn(pool.call::<u32>("sent", ()));
    assert_eq!(wire.message().await, asked(0, "sent"));
    let unsent = tokio::spawn(pool.call::<u32>("unsent", ()));
    assert!(wire.is_silent().await);
    drop(wire);
    assert!(sent.await.unwrap().unwrap_err().was_sent());
    let mut wire = script.accept().await;
    assert_eq!(wire.message().await, asked(0, "unsent"));
    wire.send(response(0, 7)).await;
    assert_eq!(unsent.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_is_idempotent_is_sent_once_more_and_no_third_time() {
    for isolated in [false, true] {
        let (pool, mut script, mut wire) = scripted(|builder| builder.isolated(isolated)).await;
        let call = tokio::spawn(pool.call::<u32>("x", ()).idempotent(true));
        assert_eq!(wire.message().await, asked(0, "x"));
        drop(wire);
        let mut wire = script.accept().await;
        assert_eq!(wire.message().await, asked(0, "x"));
        drop(wire);
        assert!(call.await.unwrap().unwrap_err().was_sent());
        let call = tokio::spawn(pool.call::<u32>("x", ()).idempotent(true));
        let mut wire = script.accept().await;
        wire.message().await;
        drop(wire);
        let mut wire = script.accept().await;
        wire.message().await;
        wire.send(response(0, 7)).await;
        assert_eq!(call.await.unwrap().unwrap(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_once_says_so_although_it_could_not_be_sent_again() {
    for isolated in [false, true] {
        let mut script = Script::listen().await;
        let gate = Gate::new(&script.address);
        let pool =
            Pool::builder_with(gate.clone()).max_size(1).isolated(isolated).build().await.unwrap();
        let mut wire = script.accept().await;
        let begun = Instant::now();
        let call = tokio::spawn(pool.call::<u32>("x", ()).idempotent(true));
        wire.message().await;
        gate.bar(true);
        drop(wire);
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(begun.elapsed(), 15 * SECOND, "it waited for another connection");
        assert!(error.was_sent() && matches!(error, CallError::Closed(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_budget_is_sent_again() {
    let (pool, mut script, wire) = scripted(|builder| builder.retry_budget(0)).await;
    let mut call = pool.call::<u32>("x", ()).idempotent(true);
    assert!(poll_once(&mut call).is_pending());
    drop(wire);
    assert!(call.await.unwrap_err().was_sent());
    drop(script.accept().await);
    pool.close().await;

    // The first ten are free, then it is one in five.
    let (pool, mut script, mut wire) = scripted(|builder| builder).await;
    let calls = (0..100).map(|n| tokio::spawn(pool.call::<u32>("x", (n,)).idempotent(true)));
    let calls: Vec<_> = calls.collect();
    for _ in 0..100 {
        wire.message().await;
    }
    drop(wire);
    let mut wire = script.accept().await;
    for msgid in 0..30 {
        wire.message().await;
        wire.send(response(msgid, 0)).await;
    }
    assert!(wire.is_silent().await);
    let answered = join_all(calls).await.into_iter().filter(|call| call.as_ref().unwrap().is_ok());
    assert_eq!(answered.count(), 30, "10 + 100 / 5");
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_was_not_queued_goes_to_the_next_connection() {
    let narrow = |builder: PoolBuilder| {
        let limits = support::client_limits(|limits| limits.output_bytes = 64);
        builder.limits(limits)
    };
    let (pool, mut script, wire) = scripted(narrow).await;
    let big = "x".repeat(200 << 10);
    pool.notify("fill", (&big,)).await.unwrap();
    let mut waiting = pool.notify("note", (7,));
    assert!(poll_once(&mut waiting).is_pending(), "there is no room for it");
    drop(wire);
    let waiting = tokio::spawn(waiting);
    let mut wire = script.accept().await;
    waiting.await.unwrap().unwrap();
    assert_eq!(wire.message().await, value((2, "note", (7,))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_shutting_down_draws_no_more_calls() {
    for isolated in [false, true] {
        let (pool, mut script, mut old) = scripted(|builder| builder.isolated(isolated)).await;
        let going = "[-32003] the server is shutting down";
        let call = tokio::spawn(pool.call::<u32>("x", ()));
        old.message().await;
        old.send(error(0, going)).await;
        let refused = call.await.unwrap().unwrap_err();
        assert!(
            matches!(refused, CallError::Fault(_)),
            "only its caller knows what may be done twice"
        );
        let call = tokio::spawn(pool.call::<u32>("y", ()).idempotent(true));
        let mut new = script.accept().await;
        assert_eq!(new.message().await, asked(0, "y"));
        assert!(old.rest().await.is_empty(), "it was closed");
        new.send(error(0, going)).await;
        let mut third = script.accept().await;
        assert_eq!(third.message().await, asked(0, "y"));
        third.send(response(0, 7)).await;
        assert_eq!(call.await.unwrap().unwrap(), 7);
        assert_eq!((pool.status().open, pool.status().replaced), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_always_shutting_down_is_not_tried_hot() {
    for isolated in [false, true] {
        let mut script = Script::listen().await;
        let gate = Gate::new(&script.address);
        tokio::spawn(async move {
            loop {
                let mut wire = script.accept().await;
                tokio::spawn(async move {
                    while let Some(message) = wire.next().await {
                        let msgid = message.as_array().unwrap()[1].clone();
                        wire.send(error(msgid, "[-32003] the server is shutting down")).await;
                    }
                });
            }
        });
        let builder = Pool::builder_with(gate.clone()).isolated(isolated).timeout(SECOND);
        let pool = builder.build().await.unwrap();
        let begun = Instant::now();
        while begun.elapsed() < 60 * SECOND {
            drop(pool.call::<u32>("x", ()).await);
        }
        assert!(gate.tries() < 250, "{} tries in a minute", gate.tries());
    }
}

// Growing old.

#[tokio::test(start_paused = true)]
async fn an_old_connection_ends_when_its_calls_have_and_the_new_one_takes_over_first() {
    let set = |builder: PoolBuilder| builder.max_lifetime(60 * SECOND).max_idle(None).timeout(None);
    let (pool, mut script, mut old) = scripted(set).await;
    let begun = Instant::now();
    let long = tokio::spawn(pool.call::<u32>("long", ()));
    assert_eq!(old.message().await, asked(0, "long"));
    let mut new = script.accept().await;
    let replaced = begun.elapsed();
    assert!(replaced > 53 * SECOND && replaced <= 61 * SECOND, "{replaced:?}");
    quiet().await;
    assert_eq!(pool.status().open, 1, "the old one is not counted");
    let short = tokio::spawn(pool.call::<u32>("short", ()));
    assert_eq!(new.message().await, asked(0, "short"));
    new.send(response(0, 1)).await;
    assert_eq!(short.await.unwrap().unwrap(), 1);
    old.send(response(0, 2)).await;
    assert_eq!(long.await.unwrap().unwrap(), 2, "calls finish first");
    assert!(old.rest().await.is_empty(), "then it closes");
    assert_eq!(pool.status().replaced, 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_serves_until_there_is_another() {
    let (server, _bench) = lab().await;
    let gate = Gate::new(&server.address);
    let builder = Pool::builder_with(gate.clone()).max_size(2).max_lifetime(60 * SECOND);
    let pool = builder.max_idle(None).build().await.unwrap();
    gate.bar(true);
    sleep(100 * SECOND).await;
    assert!(gate.tries() > 2, "others are tried for");
    assert_eq!(LabClient::new(pool.clone()).add(2, 3).await.unwrap(), 5);
    gate.bar(false);
    until("both are new", || pool.status().replaced == 0).await;
    sleep(20 * SECOND).await;
    assert_eq!((pool.status().replaced, pool.status().open), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn lifetimes_do_not_end_all_at_once() {
    let (server, _bench) = lab().await;
    let gate = Gate::new(&server.address);
    let builder = Pool::builder_with(gate.clone()).max_size(50).max_lifetime(600 * SECOND);
    let pool = builder.max_idle(None).build().await.unwrap();
    sleep(539 * SECOND).await;
    assert_eq!(gate.tries(), 50);
    sleep(31 * SECOND).await;
    let early = gate.tries() - 50;
    assert!((5..45).contains(&early), "{early} of 50 in the first half of the last tenth");
    sleep(31 * SECOND).await;
    assert_eq!((gate.tries(), pool.status().replaced), (100, 50));
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_replaced_and_those_in_use_are_not() {
    let (server, _bench) = lab().await;
    let builder = Pool::builder(&server.address).max_size(1).max_idle(10 * SECOND);
    let pool = builder.max_lifetime(None).build().await.unwrap();
    let lab = LabClient::new(pool.clone());
    for _ in 0..100 {
        sleep(SECOND).await;
        lab.add(2, 3).await.unwrap();
    }
    assert_eq!(pool.status().replaced, 0, "it was in use");
    let call = tokio::spawn(lab.hold(1).timeout(None));
    sleep(100 * SECOND).await;
    assert_eq!(pool.status().replaced, 0, "a call is under way");
    call.abort();
    drop(call.await);
    sleep(11 * SECOND).await;
    assert_eq!(pool.status().replaced, 1);
    sleep(11 * SECOND).await;
    assert_eq!(pool.status().replaced, 2);
    lab.add(2, 3).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn idle_connections_of_an_isolated_pool_are_closed_until_they_are_needed() {
    let (server, _bench) = lab().await;
    let builder = Pool::builder(&server.address).isolated(true).max_idle(10 * SECOND);
    let pool = builder.build().await.unwrap();
    assert_eq!(pool.status().open, 8);
    sleep(13 * SECOND).await;
    assert_eq!(pool.status().open, 0);
    assert_eq!(LabClient::new(pool.clone()).add(2, 3).await.unwrap(), 5);
    assert_eq!((pool.status().open, pool.status().created), (1, 9));
}

// Isolated.

/// Tells when two calls of one connection are at work at once.
#[msgrpc::service]
trait Lonely {
    async fn work(&self, ctx: &Context, turns: u32) -> u32;
}

#[derive(Clone, Default)]
struct Desk(Arc<Mutex<HashMap<String, u32>>>);

impl Lonely for Desk {
    async fn work(&self, ctx: &Context, turns: u32) -> u32 {
        let peer = ctx.peer().to_string();
        let at_work = {
            let mut desk = self.0.lock().unwrap();
            let at_work = desk.entry(peer.clone()).or_default();
            *at_work += 1;
            *at_work
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        *self.0.lock().unwrap().get_mut(&peer).unwrap() -= 1;
        at_work
    }
}

#[tokio::test]
async fn an_isolated_connection_never_carries_two_calls_at_once() {
    let desk = Desk::default();
    let server = Server::new(LonelyService::new(desk.clone()));
    let server = Running::start_at(server, "tcp://127.0.0.1:0").await;
    let pool = Pool::builder(&server.address).max_size(4).isolated(true).build().await.unwrap();
    let lonely = LonelyClient::new(pool.clone());
    let callers = (0..40_u32).map(|caller| {
        let lonely = lonely.clone();
        tokio::spawn(async move {
            for n in 0..25 {
                let work = lonely.work((caller + n) % 7);
                if (caller + n) % 11 == 0 {
                    // Given up somewhere on the way.
                    let mut work = work;
                    for _ in 0..n % 5 {
                        drop(poll_once(&mut work));
                        tokio::task::yield_now().await;
                    }
                    continue;
                }
                assert_eq!(work.await.unwrap(), 1, "calls at work on its connection");
            }
        })
    });
    join_all(callers).await.into_iter().for_each(Result::unwrap);
    let status = pool.status();
    assert_eq!((status.in_flight, status.waiting), (0, 0));
    assert!(desk.0.lock().unwrap().len() >= 4, "all connections were used");
    pool.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_answer_is_outstanding_is_not_lent_again() {
    let (pool, mut script, mut wire) = scripted(|builder| builder.isolated(true)).await;
    let mut dropped = pool.call::<u32>("dropped", ());
    let _waits = poll_once(&mut dropped);
    quiet().await;
    let _waits = poll_once(&mut dropped);
    assert_eq!(wire.message().await, asked(0, "dropped"));
    drop(dropped);
    let next = tokio::spawn(pool.call::<u32>("next", ()));
    let mut second = script.accept().await;
    assert!(wire.rest().await.is_empty(), "it was closed");
    assert_eq!(second.message().await, asked(0, "next"));
    second.send(response(0, 7)).await;
    assert_eq!(next.await.unwrap().unwrap(), 7);
    // The same after a timeout.
    let late = pool.call::<u32>("late", ()).timeout(SECOND).await.unwrap_err();
    assert!(late.was_sent());
    assert_eq!(second.rest().await, [asked(1, "late")]);
    // One that is dropped before it was sent costs nothing.
    drop(pool.call::<u32>("never", ()));
    let call = tokio::spawn(pool.call::<u32>("x", ()));
    let mut third = script.accept().await;
    assert_eq!(third.message().await, asked(0, "x"));
    third.send(response(0, 7)).await;
    assert_eq!(call.await.unwrap().unwrap(), 7);
    assert_eq!(pool.status().created, 3);
}

#[tokio::test(start_paused = true)]
async fn whatever_callers_do_an_isolated_pool_keeps_its_size() {
    for seed in 0..20 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (server, bench) = lab().await;
        let gate = Gate::new(&server.address);
        let options = PoolOptions::default().max_size(3).max_idle(2 * SECOND);
        let pool =
            Pool::builder_with(gate.clone()).options(options).isolated(true).build().await.unwrap();
        let lab = LabClient::new(pool.clone());
        let mut calls = Vec::new();
        for n in 0..100 {
            match rng.random_range(0..10) {
                0..4 => calls.push(tokio::spawn(lab.hold(n))),
                4 if !calls.is_empty() => {
                    calls.swap_remove(rng.random_range(0..calls.len())).abort();
                }
                5 => bench.open(1),
                6 => gate.bar(rng.random_bool(0.5)),
                7 => drop(tokio::spawn(lab.note(1))),
                _ => sleep(Duration::from_millis(rng.random_range(0..2000))).await,
            }
            let status = pool.status();
            assert!(status.open <= 3 && status.in_flight <= status.open, "{status}");
        }
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        join_all(calls).await;
        gate.bar(false);
        sleep(60 * SECOND).await;
        assert_eq!((pool.status().in_flight, pool.status().waiting), (0, 0));
        bench.open(1000);
        let full = join_all((0..9).map(|n| lab.hold(n))).await;
        assert!(full.into_iter().all(|call| call.is_ok()));
        pool.close().await;
    }
}

// Closing.

#[tokio::test]
async fn closing_ends_calls_connections_and_tasks() {
    for isolated in [false, true] {
        let (server, bench) = lab().await;
        server.serves_others().await;
        let tasks = tokio::runtime::Handle::current().metrics();
        until("only the server is left", || tasks.num_alive_tasks() <= 4).await;
        quiet().await;
        let before = tasks.num_alive_tasks();
        let pool =
            Pool::builder(&server.address).max_size(3).isolated(isolated).build().await.unwrap();
        let lab = LabClient::new(pool.clone());
        let calls: Vec<_> = (0..5).map(|token| tokio::spawn(lab.hold(token))).collect();
        let at_work = if isolated { 3 } else { 5 };
        until("they are at work", || bench.started() == at_work).await;
        pool.clone().close().await;
        let mut sent = 0;
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            sent += usize::from(error.was_sent());
            assert!(error.to_string().ends_with("it was closed on this side"), "{error}");
        }
        assert_eq!(sent, at_work);
        let error = lab.add(2, 3).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`add` was not sent, as the connection to {} had ended: it was closed on this side",
                server.address
            )
        );
        assert_eq!((pool.status().open, pool.status().in_flight), (0, 0));
        bench.open(5);
        until("no task is left", || tasks.num_alive_tasks() <= before).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn the_last_handle_closes_the_pool_when_its_calls_are_over() {
    for isolated in [false, true] {
        let (server, bench) = lab().await;
        server.serves_others().await;
        quiet().await;
        let tasks = tokio::runtime::Handle::current().metrics();
        let before = tasks.num_alive_tasks();
        let pool =
            Pool::builder(&server.address).max_size(3).isolated(isolated).build().await.unwrap();
        let lab = LabClient::new(pool);
        lab.note(7).await.unwrap();
        let call = tokio::spawn(lab.hold(1));
        drop(lab);
        until("it is at work", || bench.started() == 1).await;
        quiet().await;
        bench.open(1);
        assert_eq!(call.await.unwrap().unwrap(), 1);
        until("no task is left", || tasks.num_alive_tasks() <= before).await;
        assert_eq!(bench.kept(), [7], "what was queued was written");
        server.stop().await;
    }
}

#[test]
fn a_pool_outlives_its_runtime_without_harm() {
    for isolated in [false, true] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (pool, call) = runtime.block_on(async {
            let (server, _bench) = lab().await;
            let pool = Pool::builder(&server.address)
                .max_size(2)
                .isolated(isolated)
                .build()
                .await
                .unwrap();
            let mut call = pool.call::<u64>("hold", (1,));
            for _ in 0..10 {
                let _waits = poll_once(&mut call);
                tokio::task::yield_now().await;
            }
            (pool, call)
        });
        drop(runtime);
        drop(call);
        assert_eq!(pool.status().in_flight, 0);
        drop(pool);
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_can_call_back_over_a_pool() {
    let mut script = Script::listen().await;
    let bench = support::Bench::default();
    let service = support::LabService::new(bench.clone());
    let builder = Pool::builder(&script.address).max_size(1).client(|client| client.serve(service));
    let _pool = builder.build().await.unwrap();
    let mut wire = script.accept().await;
    wire.send(request(3, "add", (2, 3))).await;
    assert_eq!(wire.message().await, value((1, 3, (), 5)));
}
