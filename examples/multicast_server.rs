//! A member of a multicast group that gives back what it is sent: start several, and ask them with `multicast_client`.
//!
//! Works on one machine as it stands. To hear other machines, name the interface to their network:
//! `multicast_server 'multicast://228.0.0.5:8000?ttl=5&interface=eth0'`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to its user")]

use std::error::Error;
use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use msgrpc::{Server, Value};

/// Gives back what it is sent.
#[msgrpc::service]
pub trait EchoRpc {
    /// Returns `value`, after `delay` seconds if there is a delay.
    async fn echo(&self, value: Value, delay: Option<f64>) -> Value;
}

struct Echo;

impl EchoRpc for Echo {
    async fn echo(&self, value: Value, delay: Option<f64>) -> Value {
        // Any number may come: what is no time counts as none.
        let delay = delay.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        value
    }
}

/// Joins a multicast group and echoes.
#[derive(Parser)]
struct Arguments {
    /// The group, its port, and how to reach it.
    #[arg(default_value = "multicast://228.0.0.5:8000?ttl=5&interface=127.0.0.1")]
    address: String,
    /// Ends after so many seconds. Default: at ctrl-c.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = run(Arguments::parse()).await {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { address, seconds } = arguments;
    let server = Server::new(EchoRpcService::new(Echo)).listen(&address).bind().await?;
    println!("listening at {}", server.addresses()[0]);
    let time_is_up = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => pending().await,
        }
    };
    let stop = async {
        tokio::select! {
            () = time_is_up => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    server.run_until(stop).await?;
    Ok(())
}
