//! `msgpack-rpc`: the crate of that name, on the same wire, set up as its examples show.

use std::future::{Ready, ready};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use msgpack_rpc::{Client, Service, Value, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::{peers::Rpc, server::announce};

#[derive(Clone)]
struct Echoer;

impl Service for Echoer {
    type RequestFuture = Ready<Result<Value, Value>>;

    fn handle_request(&mut self, _: &str, params: &[Value]) -> Self::RequestFuture {
        ready(params.first().cloned().ok_or_else(|| "nothing to echo".into()))
    }

    fn handle_notification(&mut self, _: &str, _: &[Value]) {}
}

#[derive(Clone)]
pub(super) struct MsgpackRpc(Client);

impl MsgpackRpc {
    async fn call(&self, method: &str, argument: Value) -> Result<Value> {
        self.0.request(method, &[argument]).await.map_err(|error| anyhow!("{error}"))
    }
}

impl Rpc for MsgpackRpc {
    const NAME: &'static str = "msgpack-rpc";

    async fn serve() -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream.compat(), Echoer));
        }
    }

    async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(Client::new(stream.compat())))
    }

    async fn echo(&self, text: String) -> Result<String> {
        let answer = self.call("echo", text.into()).await?;
        Ok(answer.as_str().context("no text came back")?.to_owned())
    }

    async fn echo_bytes(&self, data: Bytes) -> Result<Bytes> {
        match self.call("echo_bytes", data.to_vec().into()).await? {
            Value::Binary(data) => Ok(data.into()),
            answer => Err(anyhow!("no bytes came back but {answer}")),
        }
    }
}
