//! `tarpc`: its TCP transport with bincode, set up as its README shows.

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use tarpc::{
    client, context,
    serde_transport::tcp,
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
};

use crate::{
    peers::{MAX_IN_FLIGHT, Rpc},
    server::announce,
};

#[tarpc::service]
trait Echo {
    async fn echo(text: String) -> String;
    async fn echo_bytes(data: Bytes) -> Bytes;
}

#[derive(Clone)]
struct Echoer;

impl Echo for Echoer {
    async fn echo(self, _: context::Context, text: String) -> String {
        text
    }

    async fn echo_bytes(self, _: context::Context, data: Bytes) -> Bytes {
        data
    }
}

#[derive(Clone)]
pub(super) struct Tarpc(EchoClient);

impl Rpc for Tarpc {
    const NAME: &'static str = "tarpc";

    async fn serve() -> Result<()> {
        let mut incoming = tcp::listen("127.0.0.1:0", Bincode::default).await?;
        announce(incoming.local_addr())?;
        while let Some(transport) = incoming.next().await {
            let requests = BaseChannel::with_defaults(transport?).execute(Echoer.serve());
            tokio::spawn(requests.for_each(|request| async {
                tokio::spawn(request);
            }));
        }
        Ok(())
    }

    async fn connect(address: &str) -> Result<Self> {
        let transport = tcp::connect(address, Bincode::default).await?;
        let mut config = client::Config::default();
        config.max_in_flight_requests = MAX_IN_FLIGHT;
        config.pending_request_buffer = MAX_IN_FLIGHT;
        Ok(Self(EchoClient::new(config, transport).spawn()))
    }

    async fn echo(&self, text: String) -> Result<String> {
        Ok(self.0.echo(context::current(), text).await?)
    }

    async fn echo_bytes(&self, data: Bytes) -> Result<Bytes> {
        Ok(self.0.echo_bytes(context::current(), data).await?)
    }
}
