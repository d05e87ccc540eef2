//! A client for programs without an async runtime: the same generated stubs, and `wait()` on each call.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use msgrpc::{CallError, Server, blocking};
use serde::{Deserialize, Serialize};

/// A calculator.
#[msgrpc::service]
pub trait Calculator {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Returns `a / b`.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero>;
    /// Prints a line on the server.
    #[msgrpc(notification)]
    async fn log(&self, line: &str);
}

/// A method's own error.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("division by zero")]
#[non_exhaustive]
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The server has a runtime; in earnest it is another program.
    let runtime = tokio::runtime::Runtime::new()?;
    let server = Server::new(CalculatorService::new(Calc)).listen("tcp://127.0.0.1:0");
    let server = runtime.block_on(server.bind())?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = runtime.spawn(server.run_until(stopped));

    // From here on nothing is async.
    let calc = CalculatorClient::new(blocking::Client::connect(&address)?);
    println!("2 + 3 = {}", calc.add(2, 3).wait()?);
    match calc.divide(1, 0).wait() {
        Err(CallError::Method(DivideByZero)) => println!("1 / 0: division by zero"),
        other => println!("1 / 0: {other:?}"),
    }
    calc.log("hello from a program without async").wait()?;
    // Closes the connection, after the notification is sent.
    drop(calc);

    drop(stop);
    runtime.block_on(server)??;
    Ok(())
}
