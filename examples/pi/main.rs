//! π over RPC: a server that computes it, and a client that asks for six numbers of places at once.
//!
//! `cargo run --release --example pi` runs both in one process; `--serve tcp://127.0.0.1:8000` and
//! `--connect tcp://127.0.0.1:8000` run them apart.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to its user")]

mod check;
mod chudnovsky;
mod client;
mod decimal;
mod newton;
mod parallel;
mod product;
mod report;
mod server;
mod service;

use std::process::ExitCode;

use clap::Parser;

/// Computes π to many places on one side and asks for it from the other.
#[derive(Parser)]
struct Arguments {
    /// Only serve, on this address, until ctrl-c.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["connect", "places"])]
    serve: Option<String>,
    /// Only ask, at this address.
    #[arg(long, value_name = "ADDRESS")]
    connect: Option<String>,
    /// How many places to ask for.
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    #[arg(default_values_t = [5, 100, 1000, 10_000, 100_000, 1_000_000])]
    places: Vec<u32>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { serve, connect, places } = Arguments::parse();
    let outcome = match (serve, connect) {
        (Some(address), _) => server::run(&address).await,
        (None, Some(address)) => client::run(&address, &places).await,
        (None, None) => server::run_with_client(&places).await,
    };
    if let Err(error) = outcome {
        eprintln!("error: {}", report::chain(error.as_ref()));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
