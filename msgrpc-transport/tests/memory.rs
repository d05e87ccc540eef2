//! The in-memory transport, and transports and listeners of the user's own.

use std::{future::poll_fn, io::IoSlice, sync::Arc, time::Duration};

use bytes::BytesMut;
use msgrpc_transport::{
    Accept, Address, BoxFuture, Connect, ConnectError, DialOptions, Dialer, ListenOptions,
    Listener, Peer, Stream, dial,
};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};

fn address(text: &str) -> Address {
    text.parse().expect("the test's address is good")
}

async fn bind(text: &str) -> Listener {
    Listener::bind(&address(text), &ListenOptions::default()).await.expect("the name is free")
}

async fn write(stream: &mut Stream, bytes: &[u8]) {
    let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await;
    assert_eq!(written.expect("there is room"), bytes.len());
}

async fn read_to_end(stream: &mut Stream) -> BytesMut {
    let mut buffer = BytesMut::new();
    while poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("memory never fails") > 0 {}
    buffer
}

#[tokio::test]
async fn a_stream_in_memory_reads_writes_and_ends() {
    let mut listener = bind("memory://reads-writes-ends").await;
    let mut client = dial(listener.address(), &DialOptions::default()).await.unwrap();
    let mut server = listener.accept().await;
    write(&mut client, b"question").await;
    poll_fn(|cx| client.poll_shutdown(cx)).await.unwrap();
    assert_eq!(read_to_end(&mut server).await, b"question"[..]);
    write(&mut server, b"answer").await;
    drop(server);
    assert_eq!(read_to_end(&mut client).await, b"answer"[..]);
    assert!(client.direct().is_none());
    assert_eq!(client.peer().to_string(), "memory");
    assert_eq!(client.local().to_string(), "memory://reads-writes-ends");
}

#[tokio::test]
async fn a_name_is_had_once_and_free_after_its_listener() {
    let listener = bind("memory://had-once").await;
    let error = Listener::bind(&address("memory://had-once"), &ListenOptions::default()).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "cannot listen on memory://had-once: the name is taken by another listener of this process"
    );
    drop(listener);
    bind("memory://had-once").await;
}

#[tokio::test]
async fn connecting_to_nobody_is_refused() {
    let error = dial(&address("memory://nobody"), &DialOptions::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not connect to memory://nobody: nobody listens there. Is the server running?"
    );
    assert!(!error.is_permanent());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_clients_wait_and_time_out() {
    let place = address("memory://full-queue");
    let mut listener = Listener::bind(&place, &ListenOptions::default().backlog(1)).await.unwrap();
    let options = DialOptions::default().connect_timeout(Duration::from_millis(100));
    let _first = dial(&place, &options).await.unwrap();
    assert_eq!(
        dial(&place, &options).await.unwrap_err().to_string(),
        "could not connect to memory://full-queue within 100ms (connect_timeout): \
         the listener accepts no connections"
    );
    let (third, _first) = tokio::join!(dial(&place, &options), listener.accept());
    third.expect("there is room again");
}

#[tokio::test]
async fn a_listener_that_is_dropped_refuses_those_who_wait() {
    let place = address("memory://dropped");
    let listener = Listener::bind(&place, &ListenOptions::default().backlog(1)).await.unwrap();
    let options = DialOptions::default();
    let mut first = dial(&place, &options).await.unwrap();
    let (second, ()) = tokio::join!(dial(&place, &options), async { drop(listener) });
    assert!(matches!(second, Err(ConnectError::Refused { .. })), "{second:?}");
    assert_eq!(read_to_end(&mut first).await, b""[..]);
}

#[tokio::test]
async fn a_dialer_connects_as_often_as_asked() {
    let mut listener = bind("memory://dialer").await;
    let dialer: Arc<dyn Connect> = Arc::new(Dialer::new(listener.address().clone()));
    assert_eq!(dialer.address(), "memory://dialer");
    for _ in 0..3 {
        dialer.connect().await.unwrap();
        listener.accept().await;
    }
}

/// Accepts what a test sends, but lets the runtime go round in between, as a handshake would.
struct Handshaking(mpsc::Receiver<DuplexStream>);

impl Accept for Handshaking {
    fn accept(&mut self) -> BoxFuture<'_, Stream> {
        Box::pin(async {
            let io = self.0.recv().await.expect("the test keeps the sender");
            tokio::task::yield_now().await;
            Stream::new(io, Peer::named("shaker"), address("memory://custom"))
        })
    }
}

#[tokio::test]
async fn a_custom_listener_loses_no_connection_when_an_accept_is_given_up() {
    let (sender, receiver) = mpsc::channel(4);
    let mut listener = Listener::custom(address("memory://custom"), Handshaking(receiver));
    let (mut near, far) = duplex(64);
    sender.send(far).await.unwrap();
    tokio::select! {
        biased;
        stream = listener.accept() => panic!("the handshake takes a turn, yet {stream:?}"),
        () = std::future::ready(()) => {}
    }
    let mut server = listener.accept().await;
    assert_eq!(server.peer().to_string(), "shaker");
    write(&mut server, b"hello").await;
    let mut greeting = [0; 5];
    tokio::io::AsyncReadExt::read_exact(&mut near, &mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello");

    let (_near, far) = duplex(64);
    sender.send(far).await.unwrap();
    listener.accept().await;
}
