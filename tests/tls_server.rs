//! TLS servers and clients among peers that stall, flood, break off or stop reading; and new certificates under load.
#![cfg(any(feature = "tls", feature = "tls-aws-lc"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/certs.rs"]
mod certs;
#[path = "support/thread_log.rs"]
mod log;
mod support;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use certs::{Authority, Bed};
use futures::future::join_all;
use log::Log;
use msgrpc::tls::ClientTls;
use msgrpc::tls::rustls::pki_types::pem::PemObject;
use msgrpc::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use msgrpc::tls::rustls::server::WebPkiClientVerifier;
use msgrpc::tls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};
use msgrpc::transport::{BindError, DialOptions, ListenOptions, Listener, Stream, dial};
use msgrpc::{CallError, Client, CloseReason, ProtocolError, Reconnect, Server};
use support::{Bench, LabClient, LabService, Running, Wire, request, response, until, value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

const ANY: &str = "tls://127.0.0.1:0";

/// A TLS alert that closes the connection, in the clear.
const CLOSE_NOTIFY: [u8; 7] = [0x15, 3, 3, 0, 2, 1, 0];

async fn run(bed: &Bed, set: impl FnOnce(Server) -> Server) -> (Running, Bench) {
    let bench = Bench::default();
    let server = Server::new(LabService::new(bench.clone())).tls(bed.server.clone());
    (Running::start_at(set(server), ANY).await, bench)
}

async fn lab(server: &Running, tls: &ClientTls) -> LabClient {
    let client = server.builder().tls(tls.clone()).timeout(None).connect().await.unwrap();
    LabClient::new(client)
}

async fn raw(server: &Running) -> TcpStream {
    TcpStream::connect(server.address.strip_prefix("tls://").unwrap()).await.unwrap()
}

async fn stream_to(address: &str, tls: &ClientTls) -> Stream {
    let options = DialOptions::default().tls(tls.clone());
    dial(&address.parse().unwrap(), &options).await.unwrap()
}

fn trusts_nobody() -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(certs::provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(trusts_nobody(), name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

/// Reads to the end, or to a reset.
async fn end_of(mut socket: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _reset = socket.read_to_end(&mut all).await;
    all
}

// D4: handshakes that stall.

#[tokio::test(start_paused = true)]
async fn three_hundred_clients_that_stall_keep_nobody_waiting_for_a_second() {
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server).await;
    let hello = client_hello();
    let mut stalled = Vec::new();
    for n in 0..300 {
        let mut socket = raw(&server).await;
        let said = [&hello[..0], &hello[..1], &hello[..hello.len() / 2], &hello[..]][n % 4];
        socket.write_all(said).await.unwrap();
        stalled.push(socket);
    }
    let begun = Instant::now();
    assert_eq!(lab(&server, &bed.client).await.add(20, 22).await.unwrap(), 42);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    join_all(stalled.into_iter().map(end_of)).await;
    assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_a_byte_a_second_is_let_go_after_ten_seconds() {
    let log = Log::begin();
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server).await;
    let mut socket = raw(&server).await;
    let begun = Instant::now();
    for byte in client_hello() {
        let mut answer = [0];
        if socket.write_all(&[byte]).await.is_err() {
            break;
        }
        // Ends when the server closes.
        if timeout(Duration::from_secs(1), socket.read(&mut answer)).await.is_ok() {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs();
    assert!((10..=11).contains(&seconds), "{seconds}");
    let given_up = "TLS handshake given up: it was not done within 10s";
    assert_eq!(log.lines(Level::DEBUG, given_up).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up_after_ten_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tls://{}", listener.local_addr().unwrap());
    let begun = Instant::now();
    let builder = || Client::builder(&address).tls(Bed::new().client).reconnect(Reconnect::never());
    let error = builder().connect().await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(
        error.to_string(),
        format!(
            "could not connect to {address}: the TLS handshake with \"127.0.0.1\" failed: it was \
             not done within 10s (handshake_timeout)"
        )
    );
    let begun = Instant::now();
    builder().handshake_timeout(Duration::from_secs(2)).connect().await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 2);
}

// D5: handshakes beyond the bound.

#[tokio::test(start_paused = true)]
async fn handshakes_over_the_bound_wait_for_those_that_go_on() {
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server.handshakes(4)).await;
    let busy = join_all((0..4).map(|_| raw(&server))).await;
    let begun = Instant::now();
    for mut socket in busy {
        tokio::spawn(async move {
            // The head of a record of 16 KiB, which never ends.
            let mut sent = socket.write_all(&[0x16, 3, 1, 0x40, 0]).await;
            while sent.is_ok() {
                sleep(Duration::from_millis(200)).await;
                sent = socket.write_all(&[1]).await;
            }
        });
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(lab(&server, &bed.client).await.add(20, 22).await.unwrap(), 42);
    assert_eq!(begun.elapsed().as_secs(), 10, "not before one of the four has given up");
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_gives_way_to_who_waits() {
    let log = Log::begin();
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server.handshakes(1)).await;
    let silent = raw(&server).await;
    sleep(Duration::from_millis(1)).await;
    let begun = Instant::now();
    assert_eq!(lab(&server, &bed.client).await.add(20, 22).await.unwrap(), 42);
    assert!((400..600).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(end_of(silent).await, []);
    let given_up = "TLS handshake given up: its client is silent, and others wait";
    assert_eq!(log.lines(Level::DEBUG, given_up).len(), 1);
    // With nobody waiting it may be silent for longer.
    let silent = raw(&server).await;
    let begun = Instant::now();
    assert_eq!(end_of(silent).await, []);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_handshakes() {
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server).await;
    let mut stalled = raw(&server).await;
    stalled.write_all(&client_hello()).await.unwrap();
    let mut answer = [0];
    stalled.read_exact(&mut answer).await.unwrap();
    assert_eq!(server.stop().await.aborted, 0);
    end_of(stalled).await;
}

// D6: connections that break off.

#[tokio::test]
async fn closing_in_the_middle_of_a_handshake_ends_it_at_once() {
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server).await;
    let hello = client_hello();
    let starts = [vec![], hello[..hello.len() / 2].to_vec(), hello];
    for start in &starts {
        for end in [&CLOSE_NOTIFY[..], &[]] {
            let mut socket = raw(&server).await;
            socket.write_all(&[start, end].concat()).await.unwrap();
            socket.shutdown().await.unwrap();
            let ended = timeout(Duration::from_secs(5), end_of(socket)).await;
            assert!(ended.is_ok(), "after {} bytes and {end:?}", start.len());
        }
    }
    assert_eq!(lab(&server, &bed.client).await.add(20, 22).await.unwrap(), 42);
}

#[tokio::test]
async fn a_server_that_closes_in_the_middle_of_a_handshake_ends_connecting() {
    let bed = Bed::new();
    // The beginning of a ServerHello, and nothing.
    let starts: [&[u8]; 2] = [&[0x16, 3, 3, 0, 0x7a, 2, 0, 0, 0x76, 3, 3], &[]];
    for start in starts {
        for end in [&CLOSE_NOTIFY[..], &[]] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("tls://{}", listener.local_addr().unwrap());
            tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.write_all(&[start, end].concat()).await.unwrap();
                socket.shutdown().await.unwrap();
                end_of(socket).await;
            });
            let once = Client::builder(&address).tls(bed.client.clone());
            let connecting = once.reconnect(Reconnect::never()).connect();
            let error = timeout(Duration::from_secs(5), connecting).await.unwrap().unwrap_err();
            let failed = "the TLS handshake with \"127.0.0.1\" failed: ";
            assert!(error.to_string().contains(failed), "{error}");
        }
    }
}

/// A scripted server, and a client of it that waits for the answer to its call.
async fn call_of_a_scripted_server() -> (Wire, tokio::task::JoinHandle<CallError>) {
    let bed = Bed::new();
    let options = ListenOptions::default().tls(bed.server.clone());
    let mut listener = Listener::bind(&ANY.parse().unwrap(), &options).await.unwrap();
    let address = listener.address().to_string();
    let calling = tokio::spawn(async move {
        let client = Client::builder(&address).tls(bed.client.clone()).connect().await.unwrap();
        client.call::<String>("x", ()).await.unwrap_err()
    });
    let mut wire = Wire::over(listener.accept().await);
    assert_eq!(wire.message().await, value((0, 0, "x", [(); 0])));
    (wire, calling)
}

#[tokio::test]
async fn an_end_without_close_notify_is_a_lost_connection() {
    let answer = response(0, "an answer");
    for sent in 0..answer.len() {
        let (mut wire, calling) = call_of_a_scripted_server().await;
        wire.send(&answer[..sent]).await;
        drop(wire);
        let error = calling.await.unwrap();
        let CallError::Closed(closed) = &error else { panic!("{error}") };
        assert!(matches!(closed.reason(), CloseReason::Peer), "{sent}: {error}");
        assert!(error.was_sent());
    }
}

#[tokio::test]
async fn a_close_notify_within_a_message_cuts_it_off() {
    let (mut wire, calling) = call_of_a_scripted_server().await;
    wire.send(&response(0, "an answer")[..5]).await;
    wire.half_close().await;
    let error = calling.await.unwrap();
    let CallError::Closed(closed) = &error else { panic!("{error}") };
    let cut_off = ProtocolError::CutOff { received: 5 };
    assert!(matches!(closed.reason(), CloseReason::Protocol(e) if *e == cut_off), "{error}");
    assert_eq!(wire.rest().await, []);
}

#[tokio::test]
async fn a_socket_that_is_bound_already_serves_tls_as_well() {
    let bed = Bed::new();
    let socket = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = Listener::from_tls(socket(), &ListenOptions::default()).unwrap_err();
    assert!(matches!(error, BindError::NoCertificate { .. }), "{error}");
    let options = ListenOptions::default().tls(bed.server.clone());
    let listener = Listener::from_tls(socket(), &options).unwrap();
    let address = listener.address().to_string();
    let server = Server::new(LabService::new(Bench::default())).listener(listener);
    tokio::spawn(server.run());
    let client = Client::builder(&address).tls(bed.client.clone()).connect().await.unwrap();
    assert_eq!(LabClient::new(client).add(20, 22).await.unwrap(), 42);
}

#[tokio::test]
async fn a_stream_tells_an_end_from_a_loss() {
    // Such a server gives no tickets: what nobody reads would turn the end into a reset.
    let bed = Bed::mutual();
    let tls = bed.client_with(&bed.authority.issue(certs::client("somebody")));
    let options = ListenOptions::default().tls(bed.server.clone());
    let mut listener = Listener::bind(&ANY.parse().unwrap(), &options).await.unwrap();
    for orderly in [true, false] {
        let address = listener.address().to_string();
        let (mut client, mut server) = tokio::join!(stream_to(&address, &tls), listener.accept());
        assert!(client.direct().is_none(), "writing needs the state that reading has");
        assert_eq!(server.local().to_string(), address);
        let written = poll_fn(|cx| client.poll_write(cx, &[IoSlice::new(b"end")])).await.unwrap();
        assert_eq!(written, 3);
        if orderly {
            poll_fn(|cx| client.poll_shutdown(cx)).await.unwrap();
        }
        drop(client);
        let mut buffer = BytesMut::new();
        assert_eq!(poll_fn(|cx| server.poll_read(cx, &mut buffer)).await.unwrap(), 3);
        let end = poll_fn(|cx| server.poll_read(cx, &mut buffer)).await;
        match end {
            Ok(0) => assert!(orderly),
            Err(error) => {
                assert!(!orderly);
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                let text = "the peer closed the connection without closing TLS (no close_notify)";
                assert_eq!(error.to_string(), text);
            }
            Ok(more) => panic!("{more} bytes came out of nothing"),
        }
    }
}

/// A server that does not wait for us to read why: the alert has come, and then a reset, which writing meets first.
#[tokio::test]
async fn a_rejection_is_found_behind_the_reset_that_a_write_meets() {
    if !cfg!(target_os = "linux") {
        return; // Others discard with the reset what has not been read.
    }
    let bed = Bed::mutual();
    let config = rejecting(&bed);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tls://{}", listener.local_addr().unwrap());
    let server = tokio::task::spawn_blocking(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = ServerConnection::new(config).unwrap();
        while tls.complete_io(&mut socket).is_ok() {}
        while tls.wants_write() {
            tls.write_tls(&mut socket).unwrap();
        }
    });
    let mut stream = stream_to(&address, &bed.client).await;
    server.await.unwrap();
    // The first is answered with a reset, as nobody is there any more.
    let error = loop {
        let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(b"x")])).await;
        match written {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(msgrpc::transport::is_permanent(&error), "{error}");
    let text = "the server rejected our client certificate: received fatal alert: ";
    assert!(error.to_string().starts_with(text), "{error}");
}

