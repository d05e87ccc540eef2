//! The server: alone until ctrl-c, or for as long as a client of the same process needs it.

use std::error::Error;

use msgrpc::Server;
use tokio::sync::oneshot;

use crate::client;
use crate::service::{ComputePiService, Pi};

/// Serves on `address` until ctrl-c.
pub(crate) async fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let server = Server::new(ComputePiService::new(Pi::default())).listen(address).bind().await?;
    for address in server.addresses() {
        println!("listening on {address}");
    }
    server.run_until(tokio::signal::ctrl_c()).await?;
    Ok(())
}

/// Serves a client that runs beside it and talks to it over TCP.
pub(crate) async fn run_with_client(places: &[u32]) -> Result<(), Box<dyn Error>> {
    let server = Server::new(ComputePiService::new(Pi::default()));
    let server = server.listen("tcp://127.0.0.1:0").bind().await?;
    let address = server.addresses().first().ok_or("the server has no address")?.to_string();
    let (done, stop) = oneshot::channel::<()>();
    let client = async {
        let outcome = client::run(&address, places).await;
        drop(done);
        outcome
    };
    let (served, asked) = tokio::join!(server.run_until(stop), client);
    served?;
    asked
}
