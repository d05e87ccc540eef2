//! UDP sockets: whole datagrams, answers from the address asked, errors of the network.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{io, net::IpAddr, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use msgrpc_transport::{Address, BindError, ConnectError, DatagramSocket, DialOptions, Received};

async fn bound(address: &str) -> DatagramSocket {
    DatagramSocket::bind(&address.parse().unwrap()).await.unwrap()
}

async fn connected(address: &Address) -> DatagramSocket {
    DatagramSocket::connect(address, &DialOptions::default()).await.unwrap()
}

fn at(host: &str, port: Option<u16>) -> Address {
    format!("udp://{host}:{}", port.unwrap()).parse().unwrap()
}

/// The next datagram, and where it came from and went to.
async fn receive(socket: &DatagramSocket) -> (Received, Vec<u8>) {
    let mut buffer = BytesMut::new();
    let received =
        tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.unwrap();
    (received.unwrap(), buffer.to_vec())
}

/// One question and one answer, as a server gives it.
async fn round_trip(server: &DatagramSocket, asked: &str) {
    let client = connected(&at(asked, server.address().port())).await;
    client.send(b"question", None, None).await.unwrap();
    let (received, question) = receive(server).await;
    assert_eq!(question, b"question");
    server.send(b"answer", Some(received.from), received.to).await.unwrap();
    // The kernel drops what comes from any other address than the one asked.
    let (received, answer) = receive(&client).await;
    assert_eq!((&answer[..], Some(received.from)), (&b"answer"[..], client.peer()));
}

#[tokio::test]
async fn a_datagram_goes_and_comes() {
    let server = bound("udp://127.0.0.1:0").await;
    assert_ne!(server.address().port(), Some(0));
    round_trip(&server, "127.0.0.1").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
    let server = bound("udp://0.0.0.0:0").await;
    round_trip(&server, "127.0.0.1").await;
    round_trip(&server, "127.0.0.77").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_on_all_addresses_of_both_families_answers_from_the_one_that_was_asked() {
    let Ok(server) = DatagramSocket::bind(&"udp://[::]:0".parse().unwrap()).await else {
        println!("skipped: this machine has no IPv6");
        return;
    };
    round_trip(&server, "127.0.0.77").await;
    round_trip(&server, "[::1]").await;
}

#[tokio::test]
async fn the_longest_datagram_arrives_whole_and_a_longer_one_is_refused() {
    let server = bound("udp://127.0.0.1:0").await;
    let client = connected(server.address()).await;
    let longest = vec![7; 65_507];
    client.send(&longest, None, None).await.unwrap();
    let (received, datagram) = receive(&server).await;
    assert_eq!(received.bytes, 65_507);
    assert!(datagram == longest, "bytes were lost");
    let error = client.send(&vec![7; 65_508], None, None).await.unwrap_err();
    if cfg!(target_os = "linux") {
        assert_eq!(error.raw_os_error(), Some(90), "EMSGSIZE: {error}");
    }
    client.send(b"the socket lives on", None, None).await.unwrap();
    assert_eq!(receive(&server).await.1, b"the socket lives on");
}

#[tokio::test]
async fn datagrams_are_appended_one_by_one_and_may_be_empty() {
    let server = bound("udp://127.0.0.1:0").await;
    let client = connected(server.address()).await;
    for datagram in [&b"one"[..], b"", b"two"] {
        client.send(datagram, None, None).await.unwrap();
    }
    let mut buffer = BytesMut::new();
    let mut lengths = Vec::new();
    for _ in 0..3 {
        let received = server.recv(&mut buffer).await.unwrap();
        assert_eq!(received.to, Some(IpAddr::from([127, 0, 0, 1])));
        lengths.push(received.bytes);
    }
    assert_eq!((lengths, &buffer[..]), (vec![3, 0, 3], &b"onetwo"[..]));
}

#[tokio::test]
async fn datagrams_of_others_never_reach_a_connected_socket() {
    let server = bound("udp://127.0.0.1:0").await;
    let client = connected(server.address()).await;
    let port = client.address().port().unwrap();
    let stranger = bound("udp://127.0.0.1:0").await;
    let client_address = SocketAddr::from(([127, 0, 0, 1], port));
    stranger.send(b"forged", Some(client_address), None).await.unwrap();
    server.send(b"true", Some(client_address), None).await.unwrap();
    assert_eq!(receive(&client).await.1, b"true");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_refusal_is_an_error_and_the_socket_lives_on() {
    let server = bound("udp://127.0.0.1:0").await;
    let address = server.address().clone();
    let client = connected(&address).await;
    drop(server);
    client.send(b"is anybody there?", None, None).await.unwrap();
    let error = client.recv(&mut BytesMut::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let server = DatagramSocket::bind(&address).await.expect("it is free");
    client.send(b"now?", None, None).await.unwrap();
    assert_eq!(receive(&server).await.1, b"now?");
}

#[tokio::test]
async fn errors_name_the_address_and_the_reason() {
    let tcp: Address = "tcp://127.0.0.1:1".parse().unwrap();
    let error = DatagramSocket::connect(&tcp, &DialOptions::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unsupported { .. }));
    let error = DatagramSocket::bind(&tcp).await.unwrap_err();
    assert!(matches!(error, BindError::Unsupported { .. }));

    let server = bound("udp://127.0.0.1:0").await;
    let error = DatagramSocket::bind(server.address()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {}: address already in use: another process listens there; port 0 \
             picks a free one",
            server.address()
        )
    );
}
