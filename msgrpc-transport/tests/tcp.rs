//! TCP streams and listeners over the loopback interface.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
};

use bytes::{Buf, Bytes, BytesMut};
use msgrpc_transport::{
    Address, BindError, ConnectError, DialOptions, DirectWriter, ListenOptions, Listener, Stream,
    dial,
};

async fn bind(text: &str) -> Result<Listener, BindError> {
    Listener::bind(&text.parse().expect("the test's address is good"), &ListenOptions::default())
        .await
}

async fn connect(address: &Address) -> Result<Stream, ConnectError> {
    dial(address, &DialOptions::default()).await
}

async fn pair() -> (Stream, Stream) {
    let mut listener = bind("tcp://127.0.0.1:0").await.expect("a port is free");
    let client = connect(listener.address()).await.expect("it listens");
    (client, listener.accept().await)
}

async fn read(stream: &mut Stream, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(64 * 1024);
    poll_fn(|cx| stream.poll_read(cx, buffer)).await
}

async fn read_to_end(stream: &mut Stream) -> io::Result<BytesMut> {
    let mut buffer = BytesMut::new();
    while read(stream, &mut buffer).await? > 0 {}
    Ok(buffer)
}

async fn write_all(stream: &mut Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        bytes.advance(written);
    }
    poll_fn(|cx| stream.poll_flush(cx)).await
}

async fn shutdown(stream: &mut Stream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_shutdown(cx)).await
}

/// Writes at once where the socket is known to be writable, as it is after a first write.
fn write_at_once(writer: &DirectWriter, bytes: &[u8]) -> io::Result<usize> {
    writer.try_write(&[IoSlice::new(bytes)])
}

#[tokio::test]
async fn both_sides_read_what_the_other_wrote() {
    let (mut client, mut server) = pair().await;
    write_all(&mut client, b"ping").await.unwrap();
    let mut buffer = BytesMut::new();
    assert_eq!(read(&mut server, &mut buffer).await.unwrap(), 4);
    write_all(&mut server, b"pong").await.unwrap();
    assert_eq!(read(&mut client, &mut buffer).await.unwrap(), 4);
    assert_eq!(buffer, b"pingpong"[..]);
}

#[tokio::test]
async fn both_sides_know_their_own_and_the_others_address() {
    let (client, server) = pair().await;
    let Address::Tcp(local) = client.local() else { panic!("not TCP") };
    assert_eq!(server.peer().to_string(), local.to_string());
    assert_eq!(client.local().to_string(), format!("tcp://{}", server.peer()));
    assert_eq!(server.local().to_string(), format!("tcp://{}", client.peer()));
}

#[tokio::test]
async fn a_direct_writer_writes_several_slices_at_once_from_another_task() {
    let (mut client, mut server) = pair().await;
    write_all(&mut client, b"a").await.unwrap();
    let writer = client.direct().expect("TCP writes directly");
    let slices = async move { writer.try_write(&[IoSlice::new(b"bc"), IoSlice::new(b"def")]) };
    assert_eq!(tokio::spawn(slices).await.unwrap().unwrap(), 5);
    let mut buffer = BytesMut::new();
    while buffer.len() < 6 {
        read(&mut server, &mut buffer).await.unwrap();
    }
    assert_eq!(buffer, b"abcdef"[..]);
}

