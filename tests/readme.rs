//! The Rust of README.md, word for word: what is printed there stands here, and is run.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "examples, and their tests")]
#![expect(unreachable_pub, dead_code, reason = "as a user would write it in a crate of their own")]

use std::time::Duration;

use msgrpc::{CallError, Client, Fault, FaultCode, Server};

const README: &str = include_str!("../README.md");
const HERE: &str = include_str!("readme.rs");

mod first {
    use msgrpc::{CallError, Server};
    use serde::{Deserialize, Serialize};

    /// A calculator.
    #[msgrpc::service]
    pub trait Calculator {
        /// Returns `a + b`.
        async fn add(&self, a: i64, b: i64) -> i64;
        /// Returns `a / b`.
        async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero>;
    }

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
    }

    #[tokio::main]
    async fn main() -> Result<(), Box<dyn std::error::Error>> {
        // The server. Port 0 takes a free one.
        let server =
            Server::new(CalculatorService::new(Calc)).listen("tcp://127.0.0.1:0").bind().await?;
        let address = server.addresses()[0].to_string();
        tokio::spawn(server.run());

        // The client: one connection, any number of calls at once.
        let calc = CalculatorClient::connect(&address).await?;
        let (five, forty_two) = tokio::try_join!(calc.add(2, 3), calc.add(40, 2))?;
        println!("2 + 3 = {five}, 40 + 2 = {forty_two}");
        match calc.divide(1, 0).await {
            Err(CallError::Method(DivideByZero)) => println!("1 / 0: division by zero"),
            other => println!("1 / 0: {other:?}"),
        }
        Ok(())
    }

    #[test]
    fn the_first_program_runs() {
        main().unwrap();
    }

    pub(super) fn service() -> impl msgrpc::Service {
        CalculatorService::new(Calc)
    }

    mod group {
        use std::time::Duration;

        use msgrpc::{Group, Reply, Server};

        use super::{Calc, CalculatorGroup, CalculatorService};

        async fn ask() -> Result<CalculatorGroup, Box<dyn std::error::Error>> {
            let address = "multicast://239.77.0.1:9000?interface=127.0.0.1";
            for _ in 0..5 {
                let server = Server::new(CalculatorService::new(Calc)).listen(address);
                tokio::spawn(server.bind().await?.run());
            }

            let everyone = CalculatorGroup::join(address).await?;
            let replies = everyone.add(2, 3).wait(Duration::from_secs(1)).await?;
            println!("Received results from {} peers", replies.len());
            for Reply { from, elapsed, result } in replies {
                match result {
                    Ok(sum) => println!("{from} after {elapsed:?}: {sum}"),
                    Err(error) => println!("{from} after {elapsed:?}: {error}"),
                }
            }
            Ok(everyone)
        }

        async fn variants(everyone: &CalculatorGroup) -> Result<(), msgrpc::GroupError> {
            // Ends as soon as three have answered.
            let three = everyone.add(2, 3).expect(3).await?;
            // If fewer than five answer in time: an error, which has those that came.
            let five = everyone.add(2, 3).expect(5).at_least(5).await?;
            // If nobody answers: an empty list instead of an error.
            let perhaps = everyone.add(2, 3).wait(Duration::from_millis(100)).at_least(0).await?;

            // Each as it comes.
            let mut replies = everyone.add(2, 3).expect(5).stream();
            while let Some(reply) = replies.next().await {
                println!("{} after {:?}", reply.from, reply.elapsed);
            }
            replies.finish()?;
            assert_eq!((three.len(), five.len(), perhaps.is_empty()), (3, 5, false));
            Ok(())
        }

        async fn settings(address: &str) -> Result<CalculatorGroup, msgrpc::GroupError> {
            let group = Group::builder(address)
                .wait(Duration::from_millis(500))
                .accept_from("192.168.1.0/24")
                .join()
                .await?;
            let everyone = CalculatorGroup::new(group);
            Ok(everyone)
        }

        #[tokio::test]
        async fn five_servers_answer() {
            let everyone = ask().await.unwrap();
            variants(&everyone).await.unwrap();
            settings("multicast://239.77.0.1:9000?interface=127.0.0.1").await.unwrap();
        }
    }
}

use first::{CalculatorClient, DivideByZero};

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn serve(service: impl msgrpc::Service) -> Outcome {
    Server::new(service)
        .listen("tcp://127.0.0.1:8000")
        .listen("tcp://[::1]:8000")
        .run_until(tokio::signal::ctrl_c())
        .await?;
    Ok(())
}

async fn errors(calc: &CalculatorClient) -> Outcome {
    match calc.divide(1, 0).await {
        Ok(quotient) => println!("{quotient}"),
        // The method's own error, as the server's implementation returned it.
        Err(CallError::Method(DivideByZero)) => println!("division by zero"),
        // The framework's: unknown method, wrong arguments, overloaded, shutting down …
        Err(CallError::Fault(fault)) => println!("{fault}"),
        // No byte of the request can have reached the server: safe to repeat.
        Err(error) if !error.was_sent() => println!("not executed: {error}"),
        // Timed out, connection closed … perhaps executed, perhaps not.
        Err(error) => println!("{error}"),
    }
    Ok(())
}

async fn untyped(address: &str) -> Outcome {
    let client = Client::connect(address).await?;
    let sum: i64 = client.call("add", (40, 2)).await?;
    let value: msgrpc::Value = client.call("add", vec![1, 2]).await?;
    println!("{sum}, {value}");
    client.notify("log", ("nothing comes back",)).await?;
    Ok(())
}

