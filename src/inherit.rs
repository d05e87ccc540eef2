//! Serving on the sockets that a service manager hands over, as systemd does for a socket unit.
//!
//! The feature `listenfd`; taking them is the transport's.

use msgrpc_transport::Listener;

use crate::server::{HandedOver, Server};

impl Server {
    /// Listens on the sockets of `LISTEN_FDS` as well, those of TCP and of Unix. The feature `listenfd`.
    ///
    /// With a systemd socket unit the sockets are there before the server is: clients wait instead of being refused, the
    /// server may be restarted or be started by its first client, and it needs no privileges for a low port.
    ///
    /// ```text
    /// # calc.socket                        # calc.service
    /// [Socket]                             [Service]
    /// ListenStream=8000                    ExecStart=/usr/bin/calc
    /// ListenStream=/run/calc.sock
    /// ```
    ///
    /// They can be taken once, by [`bind`](Self::bind), which fails when there are none. A server that is also started by
    /// hand asks for the variable first:
    ///
    /// ```no_run
    /// # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
    /// # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
    /// # async fn example() -> Result<(), msgrpc::ServeError> {
    /// let server = msgrpc::Server::new(HelloService::new(Hi));
    /// let server = match std::env::var_os("LISTEN_FDS") {
    ///     Some(_) => server.inherit(),
    ///     None => server.listen("tcp://127.0.0.1:8000"),
    /// };
    /// server.run_until_signal().await?;
    /// # Ok(()) }
    /// ```
    pub fn inherit(mut self) -> Self {
        self.inherit = Some(HandedOver(Listener::inherited));
        self
    }
}
