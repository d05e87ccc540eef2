//! Both ways on one connection: a method of the server calls the client that called it.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use msgrpc::{Client, Context, Server};

/// What the server offers.
#[msgrpc::service]
pub trait Installer {
    /// Installs a package; asks and reports on the way.
    async fn install(&self, ctx: &Context, package: &str) -> bool;
}

/// What the client offers to the server.
#[msgrpc::service]
pub trait Terminal {
    /// Asks the user.
    async fn confirm(&self, question: String) -> bool;
    /// Shows progress. Nothing is sent back.
    #[msgrpc(notification)]
    async fn progress(&self, percent: u8);
}

struct Packages;

impl Installer for Packages {
    async fn install(&self, ctx: &Context, package: &str) -> bool {
        let terminal = TerminalClient::new(ctx.client());
        // A caller that serves nothing answers with a fault, which counts as no.
        if !terminal.confirm(format!("install {package}?")).await.unwrap_or(false) {
            return false;
        }
        for percent in [0, 50, 100] {
            if terminal.progress(percent).await.is_err() {
                return false;
            }
        }
        true
    }
}

struct Screen;

impl Terminal for Screen {
    async fn confirm(&self, question: String) -> bool {
        let yes = question != "install virus?";
        println!("{question} {}", if yes { "yes" } else { "no" });
        yes
    }

    async fn progress(&self, percent: u8) {
        println!("{percent} %");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(InstallerService::new(Packages)).listen("tcp://127.0.0.1:0");
    let server = server.bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    let client = Client::builder(&address).serve(TerminalService::new(Screen)).connect().await?;
    let installer = InstallerClient::new(client);
    for package in ["editor", "virus"] {
        let installed = installer.install(package).await?;
        println!("{package}: {}", if installed { "installed" } else { "not installed" });
    }

    drop(stop);
    server.await??;
    Ok(())
}
