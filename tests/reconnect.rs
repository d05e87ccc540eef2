//! Clients that outlive their server: what becomes of calls, when they try again, when they give up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use msgrpc::transport::{BoxFuture, Connect, ConnectError, DialOptions, Stream, dial};
use msgrpc::{
    CallError, Client, ClientBuilder, CloseReason, ConnectionState, Reconnect, Server, Value,
};
use support::{
    Bench, LabClient, LabService, Operator, Running, Verdict, Wire, client_limits, notification,
    poll_once, quiet, request, response, until, value,
};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Settings without a change.
fn plain(builder: ClientBuilder) -> ClientBuilder {
    builder
}

/// The id of the next request and its first argument.
async fn next_request(wire: &mut Wire) -> (u32, u64) {
    let message = wire.message().await;
    let parts = message.as_array().unwrap();
    let argument = parts[3].as_array().unwrap().first().and_then(Value::as_u64);
    (u32::try_from(parts[1].as_u64().unwrap()).unwrap(), argument.unwrap_or_default())
}

/// Answers `count` requests with their first argument.
async fn answer(wire: &mut Wire, count: usize) {
    for _ in 0..count {
        let (msgid, argument) = next_request(wire).await;
        wire.send(response(msgid, argument)).await;
    }
}

/// The text of a call that failed and was not sent.
fn unsent<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> String {
    let error = outcome.unwrap_err();
    assert!(!error.was_sent(), "{error:?}");
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_server_that_is_not_there_yet() {
    let operator = Operator::new();
    operator.rule(Verdict::Refuse);
    let client = operator.builder().connect_lazy().unwrap();
    let calls: Vec<_> = (0..5_u64).map(|n| tokio::spawn(client.call::<u64>("x", (n,)))).collect();
    let note = tokio::spawn(client.notify("note", (9,)));
    sleep(20 * SECOND).await;
    operator.rule(Verdict::Accept);
    let mut wire = operator.next().await;
    for n in 0..5 {
        assert_eq!(next_request(&mut wire).await, (n, n.into()), "first come, first served");
        wire.send(response(n, n)).await;
    }
    assert_eq!(wire.message().await, value((2, "note", [9])));
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
    note.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_restarted_is_found_again() {
    let serve = |address: String| async move {
        let bench = Bench::default();
        (Running::start_at(Server::new(LabService::new(bench.clone())), &address).await, bench)
    };
    let (server, bench) = serve(support::memory()).await;
    let address = server.address.clone();
    let lab = LabClient::connect(&address).await.unwrap();
    let held = tokio::spawn(lab.hold(1));
    until("it is at work", || bench.started() == 1).await;
    server.task.abort();
    let error = held.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(_)) && error.was_sent(), "{error:?}");
    let waiting: Vec<_> = (0..100).map(|n| tokio::spawn(lab.add(n, n))).collect();
    sleep(10 * SECOND).await;
    assert!(waiting.iter().all(|call| !call.is_finished()));
    let begun = Instant::now();
    let (_server, _) = serve(address).await;
    for (n, call) in (0..).zip(waiting) {
        assert_eq!(call.await.unwrap().unwrap(), 2 * n);
    }
    assert!(begun.elapsed() <= 12 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_sent_fail_and_those_that_were_not_are_sent_again() {
    let operator = Operator::new();
    let (client, mut wire) = operator.client(|builder| builder.max_in_flight(2)).await;
    let calls: Vec<_> = (0..5_u64).map(|n| tokio::spawn(client.call::<u64>("x", (n,)))).collect();
    assert_eq!(next_request(&mut wire).await, (0, 0));
    assert_eq!(next_request(&mut wire).await, (1, 1));
    drop(wire);
    let mut wire = operator.next().await;
    for (n, msgid) in (2..5).zip(0..) {
        assert_eq!(next_request(&mut wire).await, (msgid, n));
        wire.send(response(msgid, n)).await;
    }
    for (n, call) in (0..).zip(calls) {
        match call.await.unwrap() {
            Err(CallError::Closed(closed)) if n < 2 => {
                let error: CallError = CallError::Closed(closed);
                assert!(error.was_sent());
                let text =
                    "the connection to desk ended before `x` was answered: the peer closed it";
                assert_eq!(error.to_string(), text);
            }
            answer => assert_eq!(answer.unwrap(), n),
        }
    }
    assert!(wire.is_silent().await);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_which_one_byte_has_left_is_not_sent_again() {
    let operator = Operator::new();
    let (client, wire) = operator.client(plain).await;
    // The first one fills what the transport holds, so that the second one stays in the queue.
    let large = "x".repeat(100_000);
    let first = tokio::spawn(client.call::<u64>("x", (&large,)));
    quiet().await;
    let second = tokio::spawn(client.call::<u64>("x", (2,)));
    let note = tokio::spawn(client.notify("lost", ()));
    quiet().await;
    assert!(note.is_finished(), "a notification is ready when it is queued");
    drop(wire);
    let error = first.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(_)) && error.was_sent(), "{error:?}");
    let mut wire = operator.next().await;
    answer(&mut wire, 1).await;
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert!(wire.is_silent().await, "what was queued for the old connection is gone");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_half_closes_fails_its_calls_and_the_next_ones_go_elsewhere() {
    let operator = Operator::new();
    let bench = Bench::default();
    let service = LabService::new(bench.clone());
    let (client, mut old) = operator.client(|builder| builder.serve(service)).await;
    old.send(request(7, "hold", (5,))).await;
    until("its request is at work", || bench.started() == 1).await;
    let lost = tokio::spawn(client.call::<u64>("x", ()));
    old.message().await;
    old.half_close().await;
    let error = lost.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(_)) && error.was_sent(), "{error:?}");
    let next = tokio::spawn(client.call::<u64>("x", (3,)));
    answer(&mut operator.next().await, 1).await;
    assert_eq!(next.await.unwrap().unwrap(), 3);
    // What the server had asked for is still answered (W13).
    bench.open(1);
    assert_eq!(old.rest().await, [value((1, 7, (), 5))]);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_as_long_as_its_timeout_and_is_then_told_what_became_of_the_tries() {
    let operator = Operator::new();
    operator.rule(Verdict::Refuse);
    let client = operator.builder().reconnect(Reconnect::default().seed(1)).connect_lazy().unwrap();
    let begun = Instant::now();
    let text = unsent(client.call::<u64>("x", ()).timeout(2 * SECOND).await);
    assert_eq!(begun.elapsed().as_secs(), 2);
    let tries = operator.tries();
    let expected = format!(
        "`x` was not sent, no connection after {tries} tries: could not connect to operator: line \
         busy"
    );
    assert_eq!(text, expected);
    let begun = Instant::now();
    let error = client.call::<u64>("x", ()).await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 30);
    let CallError::NotConnected(error) = error else { panic!("{error:?}") };
    assert_eq!(usize::try_from(error.tries()).unwrap(), operator.tries());
    let begun = Instant::now();
    assert!(matches!(client.notify("x", ()).await, Err(CallError::NotConnected(_))));
    assert_eq!(begun.elapsed().as_secs(), 30);

    let operator = Operator::new();
    operator.rule(Verdict::Hang);
    let client = operator.builder().connect_lazy().unwrap();
    let text = unsent(client.call::<u64>("x", ()).timeout(SECOND).await);
    assert_eq!(text, "`x` was not sent: still connecting to operator after 1s");

    let operator = Operator::new();
    let (client, wire) = operator.client(plain).await;
    operator.rule(Verdict::Hang);
    drop(wire);
    let text = unsent(client.call::<u64>("x", ()).timeout(SECOND).await);
    let expected = "`x` was not sent, no connection after 1 try: the connection to desk ended: the \
                    peer closed it";
    assert_eq!(text, expected);
}