#[tokio::test]
async fn a_direct_writer_would_block_when_the_peer_does_not_read_and_the_stream_goes_on() {
    let (mut client, mut server) = pair().await;
    write_all(&mut client, b"x").await.unwrap();
    let (writer, block) = (client.direct().unwrap(), vec![b'x'; 256 * 1024]);
    let mut sent = 1;
    let error = loop {
        match write_at_once(&writer, &block) {
            Ok(written) => sent += written,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let write = async {
        write_all(&mut client, b"end").await.unwrap();
        shutdown(&mut client).await.unwrap();
    };
    let ((), received) = tokio::join!(write, read_to_end(&mut server));
    let received = received.unwrap();
    assert_eq!((received.len(), &received[sent..]), (sent + 3, &b"end"[..]));
}

#[tokio::test]
async fn many_large_slices_arrive_in_order_at_a_slow_reader() {
    let (mut client, mut server) = pair().await;
    let parts: Vec<Bytes> = (0..100_u8).map(|n| Bytes::from(vec![n; 64 * 1024])).collect();
    let write = async {
        let mut rest = parts.clone();
        while !rest.is_empty() {
            let slices: Vec<_> = rest.iter().map(|part| IoSlice::new(part)).collect();
            let mut written = poll_fn(|cx| client.poll_write(cx, &slices)).await.unwrap();
            while written > 0 {
                let step = written.min(rest[0].len());
                rest[0].advance(step);
                written -= step;
                if rest[0].is_empty() {
                    rest.remove(0);
                }
            }
        }
        shutdown(&mut client).await.unwrap();
    };
    let slow_read = async {
        let mut all = BytesMut::new();
        loop {
            // A little at a time, with the writer's turn between.
            let mut some = BytesMut::with_capacity(4096);
            if poll_fn(|cx| server.poll_read(cx, &mut some)).await.unwrap() == 0 {
                break all;
            }
            all.extend_from_slice(&some);
            tokio::task::yield_now().await;
        }
    };
    let ((), received) = tokio::join!(write, slow_read);
    assert!(received == parts.concat(), "bytes were lost or changed places");
}

#[tokio::test]
async fn a_half_closed_stream_still_reads_though_a_direct_writer_exists() {
    let (mut client, mut server) = pair().await;
    let writer = client.direct().unwrap();
    write_all(&mut client, b"question").await.unwrap();
    shutdown(&mut client).await.unwrap();
    shutdown(&mut client).await.expect("closing twice is fine");
    assert_eq!(read_to_end(&mut server).await.unwrap(), b"question"[..]);
    assert_eq!(write_at_once(&writer, b"more").unwrap_err().kind(), io::ErrorKind::BrokenPipe);

    write_all(&mut server, b"answer").await.unwrap();
    drop(server);
    assert_eq!(read_to_end(&mut client).await.unwrap(), b"answer"[..]);
}

#[tokio::test]
async fn dropping_the_stream_delivers_what_was_written_and_ends_it_though_a_direct_writer_lives() {
    let (mut client, mut server) = pair().await;
    let writer = client.direct().unwrap();
    let sent = vec![7; 100_000];
    let write = async {
        write_all(&mut client, &sent).await.unwrap();
        drop(client);
    };
    let ((), received) = tokio::join!(write, read_to_end(&mut server));
    assert_eq!(received.unwrap(), sent);
    assert_eq!(write_at_once(&writer, b"late").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_refused_connection_names_the_address_and_asks_for_the_server() {
    let listener = bind("tcp://127.0.0.1:0").await.unwrap();
    let address = listener.address().clone();
    drop(listener);
    let (error, place) = (connect(&address).await.unwrap_err(), address.to_string());
    let place = place.trim_start_matches("tcp://");
    assert_eq!(
        error.to_string(),
        format!(
            "could not connect to tcp://{place}: {place}: connection refused. Is the server running?"
        )
    );
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_said_to_be_the_reason() {
    // Reserved for this (RFC 6761): no resolver knows it.
    let error = connect(&"tcp://nobody.invalid:1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error}");
    let expected =
        "could not connect to tcp://nobody.invalid:1: the host name cannot be resolved: ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[tokio::test]
async fn an_address_in_use_says_so() {
    let listener = bind("tcp://127.0.0.1:0").await.unwrap();
    let address = listener.address();
    let error = bind(&address.to_string()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: address already in use: another process listens there; \
             port 0 picks a free one"
        )
    );
}

#[tokio::test]
async fn a_port_is_free_again_although_its_connections_fade_out() {
    let mut listener = bind("tcp://127.0.0.1:0").await.unwrap();
    let address = listener.address().clone();
    let mut client = connect(&address).await.unwrap();
    let server = listener.accept().await;
    drop((server, listener));
    assert_eq!(read_to_end(&mut client).await.unwrap(), b""[..]);
    drop(client);
    bind(&address.to_string()).await.expect("the port is free");
}

#[tokio::test]
async fn a_name_stands_for_the_address_that_can_be_had() {
    let mut listener = bind("tcp://localhost:0").await.unwrap();
    let port = listener.address().port().unwrap();
    assert_ne!(port, 0);
    let client = connect(&format!("tcp://localhost:{port}").parse().unwrap()).await.unwrap();
    let server = listener.accept().await;
    assert_eq!(server.local().to_string(), format!("tcp://{}", client.peer()));
}

#[tokio::test]
async fn ipv6_works_where_the_machine_has_it() {
    let mut listener = match bind("tcp://[::1]:0").await {
        Ok(listener) => listener,
        Err(error) => return println!("skipped: {error}"),
    };
    let client = connect(listener.address()).await.unwrap();
    let server = listener.accept().await;
    assert_eq!(client.local().to_string(), format!("tcp://{}", server.peer()));
    assert!(client.peer().to_string().starts_with("[::1]:"));
}

#[tokio::test]
async fn accepting_goes_on_after_clients_that_went_away() {
    let mut listener = bind("tcp://127.0.0.1:0").await.unwrap();
    for _ in 0..20 {
        drop(connect(listener.address()).await.unwrap());
    }
    let mut client = connect(listener.address()).await.unwrap();
    write_all(&mut client, b"here").await.unwrap();
    shutdown(&mut client).await.unwrap();
    loop {
        let mut server = listener.accept().await;
        if server.peer().to_string() == client.local().to_string().trim_start_matches("tcp://") {
            assert_eq!(read_to_end(&mut server).await.unwrap(), b"here"[..]);
            break;
        }
    }
}

#[tokio::test]
async fn an_accept_that_was_given_up_loses_no_connection() {
    let mut listener = bind("tcp://127.0.0.1:0").await.unwrap();
    tokio::select! {
        biased;
        stream = listener.accept() => panic!("nobody connected, yet {stream:?}"),
        () = tokio::task::yield_now() => {}
    }
    let client = connect(listener.address()).await.unwrap();
    let server = listener.accept().await;
    assert_eq!(client.local().to_string(), format!("tcp://{}", server.peer()));
}

#[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
#[tokio::test]
async fn a_build_without_tls_names_the_feature() {
    let reason = "TLS is not in this build; switch on the feature `tls` or `tls-aws-lc` of msgrpc, \
                  or use tcp://";
    let error = connect(&"tls://localhost:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not connect to tls://localhost:1: {reason}"));
    assert!(error.is_permanent());
    let error = bind("tls://localhost:1").await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on tls://localhost:1: {reason}"));
}

#[tokio::test]
async fn addresses_of_datagrams_have_no_streams() {
    let udp = "UDP has no connections to open or to accept: a `Client` calls over it and a `Server` \
               listens on it without; where streams are needed, use tcp://";
    let multicast = "multicast has no connections: servers join a group by listening on it, and a \
                     `Group` asks it";
    for (text, reason) in [("udp://localhost:1", udp), ("multicast://239.1.2.3:1", multicast)] {
        let error = connect(&text.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("could not connect to {text}: {reason}"));
        assert!(error.is_permanent());
        let error = bind(text).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {text}: {reason}"));
    }
}
