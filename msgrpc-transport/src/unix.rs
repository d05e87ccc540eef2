//! Unix sockets: connecting, listening, and the file that a listener owns for a while.
//!
//! Used by [`dial`](crate::dial()), [`Listener`](crate::Listener) and [`Stream`]. It removes a file only when it is a
//! socket on which nobody listens, or the very one that it made.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use socket2::SockRef;
use tokio::{
    net::{
        UnixListener, UnixSocket, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::sleep,
};

use crate::{
    Address, BindError, ConnectError, Credentials, DialOptions, ListenOptions, Peer, Stream,
    UnixAddress, backoff::AcceptBackoff, dial::within, halves::Socket,
};

impl Socket for UnixStream {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.into_split()
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }

    fn try_write(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [slice] => self.try_write(slice),
            _ => self.try_write_vectored(slices),
        }
    }

    fn as_sock(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

pub(crate) async fn dial(
    address: &Address,
    unix: &UnixAddress,
    options: &DialOptions,
) -> Result<Stream, ConnectError> {
    let Some(name) = system_name(unix) else {
        return Err(ConnectError::Unsupported { address: address.clone() });
    };
    let connecting = async {
        loop {
            match UnixStream::connect(&name).await {
                // Linux does not let clients wait in a full backlog: it turns them away.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(FULL_PAUSE).await,
                result => break result,
            }
        }
    };
    match within(options.connect_timeout, connecting).await {
        Ok(Ok(socket)) => {
            let peer = Peer::unix_at(Some(unix.clone()), credentials(&socket));
            Ok(Stream::unix(socket, peer, address.clone()))
        }
        Ok(Err(cause)) => Err(ConnectError::Io { address: address.clone(), cause }),
        Err(timeout) => {
            let (address, attempts) = (address.clone(), Vec::new());
            Err(ConnectError::TimedOut { address, timeout, attempts })
        }
    }
}

/// A listening socket, its patience, and its file.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: UnixListener,
    backoff: AcceptBackoff,
    address: Address,
    /// `None` for an abstract name, which ends with its socket.
    file: Option<(PathBuf, Identity)>,
}

impl Listening {
    pub(crate) async fn bind(
        address: &Address,
        unix: &UnixAddress,
        options: &ListenOptions,
    ) -> Result<Self, BindError> {
        let failed = |cause| BindError::Io { address: address.clone(), cause };
        let Some(name) = system_name(unix) else {
            return Err(BindError::Unsupported { address: address.clone() });
        };
        let socket = match listen(&name, options.backlog) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if let Some(path) = unix.path() {
                    clear_away_dead(address, path).await?;
                }
                listen(&name, options.backlog)
            }
            result => result,
        };
        let listener = socket.map_err(failed)?;
        let file = match unix.path() {
            Some(path) => Some((path.to_owned(), Identity::of(path).map_err(failed)?)),
            None => None,
        };
        let backoff = AcceptBackoff::default();
        Ok(Self { listener, backoff, address: address.clone(), file })
    }

    /// Listens on a socket that is bound already, whose file is somebody else's.
    pub(crate) fn from_std(
        listener: std::os::unix::net::UnixListener,
    ) -> io::Result<(Self, Address)> {
        let address = address_of(&listener)?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let backoff = AcceptBackoff::default();
        Ok((Self { listener, backoff, address: address.clone(), file: None }, address))
    }

    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Stream> {
        let listener = &self.listener;
        let socket = ready!(self.backoff.poll_accept(cx, |cx| {
            let (socket, _unnamed) = ready!(listener.poll_accept(cx))?;
            Poll::Ready(Ok(socket))
        }));
        let peer = Peer::unix_at(None, credentials(&socket));
        Poll::Ready(Stream::unix(socket, peer, self.address.clone()))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The socket is still open, so that the number of its file cannot have become another's.
        if let Some((path, identity)) = &self.file
            && let Err(error) = remove(path, identity)
        {
            tracing::warn!(%error, path = %path.display(), "could not remove the socket's file");
        }
    }
}

