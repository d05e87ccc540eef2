//! Unix sockets: the streams, and the file that a listener owns for a while.
#![cfg(unix)]

use std::{
    fs,
    future::poll_fn,
    io::IoSlice,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use msgrpc_transport::{
    Address, BindError, ConnectError, DialOptions, ListenOptions, Listener, Stream, dial,
};
use tokio::net::{UnixListener, UnixSocket};

/// A directory of the test's own, removed with all that is in it.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("msgrpc-unix-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("there is a place for temporary files");
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn at(path: &Path) -> Address {
    format!("unix://{}", path.display()).parse().expect("the test's address is good")
}

async fn bind(address: &Address) -> Result<Listener, BindError> {
    Listener::bind(address, &ListenOptions::default()).await
}

async fn connect(address: &Address) -> Result<Stream, ConnectError> {
    dial(address, &DialOptions::default()).await
}

async fn write_all(stream: &mut Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await;
        bytes.advance(written.expect("the peer reads"));
    }
}

async fn read_to_end(stream: &mut Stream) -> BytesMut {
    let mut buffer = BytesMut::new();
    while poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("the peer lives") > 0 {}
    buffer
}

/// A socket's file with nobody behind it, as a server leaves it that was killed.
fn dead_socket(path: &Path) {
    drop(std::os::unix::net::UnixListener::bind(path).expect("the path is free"));
    assert!(path.exists());
}

async fn talk(address: &Address) {
    let mut listener = bind(address).await.expect("the place is free");
    assert_eq!(listener.address(), address);
    let mut client = connect(address).await.expect("it listens");
    let mut server = listener.accept().await;
    let question = vec![7; 300_000];
    let asking = async {
        write_all(&mut client, &question).await;
        poll_fn(|cx| client.poll_shutdown(cx)).await.expect("the peer lives");
        poll_fn(|cx| client.poll_shutdown(cx)).await.expect("closing twice is fine");
        read_to_end(&mut client).await
    };
    let answering = async {
        let asked = read_to_end(&mut server).await;
        write_all(&mut server, b"answer").await;
        drop(server);
        asked
    };
    let (answer, asked) = tokio::join!(asking, answering);
    assert_eq!((answer, asked), (b"answer"[..].into(), question[..].into()));
}

