//! Notifications: their order, what they never do, and what becomes of the calls beside them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use msgrpc::Server;
use support::{
    Bench, LabClient, LabService, Running, Script, lab, notification, poll_once, quiet, request,
    until, value,
};

async fn labs() -> (Running, Bench, LabClient) {
    let (server, lab) = lab().await;
    let client = LabClient::connect(&server.address).await.unwrap();
    (server, lab, client)
}

#[tokio::test]
async fn a_request_after_a_notification_sees_what_it_did() {
    let (_server, _, lab) = labs().await;
    for number in 0..200 {
        lab.note(number).await.unwrap();
        assert_eq!(lab.last_note().await.unwrap(), Some(number));
    }
}

#[tokio::test]
async fn notifications_run_in_order_of_arrival_one_after_another() {
    let (_server, bench, lab) = labs().await;
    let mut expected = Vec::new();
    for number in 0..300 {
        if number % 3 == 0 {
            lab.late_note(number).await.unwrap();
        } else {
            lab.note(number).await.unwrap();
        }
        expected.push(number);
    }
    until("the first has come to the gate", || bench.started() == 1).await;
    lab.add(1, 1).await.unwrap();
    assert_eq!((bench.started(), bench.kept()), (1, vec![]), "the others wait for it");
    for passed in 1..=100 {
        bench.open(1);
        until("it has passed the gate", || bench.ended() == passed).await;
        lab.add(1, 1).await.unwrap();
        let reached = (passed * 3).min(300);
        assert_eq!(bench.kept(), expected[..reached]);
    }
}

#[tokio::test]
async fn a_request_never_waits_for_a_notification_that_is_pending() {
    let (_server, bench, lab) = labs().await;
    lab.late_note(1).await.unwrap();
    lab.note(2).await.unwrap();
    for number in 0..50 {
        assert_eq!(lab.add(number, 1).await.unwrap(), number + 1);
    }
    assert_eq!(lab.notes().await.unwrap(), []);
    bench.open(1);
    until("both are kept", || bench.kept() == [1, 2]).await;
}

#[tokio::test]
async fn notifications_of_one_connection_do_not_hold_up_another() {
    let (server, bench, lab) = labs().await;
    lab.late_note(1).await.unwrap();
    until("it waits", || bench.started() == 1).await;
    let other = LabClient::connect(&server.address).await.unwrap();
    other.note(2).await.unwrap();
    assert_eq!(other.last_note().await.unwrap(), Some(2));
}

#[tokio::test]
async fn nothing_is_ever_sent_for_a_notification() {
    let (server, bench) = lab().await;
    let mut wire = server.wire().await;
    let wrong = [
        notification("nope", ()),
        notification("", ()),
        notification("add", (1, 2)),
        notification("add", ("x",)),
        notification("divide", (1, 0)),
        notification("panics", ("secret",)),
        notification("panicking_note", ("secret",)),
        notification("note", ()),
        notification("note", (1, 2, 3)),
        notification("note", (5,)),
    ];
    wire.send(wrong.concat()).await;
    wire.send(request(1, "last_note", ())).await;
    assert_eq!(wire.finish().await, [value((1, 1, (), 5))]);
    assert_eq!(bench.kept(), [5]);
    server.serves_others().await;
}

#[tokio::test]
async fn a_notifications_method_called_as_a_request_is_answered_with_nil() {
    let (server, bench) = lab().await;
    let mut wire = server.wire().await;
    wire.send(request(1, "note", (5,))).await;
    assert_eq!(wire.finish().await, [value((1, 1, (), ()))]);
    assert_eq!(bench.kept(), [5]);
}

#[tokio::test]
async fn a_notification_that_panics_ends_neither_the_next_nor_the_connection() {
    let (_server, bench, lab) = labs().await;
    lab.note(1).await.unwrap();
    lab.panicking_note("secret".into()).await.unwrap();
    lab.late_note(2).await.unwrap();
    lab.panicking_note("secret".into()).await.unwrap();
    lab.note(3).await.unwrap();
    bench.open(1);
    until("those around them are kept", || bench.kept() == [1, 2, 3]).await;
    assert_eq!(lab.last_note().await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_notifications_future_ends_when_it_is_queued() {
    let (client, mut wire) = Script::client().await;
    let mut note = client.notify("note", (5,));
    assert!(wire.is_silent().await, "it is sent when it is polled");
    assert!(matches!(poll_once(&mut note), Poll::Ready(Ok(()))), "it waits for nothing");
    assert_eq!(wire.message().await, value((2, "note", [5])));
    drop(client.notify("note", (6,)));
    assert!(wire.is_silent().await, "one that was not polled is not sent");
}

#[tokio::test]
async fn notifications_wait_while_the_peer_takes_nothing_and_then_go_in_order() {
    let limits = support::client_limits(|limits| limits.output_bytes = 10_000);
    let (client, mut wire) = Script::client_with(|builder| builder.limits(limits)).await;
    let mut waiting = Vec::new();
    let mut ready = 0;
    let cx = &mut Context::from_waker(Waker::noop());
    for number in 0..200_u32 {
        let mut note = client.notify("note", (number, vec![0_u8; 1000]));
        quiet().await;
        match Pin::new(&mut note).poll(cx) {
            Poll::Ready(queued) => queued.map(|()| ready += 1).unwrap(),
            Poll::Pending => waiting.push(tokio::spawn(note)),
        }
    }
    assert!((60..100).contains(&ready), "the transport holds 64 KiB, the queue 10: {ready}");
    for number in 0..200_u32 {
        let message = wire.message().await;
        let params = message.as_array().unwrap()[2].as_array().unwrap();
        assert_eq!(params[0], value(number));
    }
    for note in waiting {
        note.await.unwrap().unwrap();
    }
    assert!(wire.is_silent().await);
}

#[tokio::test]
async fn a_server_notifies_its_client_which_serves() {
    #[msgrpc::service]
    trait Tell {
        async fn tell(&self, ctx: &msgrpc::Context, count: i64);
    }
    struct Teller;
    impl Tell for Teller {
        async fn tell(&self, ctx: &msgrpc::Context, count: i64) {
            let lab = LabClient::new(ctx.client());
            for number in 0..count {
                lab.note(number).await.unwrap();
            }
        }
    }
    let server = Running::start(Server::new(TellService::new(Teller))).await;
    let bench = Bench::default();
    let builder = server.builder().serve(LabService::new(bench.clone()));
    let client = TellClient::new(builder.connect().await.unwrap());
    client.tell(500).await.unwrap();
    assert!(bench.kept().into_iter().eq(0..500), "they came before the answer");
}
