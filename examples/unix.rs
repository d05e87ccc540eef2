//! Unix sockets: a path and an abstract name beside TCP, and who is at the other end.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use msgrpc::{Context, Server};

/// Knows its callers.
#[msgrpc::service]
pub trait Doorman {
    /// Who is calling, as the kernel has it.
    async fn whoami(&self, ctx: &Context) -> String;
}

struct Door;

impl Doorman for Door {
    async fn whoami(&self, ctx: &Context) -> String {
        match ctx.peer().credentials() {
            Some(who) => {
                let own = if who.pid() == Some(std::process::id()) { ", which is me" } else { "" };
                format!("user {} of group {}{own}", who.uid(), who.gid())
            }
            None => "somebody on the network".to_owned(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("msgrpc-{}.sock", std::process::id()));
    let mut server = Server::new(DoormanService::new(Door)).listen("tcp://127.0.0.1:0");
    if cfg!(unix) {
        server = server.listen(format!("unix://{}", path.display()));
    }
    if cfg!(target_os = "linux") {
        server = server.listen(format!("unix:@msgrpc-{}", std::process::id()));
    }
    let server = server.bind().await?;
    let addresses = server.addresses();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    for address in addresses {
        let doorman = DoormanClient::connect(&address.to_string()).await?;
        println!("{}: {}", address.scheme(), doorman.whoami().await?);
    }

    drop(stop);
    server.await??;
    println!("the socket's file is gone: {}", !path.exists());
    Ok(())
}
