//! Asks all members of a multicast group, such as five times `multicast_server`, and compares what they give back.
//!
//! Works on one machine as it stands. To ask other machines, name the interface to their network:
//! `multicast_client 'multicast://228.0.0.5:8000?ttl=5&interface=eth0'`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to its user")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use msgrpc::{Group, Reply};
use serde::{Deserialize, Serialize};

/// What the members serve, as this side sees it: they take any value.
#[msgrpc::service]
pub trait EchoRpc {
    /// Returns `value`, after `delay` seconds if there is a delay.
    async fn echo(&self, value: &Person, delay: Option<f64>) -> Person;
}

/// A record with all that a record may have: nested ones, a list, nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    first_name: String,
    last_name: String,
    is_alive: bool,
    age: u8,
    #[serde(rename = "height_cm")]
    height: f64,
    address: Address,
    phone_numbers: Vec<Phone>,
    children: Vec<Self>,
    spouse: Option<Box<Self>>,
}

/// Where somebody lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    #[serde(rename = "streetAddress")]
    street: String,
    city: String,
    state: String,
    postal_code: String,
}

/// How to reach somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phone {
    #[serde(rename = "type")]
    kind: String,
    number: String,
}

/// Asks a multicast group.
#[derive(Parser)]
struct Arguments {
    /// The group, its port, and how to reach it.
    #[arg(default_value = "multicast://228.0.0.5:8000?ttl=5&interface=127.0.0.1")]
    address: String,
    /// Collects replies for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    wait: f64,
    /// Ends as soon as so many have answered.
    #[arg(long, value_name = "MEMBERS")]
    expect: Option<usize>,
    /// Lets each member wait for so many seconds.
    #[arg(long, value_name = "SECONDS")]
    delay: Option<f64>,
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
    let Arguments { address, wait, expect, delay } = arguments;
    let wait = Duration::try_from_secs_f64(wait)?;
    let everyone = EchoRpcGroup::new(Group::builder(&address).wait(wait).join().await?);

    let person = john();
    let mut call = everyone.echo(&person, delay);
    if let Some(members) = expect {
        call = call.expect(members);
    }
    let replies = call.await?;

    println!("Received results from {} peers", replies.len());
    for Reply { from, elapsed, result } in replies {
        match result {
            Ok(echoed) if echoed == person => println!("{from}: the same, after {elapsed:?}"),
            Ok(other) => println!("{from}: another one, after {elapsed:?}: {other:?}"),
            Err(error) => println!("{from}: no result, after {elapsed:?}: {error}"),
        }
    }
    Ok(())
}

fn john() -> Person {
    let phone = |kind: &str, number: &str| Phone { kind: kind.into(), number: number.into() };
    Person {
        first_name: "John".into(),
        last_name: "Smith".into(),
        is_alive: true,
        age: 25,
        height: 167.6,
        address: Address {
            street: "21 2nd Street".into(),
            city: "New York".into(),
            state: "NY".into(),
            postal_code: "10021-3100".into(),
        },
        phone_numbers: vec![phone("home", "212 555-1234"), phone("office", "646 555-4567")],
        children: Vec::new(),
        spouse: None,
    }
}
