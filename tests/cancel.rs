//! Calls that are given up: dropped at any point, timed out, or cut off with their connection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, Client};
use support::{LabClient, Running, Script, Wire, lab, poll_once, quiet, response, until, value};
use tokio::time::{Instant, advance, sleep};

/// Polls `future` as often as it is woken, at most `times`, then drops it. True: it had completed.
async fn drop_after<F: Future + Unpin>(mut future: F, times: usize) -> bool {
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == times {
            return Poll::Ready(false);
        }
        polled += 1;
        match Pin::new(&mut future).poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            // The others run, then it is polled again whether it was woken or not.
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await
}

/// The id of the next request, which must come.
async fn next_id(wire: &mut Wire) -> u32 {
    let message = wire.message().await;
    u32::try_from(message.as_array().unwrap()[1].as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn a_call_dropped_at_any_point_leaves_the_connection_whole() {
    for address in [support::memory().as_str(), "tcp://127.0.0.1:0"] {
        let bench = support::Bench::default();
        let server = msgrpc::Server::new(support::LabService::new(bench));
        let server = Running::start_at(server, address).await;
        let lab = LabClient::connect(&server.address).await.unwrap();
        let payload = vec![7; 200_000];
        for data in [&payload[..], &payload[..10]] {
            let mut completed = false;
            for times in 0..100_000 {
                completed = drop_after(lab.measure(data), times).await;
                let answer = lab.add(i64::try_from(times).unwrap(), 1).await.unwrap();
                assert_eq!(answer, i64::try_from(times).unwrap() + 1, "dropped after {times}");
                if completed {
                    break;
                }
            }
            assert!(completed);
        }
    }
}

#[tokio::test]
async fn a_notification_dropped_at_any_point_is_sent_whole_or_not_at_all() {
    let (server, bench) = lab().await;
    let lab = LabClient::connect(&server.address).await.unwrap();
    for times in 0..3 {
        let sent = drop_after(lab.note(times), usize::try_from(times).unwrap()).await;
        assert_eq!(sent, times > 0);
    }
    lab.add(1, 1).await.unwrap();
    assert_eq!(bench.kept(), [1, 2]);
}

#[tokio::test]
async fn waiting_in_line_can_be_given_up_at_any_place() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(1)).await;
    let first = tokio::spawn(client.call::<u32>("first", ()));
    let mut waiting: Vec<_> =
        (0..40_u32).map(|n| Some(Box::pin(client.call::<u32>("next", (n,))))).collect();
    assert_eq!(next_id(&mut wire).await, 0);
    for call in waiting.iter_mut().flatten() {
        assert!(poll_once(call).is_pending());
    }
    // The head, the tail and every third in between give up; then the head once more when let through.
    for n in (0..40).filter(|n| n % 3 == 0 || *n == 39) {
        waiting[n] = None;
    }
    wire.send(response(0, 0)).await;
    assert_eq!(first.await.unwrap().unwrap(), 0);
    quiet().await;
    waiting[1] = None;
    let left: Vec<_> = (0_u32..).zip(waiting).filter_map(|(n, call)| Some((n, call?))).collect();
    let expected: Vec<u32> = left.iter().map(|(n, _)| *n).collect();
    let calls = join_all(left.into_iter().map(|(_, call)| call));
    let script = async {
        for (msgid, n) in (1..).zip(&expected) {
            let params = [u16::try_from(*n).unwrap()];
            assert_eq!(wire.message().await, value((0, msgid, "next", params)));
            assert!(wire.is_silent().await, "one at a time");
            wire.send(response(msgid, n)).await;
        }
    };
    let (answers, ()) = tokio::join!(calls, script);
    assert!(answers.into_iter().map(Result::unwrap).eq(expected.iter().copied()));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_keeps_its_place_until_its_late_answer_or_the_grace_is_over() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(1)).await;
    let mut dropped = client.call::<u32>("x", ());
    assert!(poll_once(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(next_id(&mut wire).await, 0);
    let next = tokio::spawn(client.call::<u32>("x", ()));
    assert!(wire.is_silent().await, "its place is taken");
    wire.send(response(0, 9)).await;
    assert_eq!(next_id(&mut wire).await, 1);
    next.abort();
    assert!(next.await.unwrap_err().is_cancelled());
    let begun = Instant::now();
    let last = tokio::spawn(client.call::<u32>("x", ()).timeout(Duration::from_secs(60)));
    assert_eq!(next_id(&mut wire).await, 2);
    assert!((30..=31).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    wire.send([response(1, 8), response(2, 7)].concat()).await;
    assert_eq!(last.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_a_dropped_call_lets_one_through_that_waited_before() {
    let set = |builder: msgrpc::ClientBuilder| builder.max_in_flight(1).timeout(None);
    let (client, mut wire) = Script::client_with(set).await;
    let mut dropped = client.call::<u32>("x", ());
    assert!(poll_once(&mut dropped).is_pending());
    assert_eq!(next_id(&mut wire).await, 0);
    let waiting = tokio::spawn(client.call::<u32>("x", ()));
    assert!(wire.is_silent().await, "its turn has not come");
    // From here on nothing happens on the connection but time.
    drop(dropped);
    assert_eq!(next_id(&mut wire).await, 1);
    wire.send(response(1, 7)).await;
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_30_seconds_unless_told_otherwise() {
    let second = Duration::from_secs(1);
    let set = |builder: msgrpc::ClientBuilder| builder.timeout(7 * second);
    let (client, _wire) = Script::client().await;
    let (other, _other_wire) = Script::client_with(set).await;
    let call = |client: &Client| client.call::<u8>("x", ());
    let table = [
        (call(&client), 30 * second),
        (call(&client).timeout(second / 4), second / 4),
        (call(&client).timeout(3600 * second), 3600 * second),
        (call(&client).timeout(Duration::ZERO), Duration::ZERO),
        (call(&other), 7 * second),
        (call(&other).timeout(second), second),
    ];
    for (call, expected) in table {
        let begun = Instant::now();
        let error = call.await.unwrap_err();
        let waited = begun.elapsed();
        let CallError::TimedOut(timed_out) = &error else { panic!("{error:?}") };
        assert_eq!(timed_out.after(), expected);
        assert_eq!(error.to_string(), format!("memory has not answered `x` within {expected:?}"));
        assert!(error.was_sent());
        let latest = expected + expected / 50 + Duration::from_millis(3);
        assert!(expected <= waited && waited <= latest, "{expected:?}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_timeout_waits_for_ever() {
    let set = |builder: msgrpc::ClientBuilder| builder.timeout(None);
    let (client, mut wire) = Script::client_with(set).await;
    let (other, mut other_wire) = Script::client().await;
    let calls = [
        tokio::spawn(client.call::<u8>("x", ())),
        tokio::spawn(other.call::<u8>("x", ()).timeout(None)),
    ];
    sleep(Duration::from_secs(100 * 24 * 3600)).await;
    for wire in [&mut wire, &mut other_wire] {
        assert_eq!(next_id(wire).await, 0);
        wire.send(response(0, 1)).await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_counts_while_a_call_waits_in_line() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(1)).await;
    let first = tokio::spawn(client.call::<u8>("first", ()).timeout(None));
    assert_eq!(next_id(&mut wire).await, 0);
    let begun = Instant::now();
    let waiting = (1..=10_u64).map(|n| {
        let call = client.call::<u8>("x", ()).timeout(Duration::from_secs(n));
        async move { (n, call.await.unwrap_err(), begun.elapsed()) }
    });
    for (n, error, waited) in join_all(waiting).await {
        assert_eq!(error.to_string(), format!("`x` was not sent to memory within {n}s"));
        assert!(!error.was_sent());
        assert_eq!(waited.as_secs(), n);
    }
    assert!(wire.is_silent().await);
    // Those in line left it: the next one's turn comes with the first one's answer.
    let next = tokio::spawn(client.call::<u8>("next", ()));
    quiet().await;
    wire.send(response(0, 1)).await;
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(next_id(&mut wire).await, 1);
    wire.send(response(1, 2)).await;
    assert_eq!(next.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_counts_from_the_first_poll() {
    let (client, mut wire) = Script::client().await;
    let mut call = client.call::<u8>("x", ()).timeout(Duration::from_secs(1));
    advance(Duration::from_secs(100)).await;
    assert!(poll_once(&mut call).is_pending());
    assert_eq!(next_id(&mut wire).await, 0);
    wire.send(response(0, 1)).await;
    assert_eq!(call.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn late_answers_are_ignored() {
    let (client, mut wire) = Script::client().await;
    for msgid in (0..100).step_by(2) {
        let late = client.call::<u32>("late", ()).timeout(Duration::from_millis(10)).await;
        assert!(matches!(late, Err(CallError::TimedOut(_))));
        assert_eq!(next_id(&mut wire).await, msgid);
        let call = tokio::spawn(client.call::<u32>("next", ()));
        assert_eq!(next_id(&mut wire).await, msgid + 1);
        let answers = [response(msgid, 1), response(msgid, 2), response(msgid + 1, 3)];
        wire.send(answers.concat()).await;
        assert_eq!(call.await.unwrap().unwrap(), 3);
    }
    assert!(client.closed().is_none());
}

#[tokio::test(start_paused = true)]
async fn handlers_are_dropped_when_their_client_is_gone_and_the_grace_is_over() {
    let (server, bench) = lab().await;
    let client = server.client().await;
    let lab = LabClient::new(client.clone());
    lab.watch().await.unwrap();
    let calls: Vec<_> = (0..10).map(|n| tokio::spawn(lab.hold(n))).collect();
    lab.late_note(1).await.unwrap();
    lab.late_note(2).await.unwrap();
    until("all are at work", || bench.started() == 12).await;
    assert_eq!((bench.dropped(), bench.cancelled()), (0, 0));
    drop(lab);
    client.close().await;
    // A peer that has closed might be one that only has nothing more to ask (W13).
    sleep(Duration::from_secs(29)).await;
    assert_eq!((bench.dropped(), bench.cancelled()), (0, 0));
    sleep(Duration::from_secs(2)).await;
    assert_eq!((bench.dropped(), bench.cancelled()), (11, 1));
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(CallError::Closed(_))));
    }
    assert_eq!(bench.ended(), 0);
    server.serves_others().await;
}

#[tokio::test]
async fn dropping_calls_does_not_stop_the_server_from_running_them() {
    let (server, bench) = lab().await;
    let lab = LabClient::connect(&server.address).await.unwrap();
    let calls: Vec<_> = (0..10).map(|n| tokio::spawn(lab.hold(n))).collect();
    until("all are at work", || bench.started() == 10).await;
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    lab.add(1, 1).await.unwrap();
    bench.open(10);
    until("all have ended", || bench.ended() == 10).await;
    assert_eq!(lab.add(1, 1).await.unwrap(), 2);
}