async fn timeouts(address: &str) -> Outcome {
    let client = Client::builder(address)
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(10))
        .connect()
        .await?;
    let calc = CalculatorClient::new(client);

    let sum = calc.add(2, 3).timeout(Duration::from_millis(500)).await?;
    let patient = calc.add(2, 3).timeout(None).await?;
    println!("{sum}, {patient}");
    Ok(())
}

async fn limits(service: impl msgrpc::Service) -> Result<msgrpc::BoundServer, msgrpc::ServeError> {
    let mut limits = msgrpc::Limits::server();
    limits.message_bytes = 64 << 20;
    limits.requests_at_work = 64;
    let server = Server::new(service).limits(limits).listen("memory://calculator").bind().await?;
    Ok(server)
}

mod notifications {
    use std::sync::Mutex;

    #[msgrpc::service]
    pub trait Journal {
        /// Appends a line. Nothing is sent back.
        #[msgrpc(notification)]
        async fn log(&self, line: &str);
        /// Returns the last line.
        async fn last(&self) -> String;
    }

    #[derive(Default)]
    struct Lines(Mutex<String>);

    impl Journal for Lines {
        async fn log(&self, line: &str) {
            line.clone_into(&mut self.0.lock().unwrap());
        }

        async fn last(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    async fn use_it(journal: &JournalClient) -> Result<(), msgrpc::CallError> {
        journal.log("one").await?;
        journal.log("two").await?;
        assert_eq!(journal.last().await?, "two");
        Ok(())
    }

    #[tokio::test]
    async fn notifications_run_in_order_of_arrival() {
        let address = super::start(JournalService::new(Lines::default())).await;
        use_it(&JournalClient::connect(&address).await.unwrap()).await.unwrap();
    }
}

mod both_ways {
    use msgrpc::{CallError, Client, Context};

    /// Served by the server.
    #[msgrpc::service]
    pub trait Build {
        async fn build(&self, ctx: &Context, target: String) -> bool;
    }

    /// Served by the client.
    #[msgrpc::service]
    pub trait Progress {
        async fn report(&self, percent: u8);
    }

    struct Builder;

    impl Build for Builder {
        async fn build(&self, ctx: &Context, _target: String) -> bool {
            let progress = ProgressClient::new(ctx.client());
            progress.report(50).await.is_ok()
        }
    }

    struct Bar;

    impl Progress for Bar {
        async fn report(&self, percent: u8) {
            println!("{percent} %");
        }
    }

    async fn client(address: &str) -> Result<(), Box<dyn std::error::Error>> {
        let client = Client::builder(address).serve(ProgressService::new(Bar)).connect().await?;
        let done = BuildClient::new(client).build("all".to_owned()).await?;
        assert!(done);
        Ok(())
    }

    #[tokio::test]
    async fn the_server_calls_its_caller() {
        let address = super::start(BuildService::new(Builder)).await;
        client(&address).await.unwrap();
        let silent = BuildClient::connect(&address).await.unwrap();
        let built: Result<bool, CallError> = silent.build("all".to_owned()).await;
        assert!(!built.unwrap(), "a client that serves nothing cannot be called");
    }
}

/// Serves on a free port until the test ends.
async fn start(service: impl msgrpc::Service) -> String {
    let server = Server::new(service).listen("tcp://127.0.0.1:0").bind().await.unwrap();
    let address = server.addresses()[0].to_string();
    tokio::spawn(server.run());
    address
}

#[tokio::test]
async fn the_snippets_run() {
    let address = start(first::service()).await;
    errors(&CalculatorClient::connect(&address).await.unwrap()).await.unwrap();
    untyped(&address).await.unwrap();
    timeouts(&address).await.unwrap();
    let server = limits(first::service()).await.unwrap();
    assert_eq!(server.addresses()[0].to_string(), "memory://calculator");
}

#[tokio::test]
async fn the_errors_read_as_printed() {
    let address = start(first::service()).await;
    let client = Client::connect(&address).await.unwrap();
    let wrong = client.call::<i64>("add", (1, 2, 3)).await.unwrap_err();
    let misspelt = client.call::<i64>("ad", (1, 2)).await.unwrap_err();
    assert!(README.contains(&wrong.to_string()), "{wrong}");
    assert!(README.contains(&misspelt.to_string()), "{misspelt}");
    let CallError::Fault(fault) = misspelt else { panic!("{misspelt}") };
    assert_eq!(fault.code(), FaultCode::UnknownMethod);
    let _: Fault = fault;
}

/// Every block marked `rust` in the README is a piece of this file, at whatever indentation.
#[test]
fn every_snippet_of_the_readme_is_compiled_here() {
    let mut blocks = 0;
    for block in README.split("```rust\n").skip(1) {
        let (block, _) = block.split_once("\n```").expect("a block that is not closed");
        let stands_here = ["", "    ", "        ", "            "].iter().any(|indent| {
            let indented = block.lines().map(|line| match line {
                "" => "\n".to_owned(),
                line => format!("{indent}{line}\n"),
            });
            HERE.contains(&indented.collect::<String>())
        });
        assert!(stands_here, "not in tests/readme.rs:\n{block}");
        blocks += 1;
    }
    assert!(blocks >= 8, "{blocks} blocks");
}
