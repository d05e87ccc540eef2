//! `msgrpc`: the generated client and service with their defaults.

use anyhow::Result;
use bytes::Bytes;
use msgrpc::Server;

use crate::{peers::Rpc, server::announce};

#[msgrpc::service]
pub trait Echo {
    async fn echo(&self, text: String) -> String;
    async fn echo_bytes(&self, data: Bytes) -> Bytes;
}

struct Echoer;

impl Echo for Echoer {
    async fn echo(&self, text: String) -> String {
        text
    }

    async fn echo_bytes(&self, data: Bytes) -> Bytes {
        data
    }
}

#[derive(Clone)]
pub(super) struct Msgrpc(EchoClient);

impl Rpc for Msgrpc {
    const NAME: &'static str = "msgrpc";

    async fn serve() -> Result<()> {
        let server = Server::new(EchoService::new(Echoer));
        let server = server.listen("tcp://127.0.0.1:0").bind().await?;
        announce(&server.addresses()[0])?;
        Ok(server.run().await?)
    }

    async fn connect(address: &str) -> Result<Self> {
        Ok(Self(EchoClient::connect(address).await?))
    }

    async fn echo(&self, text: String) -> Result<String> {
        Ok(self.0.echo(text).await?)
    }

    async fn echo_bytes(&self, data: Bytes) -> Result<Bytes> {
        Ok(self.0.echo_bytes(data).await?)
    }
}
