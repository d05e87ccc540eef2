//! A calculator over TCP: the trait, the server and the client of the README, in one process.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]
#![expect(clippy::exhaustive_structs, reason = "a program, not a library")]

use msgrpc::{CallError, Server};
use serde::{Deserialize, Serialize};

/// A calculator.
#[msgrpc::service]
pub trait Calculator {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Returns `a / b`.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero>;
    /// Prints a line on the server. Nothing is sent back.
    #[msgrpc(notification)]
    async fn log(&self, line: &str);
}

/// A method's own error travels as it serializes and arrives typed.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("division by zero")]
pub struct DivideByZero;

struct Calc;

impl Calculator for Calc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero> {
        a.checked_div(b).ok_or(DivideByZero)
    }

    async fn log(&self, line: &str) {
        println!("server: {line}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Port 0 picks a free one; a server of yours has an address like tcp://127.0.0.1:8000.
    let server =
        Server::new(CalculatorService::new(Calc)).listen("tcp://127.0.0.1:0").bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    let calc = CalculatorClient::connect(&address).await?;
    let (five, forty_two) = tokio::try_join!(calc.add(2, 3), calc.add(40, 2))?;
    println!("2 + 3 = {five}, 40 + 2 = {forty_two}");
    match calc.divide(1, 0).await {
        Err(CallError::Method(DivideByZero)) => println!("1 / 0: division by zero"),
        other => println!("1 / 0: {other:?}"),
    }
    calc.log("hello from the client").await?;
    // An answer to a later request shows that the notification has been run.
    calc.add(0, 0).await?;

    drop(stop);
    println!("server stopped: {:?}", server.await??);
    Ok(())
}