/// What a server of rustls needs that wants the certificates of the bed's authority.
fn rejecting(bed: &Bed) -> Arc<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(bed.authority.pem().as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), certs::provider());
    let key = PrivateKeyDer::from_pem_slice(bed.papers.key.as_bytes()).unwrap();
    let chain = vec![CertificateDer::from(bed.papers.der.clone())];
    let builder = ServerConfig::builder_with_provider(certs::provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_client_cert_verifier(verifier.build().unwrap());
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

// D8: new certificates while the server runs.

async fn shown_to(address: &str, tls: &ClientTls) -> Vec<u8> {
    stream_to(address, tls).await.peer().certificates()[0].clone()
}

#[tokio::test]
async fn new_connections_get_the_new_certificate_and_old_ones_live_on() {
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server).await;
    let old = lab(&server, &bed.client).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = join_all((0..4).map(|_| {
        let (stop, server, tls) = (Arc::clone(&stop), &server, &bed.client);
        async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(lab(server, tls).await.add(1, 2).await.unwrap(), 3);
            }
        }
    }));
    let changing = async {
        for _ in 0..20 {
            let papers = bed.authority.issue(certs::server());
            bed.files.papers("server", &papers);
            bed.server.reload().unwrap();
            assert_eq!(shown_to(&server.address, &bed.client).await, papers.der);
            assert_eq!(old.add(20, 22).await.unwrap(), 42);
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, changing);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_changes_nothing() {
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server).await;
    bed.files.write("server.key", bed.authority.issue(certs::server()).key);
    let error = bed.server.reload().unwrap_err();
    let (key, certificate) = (bed.files.path("server.key"), bed.files.path("server.pem"));
    assert_eq!(
        error.to_string(),
        format!(
            "the key in {} does not belong to the certificate in {}; expected the key that the \
             first certificate there was made for",
            key.display(),
            certificate.display()
        )
    );
    assert_eq!(shown_to(&server.address, &bed.client).await, bed.papers.der);
    bed.files.papers("server", &bed.papers);
    bed.server.reload().unwrap();
    assert_eq!(shown_to(&server.address, &bed.client).await, bed.papers.der);
}

