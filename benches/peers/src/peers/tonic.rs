//! `tonic`: gRPC over HTTP/2 with prost, set up as its guide shows.

use anyhow::Result;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};

use self::generated::{
    echo_client::EchoClient,
    echo_server::{Echo, EchoServer},
};
use crate::{peers::Rpc, server::announce};

#[expect(unused_qualifications, clippy::pedantic, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/bench.Echo.rs"));
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Octets {
    #[prost(bytes = "bytes", tag = "1")]
    octets: Bytes,
}

/// Largest message, as the other peers accept them.
const MESSAGE: usize = 8 << 20;

struct Echoer;

#[tonic::async_trait]
impl Echo for Echoer {
    async fn echo(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn echo_bytes(&self, request: Request<Octets>) -> Result<Response<Octets>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

#[derive(Clone)]
pub(super) struct Tonic(EchoClient<Channel>);

impl Rpc for Tonic {
    const NAME: &'static str = "tonic";

    async fn serve() -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?)?;
        let service = EchoServer::new(Echoer).max_decoding_message_size(MESSAGE);
        let incoming = TcpListenerStream::new(listener);
        Ok(Server::builder()
            .tcp_nodelay(true)
            .add_service(service)
            .serve_with_incoming(incoming)
            .await?)
    }

    async fn connect(address: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let client = EchoClient::new(endpoint.connect().await?);
        Ok(Self(client.max_decoding_message_size(MESSAGE)))
    }

    async fn echo(&self, text: String) -> Result<String> {
        Ok(self.0.clone().echo(Text { text }).await?.into_inner().text)
    }

    async fn echo_bytes(&self, octets: Bytes) -> Result<Bytes> {
        Ok(self.0.clone().echo_bytes(Octets { octets }).await?.into_inner().octets)
    }
}
