//! msgrpc over the simulated network: connecting and accepting with turmoil's sockets.
//!
//! Used by all scenarios; what runs over it is their business.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgrpc::Address;
use msgrpc::transport::{Accept, BoxFuture, Connect, ConnectError, Listener, Peer, Stream};
use tokio::time::{error::Elapsed, timeout};
use turmoil::net::{TcpListener, TcpStream};

/// Where every server listens.
const PORT: u16 = 8000;

/// How long one try of connecting takes at most: a host that is down or cut off answers nothing.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Connects to a host by its name.
pub(crate) struct To {
    pub(crate) host: &'static str,
    /// When connections were tried for, in simulated time.
    pub(crate) tries: Arc<Mutex<Vec<Duration>>>,
}

impl To {
    pub(crate) fn new(host: &'static str) -> Self {
        Self { host, tries: Arc::default() }
    }
}

impl Connect for To {
    fn connect(&self) -> BoxFuture<'_, Result<Stream, ConnectError>> {
        Box::pin(async {
            self.tries.lock().unwrap().push(turmoil::sim_elapsed().unwrap());
            let connecting = TcpStream::connect((self.host, PORT));
            let custom = |cause| ConnectError::custom(self.address(), cause);
            let socket = timeout(CONNECT_TIMEOUT, connecting)
                .await
                .map_err(|elapsed: Elapsed| custom(elapsed.to_string()))?
                .map_err(|error| custom(error.to_string()))?;
            Ok(stream(socket))
        })
    }

    fn address(&self) -> String {
        format!("tcp://{}:{PORT}", self.host)
    }
}

/// Listens on the host that it is called on.
pub(crate) async fn listen() -> Listener {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.unwrap();
    Listener::custom(address(PORT), Accepting(listener))
}

struct Accepting(TcpListener);

impl Accept for Accepting {
    fn accept(&mut self) -> BoxFuture<'_, Stream> {
        Box::pin(async { stream(self.0.accept().await.unwrap().0) })
    }
}

fn stream(socket: TcpStream) -> Stream {
    let peer = Peer::named(socket.peer_addr().unwrap().to_string());
    let local = address(socket.local_addr().unwrap().port());
    Stream::new(socket, peer, local)
}

fn address(port: u16) -> Address {
    format!("tcp://0.0.0.0:{port}").parse().unwrap()
}