#[tokio::test]
async fn whom_to_trust_is_read_again_on_both_sides() {
    let bed = Bed::mutual();
    let (server, _) = run(&bed, |server| server).await;
    let old = bed.client_with(&bed.authority.issue(certs::client("old")));
    assert_eq!(lab(&server, &old).await.add(1, 1).await.unwrap(), 2);
    let next = Authority::new("next");
    bed.files.write("ca.pem", next.pem());
    bed.files.papers("server", &next.issue(certs::server()));
    bed.server.reload().unwrap();
    bed.files.papers("client", &next.issue(certs::client("new")));
    assert!(server.builder().tls(old.clone()).connect().await.is_err(), "it trusts only the old");
    old.reload().unwrap();
    assert_eq!(lab(&server, &old).await.add(1, 1).await.unwrap(), 2);
    // Shown to the old authority's servers, not to those of the next one.
    bed.files.papers("client", &bed.authority.issue(certs::client("late")));
    old.reload().unwrap();
    let error = lab(&server, &old).await.add(1, 1).await.unwrap_err();
    assert!(error.to_string().ends_with("received fatal alert: UnknownCA"), "{error}");
}

#[test]
fn settings_without_files_are_replaced_not_read_again() {
    let error = ClientTls::from_config(trusts_nobody()).reload().unwrap_err();
    let expected = "these settings were made from a configuration, not from files; use replace";
    assert_eq!(error.to_string(), expected);
}

