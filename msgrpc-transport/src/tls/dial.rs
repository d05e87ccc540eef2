//! Connecting by TLS: a TCP connection, then a handshake on it.
//!
//! Used by [`dial`](crate::dial()). Addresses are raced as TCP's are; the handshake is the winner's alone.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    TlsError,
    rustls::{ClientConfig, pki_types::ServerName},
    secured::secured,
};
use crate::{Address, ConnectError, DialOptions, HostPort, Stream, dial::within, tcp};

pub(crate) async fn dial(
    address: &Address,
    host: &HostPort,
    options: &DialOptions,
) -> Result<Stream, ConnectError> {
    let failed = |server_name: &str, cause| ConnectError::Tls {
        address: address.clone(),
        server_name: server_name.to_owned(),
        cause,
    };
    let unset =
        |error: TlsError| failed(host.host(), io::Error::new(io::ErrorKind::InvalidInput, error));
    let name = options.tls.name_at(host).map_err(unset)?;
    let config = options.tls.config().await.map_err(unset)?;
    let connected = tcp::connect(address, host, options).await?;
    let handshake = handshake(connected, config, name.clone(), options.handshake_timeout);
    handshake.await.map_err(|cause| failed(&name.to_str(), cause))
}

async fn handshake(
    (socket, peer): (TcpStream, SocketAddr),
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    limit: Option<Duration>,
) -> io::Result<Stream> {
    socket.set_nodelay(true)?;
    match within(limit, TlsConnector::from(config).connect(name, socket)).await {
        Ok(tls) => secured(tls?, peer),
        Err(limit) => {
            let text = format!("it was not done within {limit:?} (handshake_timeout)");
            Err(io::Error::other(text))
        }
    }
}
