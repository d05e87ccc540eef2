//! Listeners over sockets that were bound elsewhere, and keep-alive on what is connected.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::io::IoSlice;

use bytes::BytesMut;
use msgrpc_transport::{Address, DialOptions, KeepAlive, ListenOptions, Listener, Stream, dial};

/// A byte goes from a client to the listener's side.
async fn talk(listener: &mut Listener) {
    let address = listener.address().clone();
    let (client, mut server) = connect(listener, &DialOptions::default()).await;
    let mut client = client;
    let written = poll_fn(|cx| client.poll_write(cx, &[IoSlice::new(b"x")])).await.unwrap();
    let mut buffer = BytesMut::with_capacity(8);
    poll_fn(|cx| server.poll_read(cx, &mut buffer)).await.unwrap();
    assert_eq!((written, &buffer[..]), (1, &b"x"[..]), "{address}");
}

async fn connect(listener: &mut Listener, options: &DialOptions) -> (Stream, Stream) {
    let address = listener.address().clone();
    let (client, server) = tokio::join!(dial(&address, options), listener.accept());
    (client.unwrap(), server)
}

#[tokio::test]
async fn a_tcp_socket_that_listens_is_taken_over() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut listener = Listener::from_tcp(socket, &ListenOptions::default()).unwrap();
    assert_eq!(listener.address().port(), Some(port));
    talk(&mut listener).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_tcp_socket_that_does_not_listen_is_refused() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let error = Listener::from_tcp(socket.into(), &ListenOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot listen on the socket handed over: it does not listen; call listen() before handing \
         it over"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_that_listens_is_taken_over_and_its_file_stays() {
    let directory = std::env::temp_dir().join(format!("msgrpc-bound-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut listener = Listener::from_unix(socket, &ListenOptions::default()).unwrap();
    assert_eq!(listener.address().to_string(), format!("unix://{}", path.display()));
    talk(&mut listener).await;
    drop(listener);
    assert!(path.exists(), "it is its maker's");
    std::fs::remove_dir_all(directory).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_abstract_unix_socket_keeps_its_name() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let name = format!("msgrpc-bound-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixListener::bind_addr(&address).unwrap();
    let mut listener = Listener::from_unix(socket, &ListenOptions::default()).unwrap();
    assert_eq!(listener.address().to_string(), format!("unix:@{name}"));
    talk(&mut listener).await;
}

/// Whether the socket with these ports has a keep-alive timer, and in how many seconds it goes off.
#[cfg(target_os = "linux")]
fn keep_alive_of(local: u16, remote: u16) -> Option<u64> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
    let mut lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|f| f[1].ends_with(&local) && f[2].ends_with(&remote)).unwrap();
    // `tr:when`: which timer is set, and in how many hundredths of a second it goes off.
    let when = line[5].strip_prefix("02:")?;
    Some(u64::from_str_radix(when, 16).unwrap().div_ceil(100))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn both_ends_of_a_connection_keep_alive_as_they_were_told() {
    let cases: [(Option<KeepAlive>, std::ops::RangeInclusive<u64>); 2] = [
        (Some(KeepAlive::default()), 55..=60),
        (Some(KeepAlive::after(std::time::Duration::from_secs(7))), 5..=7),
    ];
    for (keep_alive, expected) in cases {
        let any: Address = "tcp://127.0.0.1:0".parse().unwrap();
        let options = ListenOptions::default().keep_alive(keep_alive);
        let mut listener = Listener::bind(&any, &options).await.unwrap();
        let options = DialOptions::default().keep_alive(keep_alive);
        let (_client, server) = connect(&mut listener, &options).await;
        let port = listener.address().port().unwrap();
        let client = server.peer().socket_addr().unwrap().port();
        for (one, other) in [(port, client), (client, port)] {
            let timer = keep_alive_of(one, other);
            assert!(timer.is_some_and(|timer| expected.contains(&timer)), "{timer:?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn keep_alive_can_be_left_out() {
    let any: Address = "tcp://127.0.0.1:0".parse().unwrap();
    let options = ListenOptions::default().keep_alive(None);
    let mut listener = Listener::bind(&any, &options).await.unwrap();
    let (_client, server) = connect(&mut listener, &DialOptions::default().keep_alive(None)).await;
    let port = listener.address().port().unwrap();
    let client = server.peer().socket_addr().unwrap().port();
    assert_eq!((keep_alive_of(port, client), keep_alive_of(client, port)), (None, None));
}