#[tokio::test]
async fn a_path_carries_bytes_both_ways_and_half_closes() {
    let directory = Directory::new();
    talk(&at(&directory.socket())).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_abstract_name_carries_bytes_both_ways_and_half_closes() {
    talk(&format!("unix:@msgrpc-test-{}", process::id()).parse().unwrap()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_abstract_name_is_as_long_as_the_address_allows_and_had_once() {
    let long = format!("unix:@{:a<107}", format!("msgrpc-{}-", process::id())).parse().unwrap();
    let listener = bind(&long).await.unwrap();
    connect(&long).await.unwrap();
    assert_eq!(
        bind(&long).await.unwrap_err().to_string(),
        format!("cannot listen on {long}: address already in use: another server listens there")
    );
    drop(listener);
    bind(&long).await.expect("the name ends with its socket");
}

#[tokio::test]
async fn a_direct_writer_writes_at_once() {
    let directory = Directory::new();
    let mut listener = bind(&at(&directory.socket())).await.unwrap();
    let mut client = connect(listener.address()).await.unwrap();
    let mut server = listener.accept().await;
    write_all(&mut client, b"one ").await;
    let writer = client.direct().expect("a socket has one");
    let slices = [IoSlice::new(b"two "), IoSlice::new(b"three")];
    assert_eq!(writer.try_write(&slices).unwrap(), 9);
    drop(client);
    assert_eq!(read_to_end(&mut server).await, b"one two three"[..]);
    let error = writer.try_write(&[IoSlice::new(b"late")]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn both_sides_know_as_whom_the_other_runs() {
    let directory = Directory::new();
    let mut listener = bind(&at(&directory.socket())).await.unwrap();
    let client = connect(listener.address()).await.unwrap();
    let server = listener.accept().await;
    let owner = fs::metadata(&directory.0).unwrap();
    for stream in [&client, &server] {
        let credentials = stream.peer().credentials().unwrap();
        assert_eq!(credentials.uid(), owner.uid());
        #[cfg(target_os = "linux")]
        assert_eq!(credentials.pid(), Some(process::id()));
    }
    assert_eq!(client.peer().to_string(), listener.address().to_string());
    assert!(server.peer().to_string().starts_with("unix peer"), "{}", server.peer());
    assert_eq!(server.local(), listener.address());
}

#[tokio::test]
async fn the_file_goes_with_its_listener() {
    let directory = Directory::new();
    let listener = bind(&at(&directory.socket())).await.unwrap();
    assert!(directory.socket().exists());
    drop(listener);
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0, "something was left");
}

#[tokio::test]
async fn the_file_of_a_dead_server_is_replaced() {
    let directory = Directory::new();
    dead_socket(&directory.socket());
    let mut listener = bind(&at(&directory.socket())).await.unwrap();
    connect(listener.address()).await.unwrap();
    listener.accept().await;
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1, "the dead one was left");
}

#[tokio::test]
async fn the_file_of_a_living_server_is_left_alone() {
    let directory = Directory::new();
    let address = at(&directory.socket());
    let mut first = bind(&address).await.unwrap();
    assert_eq!(
        bind(&address).await.unwrap_err().to_string(),
        format!("cannot listen on {address}: address already in use: another server listens there")
    );
    let _probe = first.accept().await;
    let client = connect(&address).await.unwrap();
    assert_eq!(client.peer().credentials(), first.accept().await.peer().credentials());
}

#[tokio::test]
async fn a_server_whose_queue_is_full_is_not_dead() {
    let directory = Directory::new();
    let address = at(&directory.socket());
    let _listener = Listener::bind(&address, &ListenOptions::default().backlog(1)).await.unwrap();
    let mut waiting = Vec::new();
    let options = DialOptions::default().connect_timeout(Duration::from_millis(50));
    let error = loop {
        match dial(&address, &options).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(
        error.to_string(),
        format!(
            "could not connect to {address} within 50ms (connect_timeout): \
             the listener accepts no connections"
        )
    );
    assert!(bind(&address).await.unwrap_err().to_string().contains("another server listens"));
    assert!(directory.socket().exists());
}

#[tokio::test]
async fn a_server_that_is_just_starting_is_not_dead() {
    let directory = Directory::new();
    let address = at(&directory.socket());
    let starting = UnixSocket::new_stream().unwrap();
    starting.bind(directory.socket()).unwrap();
    let (error, _listener): (_, UnixListener) = tokio::join!(bind(&address), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        starting.listen(16).unwrap()
    });
    assert!(error.unwrap_err().to_string().ends_with("another server listens there"));
}

#[tokio::test]
async fn what_is_not_a_socket_is_never_replaced() {
    let directory = Directory::new();
    let address = at(&directory.socket());
    let refusal = format!(
        "cannot listen on {address}: something else is there already, which is not a socket"
    );
    fs::write(directory.socket(), "precious").unwrap();
    assert_eq!(bind(&address).await.unwrap_err().to_string(), refusal);
    assert_eq!(fs::read_to_string(directory.socket()).unwrap(), "precious");

    fs::remove_file(directory.socket()).unwrap();
    fs::create_dir(directory.socket()).unwrap();
    assert_eq!(bind(&address).await.unwrap_err().to_string(), refusal);

    fs::remove_dir(directory.socket()).unwrap();
    std::os::unix::fs::symlink(directory.0.join("elsewhere"), directory.socket()).unwrap();
    assert_eq!(bind(&address).await.unwrap_err().to_string(), refusal);
    assert!(fs::symlink_metadata(directory.socket()).unwrap().is_symlink());
}

#[tokio::test]
async fn a_file_that_was_replaced_while_running_is_left_alone() {
    let directory = Directory::new();
    let first = bind(&at(&directory.socket())).await.unwrap();
    fs::remove_file(directory.socket()).unwrap();
    let mut second = bind(&at(&directory.socket())).await.unwrap();
    drop(first);
    let client = connect(second.address()).await.expect("the second's file is still there");
    second.accept().await;
    drop((client, second));

    let third = bind(&at(&directory.socket())).await.unwrap();
    fs::remove_file(directory.socket()).unwrap();
    fs::write(directory.socket(), "another's").unwrap();
    drop(third);
    assert_eq!(fs::read_to_string(directory.socket()).unwrap(), "another's");
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_left_alone() {
    let directory = Directory::new();
    let listener = bind(&at(&directory.socket())).await.unwrap();
    let moved = directory.0.join("moved");
    fs::rename(directory.socket(), &moved).unwrap();
    drop(listener);
    assert!(moved.exists());
}

#[tokio::test]
async fn connecting_to_nobody_says_why() {
    let directory = Directory::new();
    let address = at(&directory.socket());
    let said = |error: ConnectError| {
        let text = error.to_string();
        text.strip_prefix(&format!("could not connect to {address}: ")).unwrap_or(&text).to_owned()
    };
    assert_eq!(
        said(connect(&address).await.unwrap_err()),
        "there is no such file. Is the server running?"
    );
    dead_socket(&directory.socket());
    assert_eq!(
        said(connect(&address).await.unwrap_err()),
        "connection refused: nobody listens there. Is the server running?"
    );
}

#[tokio::test]
async fn a_directory_that_is_missing_is_said_to_be() {
    let directory = Directory::new();
    let address = at(&directory.0.join("missing/s"));
    assert_eq!(
        bind(&address).await.unwrap_err().to_string(),
        format!("cannot listen on {address}: the directory does not exist")
    );
}

#[tokio::test]
async fn want_of_permission_says_whose() {
    let directory = Directory::new();
    let address = at(&directory.socket());
    dead_socket(&directory.socket());
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o000)).unwrap();
    let (dialed, bound) = (connect(&address).await, bind(&address).await);
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o700)).unwrap();
    let error = dialed.unwrap_err().to_string();
    if error.contains("connection refused") {
        return println!("skipped: this user may do everything");
    }
    assert_eq!(
        error,
        format!(
            "could not connect to {address}: permission denied: this user may not write to the \
             socket, or not enter its directory"
        )
    );
    assert_eq!(
        bound.unwrap_err().to_string(),
        format!(
            "cannot listen on {address}: permission denied: this user may not make the socket's \
             file, or not replace it"
        )
    );
}

#[test]
fn a_path_of_108_bytes_is_refused_before_the_system_is_asked() {
    let error = format!("unix:///{}", "a".repeat(107)).parse::<Address>().unwrap_err();
    assert!(error.to_string().contains("expected at most 107 bytes"), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_path_of_107_bytes_is_listened_on() {
    let directory = Directory::new();
    let room = 107 - directory.0.as_os_str().len() - 1;
    let address = at(&directory.0.join("a".repeat(room)));
    let listener = bind(&address).await.unwrap();
    connect(&address).await.unwrap();
    drop(listener);
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
}
