//! A client for peers of other implementations: calls the six methods of `interop_server` and says what came of it.
//!
//! `interop_client tcp://127.0.0.1:8000` calls whoever serves there, `--neovim` a Neovim by its API. Without an address it
//! calls a server of its own. A line for each check, then the sum; the exit status is 0 if nothing failed.

mod group;
mod methods;
mod neovim;
mod report;
#[path = "../interop_server/service.rs"]
mod service;
mod values;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use msgrpc::tls::ClientTls;
use msgrpc::{Client, Pool, Server};

use methods::Way;
use report::Report;
use service::{InteropGroup, InteropService, Six};

/// Calls `echo(x)`, `add(a, b)`, `fail(msg)`, `sleep(seconds)`, `note(x)` and `last_note()` of a server.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the server listens. Default: a server of this program.
    address: Option<String>,
    /// The server is a Neovim, which answers its API.
    #[arg(long)]
    neovim: bool,
    /// The authority of the server's certificate, in PEM, for a `tls://` address.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Leaves a check out.
    #[arg(long, value_name = "CHECK=REASON", value_parser = pair)]
    skip: Vec<(String, String)>,
    /// How many servers a multicast group has.
    #[arg(long, default_value_t = 1)]
    servers: usize,
    /// Calls through a pool of so many connections.
    #[arg(long, value_name = "CONNECTIONS")]
    pool: Option<usize>,
    /// Each of them with one call at a time.
    #[arg(long, requires = "pool")]
    isolated: bool,
    /// Calls that may wait for an answer at once.
    #[arg(long)]
    max_in_flight: Option<usize>,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = Arguments::parse();
    let mut report = Report::new(std::mem::take(&mut arguments.skip).into_iter().collect());
    if let Some(address) = &arguments.address {
        check(&mut report, &arguments, address).await?;
        return Ok(report.finish());
    }
    let server = Server::new(InteropService::new(Six::default())).listen("tcp://127.0.0.1:0");
    let server = server.bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));
    check(&mut report, &arguments, &address).await?;
    drop(stop);
    server.await??;
    Ok(report.finish())
}

async fn check(
    report: &mut Report,
    arguments: &Arguments,
    address: &str,
) -> Result<(), Box<dyn Error>> {
    if address.starts_with("multicast:") {
        group::check(report, InteropGroup::join(address).await?, arguments.servers).await;
        return Ok(());
    }
    if let Some(connections) = arguments.pool {
        let pool = Pool::builder(address).max_size(connections).isolated(arguments.isolated);
        let way = Way { largest: usize::MAX, ordered: false };
        methods::check(report, pool.build().await?, way).await;
        return Ok(());
    }
    let mut builder = Client::builder(address).timeout(Duration::from_secs(20));
    if let Some(calls) = arguments.max_in_flight {
        builder = builder.max_in_flight(calls);
    }
    if let Some(ca) = &arguments.ca {
        builder = builder.tls(ClientTls::from_ca_file(ca)?);
    }
    if arguments.neovim {
        // Neovim calls back.
        let builder = builder.serve(InteropService::new(Six::default()));
        neovim::check(report, builder.connect().await?).await;
    } else {
        let largest = if address.starts_with("udp:") { values::DATAGRAM } else { usize::MAX };
        let way = Way { largest, ordered: true };
        methods::check(report, builder.connect().await?, way).await;
    }
    Ok(())
}

/// `CHECK=REASON`
fn pair(text: &str) -> Result<(String, String), String> {
    let (check, reason) = text.split_once('=').ok_or("expected CHECK=REASON")?;
    Ok((check.to_owned(), reason.to_owned()))
}