/// The address of a socket that is bound.
fn address_of(listener: &std::os::unix::net::UnixListener) -> io::Result<Address> {
    let local = listener.local_addr()?;
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    if let Some(path) = local.as_pathname() {
        let no_text = || invalid(format!("its path is no text: {}", path.display()));
        let text = path.to_str().ok_or_else(no_text)?;
        return format!("unix://{text}").parse().map_err(|error| invalid(format!("{error}")));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(&local) {
        let text = str::from_utf8(name).map_err(|error| invalid(format!("its name: {error}")))?;
        return format!("unix:@{text}").parse().map_err(|error| invalid(format!("{error}")));
    }
    Err(invalid("it has no name; bind it before handing it over".to_owned()))
}

/// What the system takes for a name: the path, or the abstract name behind a zero byte. `None` where there are no
/// abstract names.
fn system_name(unix: &UnixAddress) -> Option<OsString> {
    match (unix.path(), unix.abstract_name()) {
        (Some(path), _) => Some(path.as_os_str().to_owned()),
        (None, Some(name)) if cfg!(any(target_os = "linux", target_os = "android")) => {
            Some(OsStr::from_bytes(&[b"\0", name.as_bytes()].concat()).to_owned())
        }
        _ => None,
    }
}

fn listen(name: &OsStr, backlog: u32) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(name)?;
    socket.listen(backlog)
}

fn credentials(socket: &UnixStream) -> Option<Credentials> {
    let found = socket.peer_cred().ok()?;
    // 0 is a process that this one cannot see, in a container's outside.
    let pid = found.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    Some(Credentials::new(found.uid(), found.gid(), pid))
}

/// Removes what a dead server left at `path`.
///
/// # Errors
///
/// When somebody listens there, nobody can tell, or it is not a socket.
async fn clear_away_dead(address: &Address, path: &Path) -> Result<(), BindError> {
    let failed = |cause| BindError::Io { address: address.clone(), cause };
    let identity = match Identity::of(path) {
        // Its server has just removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(failed)?,
    };
    if !identity.is_socket {
        return Err(BindError::NotASocket { address: address.clone() });
    }
    for last in [false, true] {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(failed(error));
            }
            // It took the connection, or its queue is full: it lives.
            _ => return Err(failed(io::ErrorKind::AddrInUse.into())),
        }
        if !last {
            // A server that starts at this moment has its file for microseconds before it listens.
            sleep(STARTING_PAUSE).await;
        }
    }
    tracing::info!(path = %path.display(), "replacing the socket file of a server that is dead");
    remove(path, &identity).map_err(failed)
}

/// Removes the file at `path` if it is still the one that is meant.
///
/// Between looking and removing another server may put its own there. So the file is moved aside first, looked at
/// again, and put back if it is another.
fn remove(path: &Path, meant: &Identity) -> io::Result<()> {
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match Identity::of(path) {
        Ok(found) if found == *meant => {}
        Err(error) if !is_gone(&error) => return Err(error),
        _ => return Ok(()),
    }
    let aside = aside(path);
    match fs::rename(path, &aside) {
        Err(error) if is_gone(&error) => return Ok(()),
        result => result?,
    }
    if Identity::of(&aside)? != *meant {
        // Fails when there is a third one by now, which then has the better right.
        if let Err(error) = fs::hard_link(&aside, path) {
            tracing::warn!(%error, path = %path.display(), "another server's socket file is lost");
        }
    }
    fs::remove_file(&aside)
}

/// A name beside `path` that nobody else uses.
fn aside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.old", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Which file it is, whatever its name. A number may be used again once its file is gone, hence the time.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    made: Option<SystemTime>,
    is_socket: bool,
}

impl Identity {
    /// Of what is at `path` itself: a link is not followed.
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            made: found.created().ok(),
            is_socket: found.file_type().is_socket(),
        })
    }
}

/// How long a client waits that was turned away by a full backlog.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// How long a socket that refuses is given to begin listening.
const STARTING_PAUSE: Duration = Duration::from_millis(10);