#[tokio::test(start_paused = true)]
async fn calls_that_do_not_want_to_wait_fail_at_once() {
    let operator = Operator::new();
    operator.rule(Verdict::Refuse);
    let client = operator.builder().wait_for_connection(false).connect_lazy().unwrap();
    let text = unsent(client.call::<u64>("x", ()).await);
    assert_eq!(text, "`x` was not sent: there is no connection to operator yet");
    sleep(Duration::from_millis(1)).await;
    let text = unsent(client.notify("x", ()).await);
    let expected =
        "`x` was not sent, no connection after 1 try: could not connect to operator: line busy";
    assert_eq!(text, expected);
    operator.rule(Verdict::Accept);
    let mut wire = operator.next().await;
    quiet().await;
    let call = tokio::spawn(client.call::<u64>("x", (4,)));
    answer(&mut wire, 1).await;
    assert_eq!(call.await.unwrap().unwrap(), 4);
    operator.rule(Verdict::Refuse);
    drop(wire);
    let begun = Instant::now();
    quiet().await;
    let text = unsent(client.call::<u64>("x", ()).await);
    assert_eq!(text, "`x` was not sent: the connection to desk ended: the peer closed it");
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn only_so_many_wait_for_a_connection() {
    let operator = Operator::new();
    operator.rule(Verdict::Refuse);
    let limits = client_limits(|limits| limits.max_waiting = 2);
    let client = operator.builder().limits(limits).connect_lazy().unwrap();
    let first = tokio::spawn(client.call::<u64>("x", (1,)));
    let mut second = client.notify("note", ());
    quiet().await;
    assert!(poll_once(&mut second).is_pending());
    let text = unsent(client.call::<u64>("x", (3,)).await);
    let expected = "`x` was not sent: 2 wait for a connection already, see `Limits::max_waiting`";
    assert_eq!(text, expected);
    drop(second);
    let fourth = tokio::spawn(client.call::<u64>("x", (4,)));
    quiet().await;
    operator.rule(Verdict::Accept);
    answer(&mut operator.next().await, 2).await;
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(fourth.await.unwrap().unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_can_be_given_up_at_any_point() {
    let operator = Operator::new();
    let (client, mut wire) = operator.client(plain).await;
    for times in 0..8 {
        operator.rule(Verdict::Refuse);
        drop(wire);
        quiet().await;
        let mut dropped = Some(client.call::<u64>("dropped", ()));
        let mut note = Some(client.notify("dropped", ()));
        let kept = tokio::spawn(client.call::<u64>("kept", (times,)));
        for poll in 0..8 {
            if poll == times {
                (dropped, note) = (None, None);
            }
            assert!(dropped.iter_mut().all(|call| poll_once(call).is_pending()));
            assert!(note.iter_mut().all(|note| poll_once(note).is_pending()));
            if poll == 5 {
                operator.rule(Verdict::Accept);
                sleep(13 * SECOND).await;
                (dropped, note) = (None, None);
            }
        }
        wire = operator.next().await;
        let message = wire.message().await;
        assert_eq!(message.as_array().unwrap()[2], Value::from("kept"), "dropped after {times}");
        wire.send(response(message.as_array().unwrap()[1].as_u64(), times)).await;
        assert_eq!(kept.await.unwrap().unwrap(), times);
        assert!(wire.is_silent().await);
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_makes_five_tries_and_says_so() {
    let operator = Operator::new();
    operator.rule(Verdict::Refuse);
    let error = operator.builder().connect().await.unwrap_err();
    let expected = "no connection after 5 tries: could not connect to operator: line busy";
    assert_eq!(error.to_string(), expected);
    let times = operator.times();
    assert_eq!(times.len(), 5);
    for (wait, most) in times.windows(2).map(|pair| pair[1] - pair[0]).zip([50, 100, 200, 400]) {
        assert!(wait <= most, "{times:?}");
    }

    let operator = Operator::new();
    operator.rule(Verdict::Refuse);
    let late = operator.clone();
    tokio::spawn(async move {
        until_tried(&late, 3).await;
        late.rule(Verdict::Accept);
    });
    operator.builder().connect().await.unwrap();
    assert_eq!(operator.tries(), 4);

    for (policy, tries) in [(Reconnect::never(), 1), (Reconnect::tries(2), 2)] {
        let operator = Operator::new();
        operator.rule(Verdict::Refuse);
        let error = operator.builder().reconnect(policy).connect().await.unwrap_err();
        assert_eq!(operator.tries(), tries);
        let expected = match tries {
            1 => "could not connect to operator: line busy",
            _ => "no connection after 2 tries: could not connect to operator: line busy",
        };
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_only_the_program_can_help_is_not_tried_again_hotly() {
    let operator = Operator::new();
    operator.rule(Verdict::Forbid);
    operator.builder().connect().await.unwrap_err();
    assert_eq!(operator.tries(), 1);

    let (client, wire) = {
        operator.rule(Verdict::Accept);
        operator.client(plain).await
    };
    operator.rule(Verdict::Forbid);
    drop(wire);
    quiet().await;
    let begun = Instant::now();
    let error = client.call::<u64>("x", ()).await.unwrap_err();
    assert!(matches!(error, CallError::NotConnected(_)), "{error:?}");
    assert!(begun.elapsed() < SECOND, "it does not wait for what will not come");
    let expected =
        "`x` was not sent, no connection after 2 tries: could not connect to memory://operator: ";
    assert!(unsent(client.call::<u64>("x", ()).await).starts_with(expected));
    assert!(unsent(client.notify("x", ()).await).starts_with(expected));
    let tries = operator.tries();
    sleep(5 * SECOND).await;
    assert_eq!(operator.tries(), tries);
    sleep(60 * SECOND).await;
    assert!((tries + 5..=tries + 10).contains(&operator.tries()), "{:?}", operator.times());
    // The settings may be the server's: once they are right, the client is there.
    operator.rule(Verdict::Accept);
    let mut wire = operator.next().await;
    let call = tokio::spawn(client.call::<u64>("x", (8,)));
    answer(&mut wire, 1).await;
    assert_eq!(call.await.unwrap().unwrap(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_closes_at_once_is_asked_ever_less_often() {
    let operator = Operator::new();
    operator.rule(Verdict::Slam);
    let client = operator.builder().connect_lazy().unwrap();
    let call = tokio::spawn(client.call::<u64>("x", (1,)).timeout(None));
    sleep(600 * SECOND).await;
    // 8 tries until the pauses are 12 s at most, then one in 6 s.
    assert!((70..150).contains(&operator.tries()), "{} tries", operator.tries());
    assert!(!call.is_finished());
    operator.rule(Verdict::Accept);
    answer(&mut operator.next().await, 1).await;
    assert_eq!(call.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_or_thirty_seconds_make_the_next_try_a_quick_one() {
    let operator = Operator::new();
    let client = operator.builder().connect_lazy().unwrap();
    for round in 0..20_u64 {
        let mut wire = operator.next().await;
        if round % 2 == 0 {
            let call = tokio::spawn(client.call::<u64>("x", (round,)));
            answer(&mut wire, 1).await;
            assert_eq!(call.await.unwrap().unwrap(), round);
        } else {
            sleep(31 * SECOND).await;
        }
        let lost = Instant::now();
        drop(wire);
        let tries = operator.tries();
        until_tried(&operator, tries + 1).await;
        assert!(lost.elapsed() <= Duration::from_millis(51), "{:?}", lost.elapsed());
    }
    // What lived for a moment and answered nothing does not count.
    let begun = Instant::now();
    for _ in 0..20 {
        drop(operator.next().await);
    }
    assert!(begun.elapsed() > 20 * SECOND, "{:?}", begun.elapsed());
}

/// Waits until so many tries were made.
async fn until_tried(operator: &Operator, tries: usize) {
    while operator.tries() < tries {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_out_of_tries_is_closed() {
    let operator = Operator::new();
    let (client, wire) = operator.client(|builder| builder.reconnect(Reconnect::tries(3))).await;
    operator.rule(Verdict::Refuse);
    let lost = Instant::now();
    drop(wire);
    quiet().await;
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(client.call::<u64>("x", ()))).collect();
    let note = tokio::spawn(client.notify("x", ()));
    let expected =
        "`x` was not sent, no connection after 3 tries: could not connect to operator: line busy";
    for call in waiting {
        assert_eq!(unsent(call.await.unwrap()), expected);
    }
    assert_eq!(unsent(note.await.unwrap()), expected);
    // The first connection was one of the three tries, as nothing was answered on it.
    assert_eq!(operator.tries(), 3);
    assert!(lost.elapsed() <= Duration::from_millis(300));
    assert_eq!(unsent(client.call::<u64>("x", ()).await), expected);
    let reason = client.closed().unwrap();
    assert!(matches!(&*reason, CloseReason::Unreachable { tries: 3, .. }), "{reason:?}");
    assert!(client.state().is_closed());
    let mut states = client.watch();
    assert_eq!(
        states.current().to_string(),
        "closed: no connection after 3 tries: could not connect to operator: line busy"
    );
    assert!(states.changed().await.is_none());
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reconnects_stays_closed() {
    let operator = Operator::new();
    let (client, wire) = operator.client(|builder| builder.reconnect(Reconnect::never())).await;
    let call = tokio::spawn(client.call::<u64>("x", ()).idempotent(true));
    quiet().await;
    drop(wire);
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(_)) && error.was_sent());
    let text = unsent(client.call::<u64>("x", ()).await);
    assert_eq!(text, "`x` was not sent, as the connection to desk had ended: the peer closed it");
    assert!(matches!(client.closed().as_deref(), Some(CloseReason::Peer)));
    quiet().await;
    assert_eq!(client.state().to_string(), "closed: the peer closed it");
    assert_eq!(operator.tries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_vanished_is_left_after_three_timeouts() {
    let operator = Operator::new();
    let (client, mut vanished) = operator.client(plain).await;
    let begun = Instant::now();
    let beside = tokio::spawn(client.call::<u64>("beside", ()).timeout(None));
    for _ in 0..3 {
        let error = client.call::<u64>("x", ()).await.unwrap_err();
        assert!(matches!(error, CallError::TimedOut(_)), "{error:?}");
    }
    assert!((90..92).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let error = beside.await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection to desk ended before `beside` was answered: 3 calls in a row were not \
         answered in time, and the peer sent nothing else"
    );
    let call = tokio::spawn(client.call::<u64>("x", (5,)));
    answer(&mut operator.next().await, 1).await;
    assert_eq!(call.await.unwrap().unwrap(), 5);
    assert_eq!(vanished.rest().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_slow_method_of_a_server_that_is_there_does_not_end_the_connection() {
    let operator = Operator::new();
    let (client, mut wire) = operator.client(plain).await;
    for _ in 0..5 {
        // Many timeouts within five seconds tell no more than that it is busy.
        let many = (1..50).map(|n| client.call::<u64>("x", ()).timeout(n * SECOND / 10));
        assert!(join_all(many).await.iter().all(Result::is_err));
        // A byte, of whatever message, is a sign of life.
        wire.send(notification("alive", ())).await;
        quiet().await;
    }
    for _ in 0..10 {
        client.call::<u64>("x", ()).await.unwrap_err();
        wire.send(notification("alive", ())).await;
        quiet().await;
    }
    assert_eq!(operator.tries(), 1);
    // Where it is switched off silence may last.
    let policy = Reconnect::default().silent_timeouts(None);
    let (client, _wire) = operator.client(|builder| builder.reconnect(policy)).await;
    for _ in 0..20 {
        client.call::<u64>("x", ()).await.unwrap_err();
    }
    assert_eq!(operator.tries(), 2);
}

#[tokio::test(start_paused = true)]
async fn idempotent_calls_are_sent_again_within_their_budget_and_others_never() {
    let operator = Operator::new();
    let (client, mut wire) = operator.client(plain).await;
    let calls: Vec<_> = (0..30_u64)
        .map(|n| tokio::spawn(client.call::<u64>("again", (n,)).idempotent(true)))
        .collect();
    let once: Vec<_> =
        (0..30_u64).map(|n| tokio::spawn(client.call::<u64>("once", (n,)))).collect();
    for _ in 0..60 {
        wire.message().await;
    }
    drop(wire);
    let mut wire = operator.next().await;
    // Ten to begin with, and a fifth of 60.
    for n in 0..22 {
        let message = wire.message().await;
        assert_eq!(message.as_array().unwrap()[2], Value::from("again"));
        assert_eq!(message.as_array().unwrap()[3], value([n]));
        wire.send(response(message.as_array().unwrap()[1].as_u64(), n)).await;
    }
    for (n, call) in (0..).zip(calls) {
        match call.await.unwrap() {
            Ok(answer) => assert!(answer == n && n < 22),
            Err(error) => {
                assert!(matches!(error, CallError::Closed(_)) && error.was_sent() && n >= 22);
            }
        }
    }
    for call in once {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Closed(_)) && error.was_sent());
    }
    assert!(wire.is_silent().await);

    let (client, wire) = operator.client(|builder| builder.retry_budget(0)).await;
    let call = tokio::spawn(client.call::<u64>("again", ()).idempotent(true));
    quiet().await;
    drop(wire);
    assert!(call.await.unwrap().unwrap_err().was_sent());
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_that_was_lost_says_that_it_may_have_been_executed() {
    let operator = Operator::new();
    let (client, mut wire) = operator.client(plain).await;
    let call = client.call::<u64>("x", ()).idempotent(true).timeout(10 * SECOND);
    let (begun, call) = (Instant::now(), tokio::spawn(call));
    wire.message().await;
    operator.rule(Verdict::Refuse);
    drop(wire);
    // It was sent once; that it was not sent a second time does not make it safe to repeat.
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert!(matches!(error, CallError::Closed(_)) && error.was_sent(), "{error:?}");
}

/// Clients that all lose their server at the same moment, and the times at which they come back.
#[tokio::test(start_paused = true)]
async fn a_thousand_clients_come_back_spread_over_time() {
    let operator = Operator::new();
    let mut wires = Vec::new();
    let mut clients = Vec::new();
    for seed in 0..1000 {
        let policy = Reconnect::default().seed(seed);
        let (client, mut wire) = operator.client(|builder| builder.reconnect(policy)).await;
        let call = tokio::spawn(client.call::<u64>("x", (seed,)));
        answer(&mut wire, 1).await;
        call.await.unwrap().unwrap();
        clients.push(client);
        wires.push(wire);
    }
    operator.rule(Verdict::Refuse);
    let (lost, before) = (operator_now(&operator), operator.tries());
    drop(wires);
    sleep(Duration::from_millis(50)).await;
    let first = &operator.times()[before..];
    assert!(first.len() >= 900, "{} tries at first", first.len());
    assert_spread(first, lost, 50, 5);
    // After an outage of ten minutes.
    sleep(600 * SECOND).await;
    operator.rule(Verdict::Accept);
    let (back, before) = (operator_now(&operator), operator.tries());
    sleep(13 * SECOND).await;
    let times = operator.times();
    let again = &times[before..];
    assert_eq!(again.len(), 1000, "each connects once, within its longest pause");
    assert_spread(again, back, 12_000, 12);
    assert!(clients.iter().all(|client| client.state().is_connected()));
}

fn operator_now(operator: &Operator) -> u128 {
    operator.age().as_millis()
}

/// Of the `times` within `window` milliseconds after `begin`, no part of `parts` has much more than its share.
fn assert_spread(times: &[u128], begin: u128, window: u128, parts: usize) {
    let mut counts = vec![0; parts];
    for time in times.iter().map(|time| time - begin).filter(|time| *time < window) {
        counts[usize::try_from(time).unwrap() * parts / usize::try_from(window).unwrap()] += 1;
    }
    let most = times.len() * 5 / 2 / parts;
    assert!(counts.iter().all(|count| (1..most).contains(count)), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn closing_ends_at_once_whatever_the_client_is_doing() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let idle = metrics.num_alive_tasks();
    for verdict in [Verdict::Hang, Verdict::Refuse, Verdict::Forbid, Verdict::Slam, Verdict::Accept]
    {
        for explicitly in [true, false] {
            let operator = Operator::new();
            operator.rule(verdict);
            let client = operator.builder().connect_lazy().unwrap();
            let waiting = tokio::spawn(client.call::<u64>("x", ()).timeout(None));
            let mut states = client.watch();
            quiet().await;
            let begun = Instant::now();
            if explicitly {
                let error = {
                    let other = client.clone();
                    client.close().await;
                    let error = other.call::<u64>("x", ()).await.unwrap_err();
                    assert!(matches!(other.closed().as_deref(), Some(CloseReason::Local)));
                    error
                };
                assert!(!error.was_sent(), "{verdict:?}: {error:?}");
                let lost = waiting.await.unwrap().unwrap_err();
                let sent = matches!(verdict, Verdict::Accept);
                assert_eq!(lost.was_sent(), sent, "{verdict:?}: {lost:?}");
            } else {
                // The last handle is the one that the call holds.
                waiting.abort();
                drop(client);
            }
            assert!(begun.elapsed() < SECOND, "{verdict:?}: {:?}", begun.elapsed());
            // A connection lingers for half a second, so that its last bytes arrive.
            sleep(SECOND).await;
            assert_eq!(metrics.num_alive_tasks(), idle, "{verdict:?}");
            while let Some(state) = states.changed().await {
                let last = matches!(&state, ConnectionState::Closed { reason }
                    if matches!(**reason, CloseReason::Local));
                assert!(last || !state.is_closed(), "{verdict:?}: {state}");
            }
            assert!(states.current().is_closed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_its_client_until_it_is_answered() {
    let operator = Operator::new();
    operator.rule(Verdict::Refuse);
    let client = operator.builder().connect_lazy().unwrap();
    let call = tokio::spawn(client.call::<u64>("x", (6,)));
    quiet().await;
    drop(client);
    sleep(SECOND).await;
    operator.rule(Verdict::Accept);
    let mut wire = operator.next().await;
    answer(&mut wire, 1).await;
    assert_eq!(call.await.unwrap().unwrap(), 6);
    assert_eq!(wire.rest().await, [], "and then it closes");
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    for verdict in [Verdict::Hang, Verdict::Refuse, Verdict::Accept] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, mut call, _operator) = runtime.block_on(async {
            let operator = Operator::new();
            operator.rule(verdict);
            let client = operator.builder().connect_lazy().unwrap();
            let mut call = client.call::<u64>("x", ()).timeout(None);
            assert!(poll_once(&mut call).is_pending());
            quiet().await;
            (client, call, operator)
        });
        drop(runtime);
        for call in [&mut call, &mut client.call("x", ()).timeout(None)] {
            let error = futures::executor::block_on(call).unwrap_err();
            assert!(matches!(error, CallError::Closed(_)), "{error:?}");
        }
    }
}

/// A connector that looks its server up each time, as one by name does.
#[derive(Clone)]
struct Directory {
    entry: Arc<Mutex<String>>,
    lookups: Arc<AtomicUsize>,
}

impl Connect for Directory {
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let address = support::address(&self.entry.lock().unwrap());
        Box::pin(async move { dial(&address, &DialOptions::default()).await })
    }

    fn address(&self) -> String {
        "the directory".to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn each_try_looks_up_where_the_server_is_now() {
    let (first, _) = support::lab().await;
    let (second, _) = support::lab().await;
    let directory =
        Directory { entry: Arc::new(Mutex::new(first.address.clone())), lookups: Arc::default() };
    let lab = LabClient::new(Client::builder_with(directory.clone()).connect().await.unwrap());
    assert_eq!(lab.add(1, 1).await.unwrap(), 2);
    first.task.abort();
    sleep(5 * SECOND).await;
    let tries = directory.lookups.load(Ordering::SeqCst);
    assert!(tries > 3, "{tries}");
    directory.entry.lock().unwrap().clone_from(&second.address);
    assert_eq!(lab.add(2, 2).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn users_are_told_what_happens() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (up, down) = (Arc::clone(&heard), Arc::clone(&heard));
    let operator = Operator::new();
    let policy = Reconnect::default().seed(7);
    let client = operator
        .builder()
        .reconnect(policy)
        .on_connected(move |peer| {
            up.lock().unwrap().push(format!("up {peer}"));
            panic!("a hook that panics harms nobody");
        })
        .on_disconnected(move |reason| down.lock().unwrap().push(format!("down: {reason}")))
        .connect_lazy()
        .unwrap();
    let mut states = client.watch();
    let mut seen = vec![states.current().to_string()];
    let seen = tokio::spawn(async move {
        while let Some(state) = states.changed().await {
            seen.push(state.to_string());
        }
        seen
    });
    let wire = operator.next().await;
    quiet().await;
    assert!(client.state().is_connected());
    operator.rule(Verdict::Refuse);
    drop(wire);
    until_tried(&operator, 2).await;
    assert!(matches!(client.state(), ConnectionState::Waiting { tries: 2, .. }));
    operator.rule(Verdict::Accept);
    let _wire = operator.next().await;
    quiet().await;
    client.close().await;
    let local = "it was closed on this side";
    let expected = ["up desk", "down: the peer closed it", "up desk", &format!("down: {local}")];
    assert_eq!(*heard.lock().unwrap(), expected);
    let seen = seen.await.unwrap();
    let kinds: Vec<_> = seen.iter().map(|state| state.split(' ').next().unwrap()).collect();
    let expected = ["connecting", "connected", "waiting", "waiting", "connected", "closed:"];
    assert_eq!(kinds, expected, "{seen:?}");
    assert!(seen[3].ends_with("after 2 tries: could not connect to operator: line busy"));
    assert_eq!(seen[5], format!("closed: {local}"));
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_services_are_there_on_each_connection() {
    let operator = Operator::new();
    let service = LabService::new(Bench::default());
    let (client, mut wire) = operator.client(|builder| builder.serve(service)).await;
    for round in 1..4_i64 {
        wire.send(request(1, "add", (round, round))).await;
        assert_eq!(wire.message().await, value((1, 1, (), 2 * round)));
        drop(wire);
        wire = operator.next().await;
    }
    drop(client);
}

/// Keeps the client that it is lent.
#[msgrpc::service]
trait Borrow {
    async fn borrow(&self, ctx: &msgrpc::Context) -> u8;
}

#[derive(Clone, Default)]
struct Borrower(Arc<Mutex<Option<Client>>>);

impl Borrow for Borrower {
    async fn borrow(&self, ctx: &msgrpc::Context) -> u8 {
        *self.0.lock().unwrap() = Some(ctx.client());
        1
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_lent_is_of_one_connection() {
    let operator = Operator::new();
    let borrower = Borrower::default();
    let service = BorrowService::new(borrower.clone());
    let (client, mut wire) = operator.client(|builder| builder.serve(service)).await;
    wire.send(request(1, "borrow", ())).await;
    wire.message().await;
    let lent = borrower.0.lock().unwrap().take().unwrap();
    let mut states = lent.watch();
    assert_eq!(lent.state().to_string(), "connected to desk");
    drop(wire);
    let state = states.changed().await.unwrap();
    assert_eq!(state.to_string(), "closed: the peer closed it");
    assert!(states.changed().await.is_none());
    assert!(matches!(lent.closed().as_deref(), Some(CloseReason::Peer)));
    let error = lent.call::<u8>("x", ()).await.unwrap_err();
    assert!(matches!(error, CallError::Closed(_)) && !error.was_sent());
    // The client that lent it goes on.
    let call = tokio::spawn(client.call::<u64>("x", (2,)));
    answer(&mut operator.next().await, 1).await;
    assert_eq!(call.await.unwrap().unwrap(), 2);
    assert!(client.closed().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_for_too_long_is_opened_again_by_the_next_call() {
    let operator = Operator::new();
    let (client, mut wire) = operator.client(|builder| builder.idle_timeout(5 * SECOND)).await;
    for round in 1..4_u64 {
        let call = tokio::spawn(client.call::<u64>("x", (round,)));
        answer(&mut wire, 1).await;
        assert_eq!(call.await.unwrap().unwrap(), round);
        assert_eq!(wire.rest().await, []);
        drop(wire);
        sleep(100 * SECOND).await;
        assert_eq!(client.state().to_string(), "idle");
        assert_eq!(operator.tries(), usize::try_from(round).unwrap());
        let note = tokio::spawn(client.notify("wake", ()));
        wire = operator.next().await;
        assert_eq!(wire.message().await, value((2, "wake", [0; 0])));
        note.await.unwrap().unwrap();
    }
    assert_eq!(wire.rest().await, []);
    let begun = Instant::now();
    client.close().await;
    assert!(begun.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_speaks_tls_is_not_asked_hotly() {
    let operator = Operator::new();
    let (client, mut wire) = operator.client(plain).await;
    let lost = tokio::spawn(client.call::<u64>("x", ()));
    wire.message().await;
    wire.send([0x15, 3, 3, 0, 2, 2, 70]).await;
    let error = lost.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(_)) && error.was_sent(), "{error:?}");
    quiet().await;
    let begun = Instant::now();
    let expected = "`x` was not sent, no connection after 1 try: the connection to desk ended: the \
                    peer answered with a TLS alert: its port speaks TLS; use a tls:// address";
    assert_eq!(unsent(client.call::<u64>("x", ()).await), expected);
    assert!(begun.elapsed().is_zero());
    sleep(5 * SECOND).await;
    assert_eq!(operator.tries(), 1);
    // Somebody has put it right meanwhile.
    let mut wire = operator.next().await;
    let call = tokio::spawn(client.call::<u64>("x", (9,)));
    answer(&mut wire, 1).await;
    assert_eq!(call.await.unwrap().unwrap(), 9);
}
