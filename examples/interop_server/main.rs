//! A server for peers of other implementations: six methods at an address of any kind, until stdin ends or a signal comes.
//!
//! `interop_server tcp://127.0.0.1:0` prints `READY tcp://127.0.0.1:41873` when it listens, a line for each address.
//! `tests/interop/run` runs it against real peers; whoever has another implementation runs it against theirs.

mod service;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Parser;
use msgrpc::Server;
use msgrpc::tls::ServerTls;

use service::{InteropService, Six};

/// Serves `echo(x)`, `add(a, b)`, `fail(msg)`, `sleep(seconds)`, `note(x)` and `last_note()` until stdin ends.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(default_value = "tcp://127.0.0.1:0")]
    addresses: Vec<String>,
    /// The certificate for `tls://` addresses, in PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let mut server = Server::new(InteropService::new(Six::default()));
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        server = server.tls(ServerTls::from_files(cert, key)?);
    }
    for address in &arguments.addresses {
        server = server.listen(address);
    }
    let server = server.bind().await?;
    let mut stdout = io::stdout().lock();
    for address in server.addresses() {
        writeln!(stdout, "READY {address}")?;
    }
    stdout.flush()?;
    drop(stdout);
    let handle = server.handle();
    // On a thread of its own, which nobody waits for: a read of stdin cannot be given up.
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
        handle.shutdown();
    });
    server.run_until_signal().await?;
    Ok(())
}
