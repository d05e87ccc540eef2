//! `jsonrpsee`: JSON-RPC over a WebSocket, set up as its examples show.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
    server::{ServerBuilder, ServerConfig},
    ws_client::{WsClient, WsClientBuilder},
};

use crate::{
    peers::{MAX_IN_FLIGHT, Rpc},
    server::announce,
};

#[rpc(client, server)]
trait Echo {
    #[method(name = "echo")]
    async fn echo(&self, text: String) -> RpcResult<String>;
    #[method(name = "echo_bytes")]
    async fn echo_bytes(&self, data: Vec<u8>) -> RpcResult<Vec<u8>>;
}

/// Largest message: a payload of 1 MiB is up to four times as large as a list of numbers.
const MESSAGE: u32 = 16 << 20;

struct Echoer;

#[async_trait]
impl EchoServer for Echoer {
    async fn echo(&self, text: String) -> RpcResult<String> {
        Ok(text)
    }

    async fn echo_bytes(&self, data: Vec<u8>) -> RpcResult<Vec<u8>> {
        Ok(data)
    }
}

#[derive(Clone)]
pub(super) struct Jsonrpsee(Arc<WsClient>);

impl Rpc for Jsonrpsee {
    const NAME: &'static str = "jsonrpsee";

    async fn serve() -> Result<()> {
        let config = ServerConfig::builder()
            .max_request_body_size(MESSAGE)
            .max_response_body_size(MESSAGE)
            .build();
        let server = ServerBuilder::with_config(config).build("127.0.0.1:0").await?;
        announce(server.local_addr()?)?;
        server.start(Echoer.into_rpc()).stopped().await;
        Ok(())
    }

    async fn connect(address: &str) -> Result<Self> {
        let builder = WsClientBuilder::default()
            .max_concurrent_requests(MAX_IN_FLIGHT)
            .max_request_size(MESSAGE)
            .max_response_size(MESSAGE);
        Ok(Self(Arc::new(builder.build(format!("ws://{address}")).await?)))
    }

    async fn echo(&self, text: String) -> Result<String> {
        Ok(EchoClient::echo(&*self.0, text).await?)
    }

    async fn echo_bytes(&self, data: Bytes) -> Result<Bytes> {
        Ok(EchoClient::echo_bytes(&*self.0, data.to_vec()).await?.into())
    }
}