// D10: large messages, and peers that do not read them.

#[tokio::test]
async fn a_peer_that_reads_slowly_holds_its_server_back_and_loses_nothing() {
    const CALLS: u32 = 64;
    let bed = Bed::new();
    let (server, bench) = run(&bed, |server| server).await;
    let mut wire = Wire::over(stream_to(&server.address, &bed.client).await);
    bench.open(usize::MAX >> 4);
    for msgid in 0..CALLS {
        wire.send(request(2 * msgid, "bytes", (1 << 20,))).await;
        wire.send(request(2 * msgid + 1, "hold", (msgid,))).await;
    }
    let mut ended = usize::MAX;
    // Until no more of them are begun.
    while std::mem::replace(&mut ended, bench.ended()) != bench.ended() {
        support::quiet().await;
        sleep(Duration::from_millis(50)).await;
    }
    assert!(ended < 32, "{ended} megabytes were made for somebody who reads none");
    for _ in 0..2 * CALLS {
        let message = wire.message().await;
        let [_, msgid, error, result] = message.as_array().unwrap() else { panic!("{message}") };
        assert_eq!(*error, value(()));
        match msgid.as_u64().unwrap() {
            id if id % 2 == 0 => assert_eq!(result.as_bytes().unwrap(), vec![7; 1 << 20]),
            id => assert_eq!(result.as_u64(), Some(id / 2)),
        }
    }
    until("all are done", || bench.ended() == CALLS as usize).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_let_go_after_30_seconds() {
    let bed = Bed::new();
    let (server, _) = run(&bed, |server| server).await;
    let mut wire = Wire::over(stream_to(&server.address, &bed.client).await);
    // More than the kernel takes, on either side.
    wire.send(request(0, "bytes", (16 << 20,))).await;
    let begun = Instant::now();
    let lab = lab(&server, &bed.client).await;
    assert_eq!(lab.add(20, 22).await.unwrap(), 42);
    sleep(Duration::from_secs(29)).await;
    assert_eq!(lab.add(20, 22).await.unwrap(), 42);
    sleep(Duration::from_secs(2)).await;
    let rest = timeout(Duration::from_secs(1), async {
        let mut buffer = BytesMut::new();
        let mut stream = wire.into_stream();
        while let Ok(1..) = poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await {}
        buffer.len()
    });
    assert!(rest.await.unwrap() < 16 << 20, "it was not let go");
    assert!(begun.elapsed() < Duration::from_secs(40));
}

/// What a closing client has written last is not held back in TLS.
#[tokio::test]
async fn what_was_queued_is_flushed_before_closing() {
    let bed = Bed::new();
    let (server, bench) = run(&bed, |server| server).await;
    for n in 0..50 {
        let client = server.builder().tls(bed.client.clone()).connect().await.unwrap();
        let lab = LabClient::new(client.clone());
        lab.note(n).await.unwrap();
        drop(lab);
        client.close().await;
    }
    until("all are there", || bench.kept().len() == 50).await;
}
