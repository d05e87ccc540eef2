//! How servers and clients end: what is answered, what is refused, what is dropped.

mod support;

use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, Client, CloseReason, Server};
use support::{
    Bench, LabClient, LabService, Running, Script, lab, notification, quiet, request, until, value,
};
use tokio::time::Instant;

const GRACE: Duration = Duration::from_secs(10);

/// A server with a grace of [`GRACE`], its lab, and a client.
async fn labs() -> (Running, Bench, LabClient) {
    let bench = Bench::default();
    let server = Server::new(LabService::new(bench.clone())).shutdown_grace(GRACE);
    let server = Running::start(server).await;
    let client = LabClient::new(server.client().await);
    (server, bench, client)
}

#[tokio::test(start_paused = true)]
async fn an_idle_server_ends_at_once() {
    let (server, _, lab) = labs().await;
    lab.add(1, 1).await.unwrap();
    let begun = Instant::now();
    assert_eq!(server.stop().await.aborted, 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let error = lab.add(1, 1).await.unwrap_err();
    assert!(matches!(error, CallError::Closed(_)) && !error.was_sent(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_at_work_are_answered_before_the_server_ends() {
    let (server, bench, lab) = labs().await;
    let calls: Vec<_> = (0..100).map(|n| tokio::spawn(lab.hold(n))).collect();
    lab.late_note(7).await.unwrap();
    until("all are at work", || bench.started() == 101).await;
    let stopped = server.tell_to_stop();
    quiet().await;
    bench.open(101);
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
    assert_eq!(stopped.await.unwrap().aborted, 0);
    assert_eq!((bench.dropped(), bench.kept()), (0, vec![7]));
}

#[tokio::test(start_paused = true)]
async fn new_requests_and_connections_are_refused_while_it_ends() {
    let (server, bench, lab) = labs().await;
    let address = server.address.clone();
    let waiting = tokio::spawn(lab.hold(1));
    until("it is at work", || bench.started() == 1).await;
    let stopped = server.tell_to_stop();
    quiet().await;
    let error = lab.add(1, 1).await.unwrap_err();
    assert_eq!(error.to_string(), "[-32003] the server is shutting down");
    assert!(Client::connect(&address).await.is_err(), "nobody listens any more");
    bench.open(1);
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
    assert_eq!(stopped.await.unwrap().aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_at_work_after_the_grace_is_dropped_and_counted() {
    let (server, bench, lab) = labs().await;
    let calls: Vec<_> = (0..5).map(|n| tokio::spawn(lab.hold(n))).collect();
    until("all are at work", || bench.started() == 5).await;
    bench.open(2);
    let begun = Instant::now();
    assert_eq!(server.stop().await.aborted, 3);
    let took = begun.elapsed();
    assert!((GRACE..=GRACE + Duration::from_secs(1)).contains(&took), "{took:?}");
    assert_eq!((bench.ended(), bench.dropped()), (2, 3));
    let ended = join_all(calls).await.into_iter().map(Result::unwrap);
    let (answered, cut): (Vec<_>, Vec<_>) = ended.partition(Result::is_ok);
    assert_eq!((answered.len(), cut.len()), (2, 3));
    assert!(cut.iter().all(|call| matches!(call, Err(CallError::Closed(_)))), "{cut:?}");
}

#[tokio::test(start_paused = true)]
async fn a_blocking_method_that_does_not_end_holds_nobody_up_for_ever() {
    let (server, bench, lab) = labs().await;
    let call = tokio::spawn(lab.hold_thread(1));
    until("it is at work", || bench.started() == 1).await;
    // The clock stands still while a thread is at work; the end of the grace is asked for.
    let stopped = server.tell_to_stop();
    quiet().await;
    tokio::time::advance(GRACE).await;
    quiet().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(stopped.await.unwrap().aborted, 1);
    assert!(matches!(call.await.unwrap(), Err(CallError::Closed(_))));
    bench.open(1);
    until("the thread ends", || bench.ended() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_does_not_outlive_the_grace() {
    let (server, _, _lab) = labs().await;
    let mut wire = server.wire().await;
    wire.send(request(1, "bytes", (500_000,))).await;
    quiet().await;
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() <= GRACE + Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_servers_future_closes_everything() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let idle = metrics.num_alive_tasks();
    let (server, bench, lab) = labs().await;
    let client = server.client().await;
    let call = tokio::spawn(lab.hold(1));
    lab.late_note(1).await.unwrap();
    lab.watch().await.unwrap();
    until("all are at work", || bench.started() == 3).await;
    server.task.abort();
    assert!(matches!(call.await.unwrap(), Err(CallError::Closed(_))));
    until("the handlers are gone", || (bench.dropped(), bench.cancelled()) == (2, 1)).await;
    until("the other client knows", || client.closed().is_some()).await;
    drop((lab, client));
    until("no task is left", || metrics.num_alive_tasks() == idle).await;
    assert!(Client::connect(&server.address).await.is_err());
}

#[tokio::test]
async fn a_server_told_to_stop_before_it_runs_ends_and_one_without_address_does_not_start() {
    let server = Server::new(LabService::new(Bench::default())).listen(support::memory().as_str());
    let stopped = server.run_until(std::future::ready(())).await.unwrap();
    assert_eq!(stopped.aborted, 0);
    let error = Server::new(LabService::new(Bench::default())).run().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the server has no address; give it one, such as .listen(\"tcp://127.0.0.1:8000\")"
    );
}

#[tokio::test]
async fn closing_a_client_flushes_its_notifications() {
    for _ in 0..20 {
        let (client, mut wire) = Script::client().await;
        for number in 0..50 {
            client.notify("note", (number,)).await.unwrap();
        }
        let script = tokio::spawn(async move { wire.rest().await });
        client.close().await;
        let expected: Vec<_> = (0..50_u16).map(|number| value((2, "note", [number]))).collect();
        assert_eq!(script.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn dropping_the_last_handle_flushes_and_closes() {
    let (client, mut wire) = Script::client().await;
    let other = client.clone();
    client.notify("note", (1,)).await.unwrap();
    drop(client);
    assert_eq!(wire.message().await, value((2, "note", [1])));
    assert!(wire.is_silent().await, "another handle is left");
    other.notify("note", (2,)).await.unwrap();
    drop(other);
    assert_eq!(wire.rest().await, [value((2, "note", [2]))]);
}

#[tokio::test]
async fn calls_that_wait_fail_when_their_client_is_closed() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(2)).await;
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(client.call::<u8>("x", ()))).collect();
    wire.message().await;
    wire.message().await;
    client.clone().close().await;
    let mut sent = 0;
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        let CallError::Closed(closed) = &error else { unreachable!("{error:?}") };
        assert!(matches!(closed.reason(), CloseReason::Local));
        sent += usize::from(error.was_sent());
    }
    assert_eq!(sent, 2, "those in line were not sent");
    assert!(matches!(client.closed().as_deref(), Some(CloseReason::Local)));
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_peer_that_takes_nothing() {
    let (client, _wire) = Script::client().await;
    client.notify("note", ("x".repeat(500_000),)).await.unwrap();
    let begun = Instant::now();
    client.close().await;
    assert!(begun.elapsed() <= Duration::from_secs(32), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_that_closes_its_side_ends_the_calls_and_serves_no_more() {
    let (client, mut wire) = Script::client().await;
    let call = tokio::spawn(client.call::<u8>("x", ()));
    wire.message().await;
    wire.half_close().await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection to memory ended before `x` was answered: the peer closed it"
    );
    assert_eq!(wire.rest().await, []);
    assert!(!client.call::<u8>("x", ()).await.unwrap_err().was_sent());
}

#[tokio::test]
async fn a_request_and_its_end_may_come_in_one_segment() {
    let (server, bench) = lab().await;
    let mut wire = server.wire().await;
    let requests = [request(1, "hold", (5,)), notification("note", (3,)), request(2, "nope", ())];
    wire.send(requests.concat()).await;
    wire.half_close().await;
    until("it is at work", || bench.started() == 1).await;
    bench.open(1);
    let unknown = value((1, 2, "[-32601] unknown method: nope", ()));
    assert_eq!(wire.rest().await, [unknown, value((1, 1, (), 5))]);
    server.serves_others().await;
}
