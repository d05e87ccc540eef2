//! `bench`: msgrpc, other RPC crates and raw sockets, measured side by side in one run.
//!
//! Starts itself a second time as `bench serve PEER` for each server, so that client and server
//! are two processes. Linux only: affinity and CPU clocks are read there. See README.md.

mod cpu;
mod load;
mod measure;
mod options;
mod peers;
mod report;
mod server;
mod statistics;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::options::{Command, Options};

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(Command::Serve(serve)) = options.command {
        return server::serve(&serve);
    }
    let mut failed = 0;
    for setting in options.settings() {
        let figures = measure::compare(&options, setting)?;
        print!("{}", report::tables(&figures));
        failed += figures.failures.len();
    }
    ensure!(failed == 0, "{failed} measurements failed");
    Ok(())
}
