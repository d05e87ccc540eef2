//! The Rust of `docs/FROM_TXMSGPACKRPC.md`, word for word; a test compares them.
#![expect(clippy::print_stdout, reason = "as its readers would")]

use std::time::Duration;

use msgrpc::{Client, Pool, Reconnect, Reply, Server, Value};

const PAGE: &str = include_str!("../docs/FROM_TXMSGPACKRPC.md");
const HERE: &str = include_str!("from_txmsgpackrpc.rs");

/// Gives back what it gets.
#[msgrpc::service]
pub trait Echo {
    /// Returns `value`, after `delay` seconds.
    async fn echo(&self, value: Value, delay: Option<f64>) -> Value;
    /// Prints a line. Nothing is sent back.
    #[msgrpc(notification)]
    async fn log(&self, line: &str);
}

struct EchoRpc;

impl Echo for EchoRpc {
    async fn echo(&self, value: Value, delay: Option<f64>) -> Value {
        if let Some(seconds) = delay {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        value
    }

    async fn log(&self, line: &str) {
        println!("{line}");
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

/// As the page has it; the ports are those of the page, so it is compiled only.
#[expect(dead_code, reason = "it is compiled only")]
async fn server() -> Done {
    Server::new(EchoService::new(EchoRpc))
        .listen("tcp://127.0.0.1:8000")
        .listen("udp://127.0.0.1:8000")
        .run_until(tokio::signal::ctrl_c())
        .await?;
    Ok(())
}

/// The same.
#[expect(dead_code, reason = "it is compiled only")]
async fn client() -> Result<Value, Box<dyn std::error::Error>> {
    let client = Client::builder("tcp://localhost:8000")
        .connect_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_secs(900))
        .reconnect(Reconnect::tries(5))
        .connect()
        .await?;
    let echo = EchoClient::new(client.clone());
    let value = echo.echo("hello".into(), Some(0.5)).await?;
    echo.log("done").await?;
    client.close().await;
    Ok(value)
}

/// The same.
#[expect(dead_code, reason = "it is compiled only")]
async fn pool_and_group(data: Value) -> Result<Value, Box<dyn std::error::Error>> {
    let pool = Pool::builder("tcp://localhost:8000").max_size(8).isolated(true).build().await?;
    let value = EchoClient::new(pool).echo("hello".into(), None).await?;

    let everyone = EchoGroup::join("multicast://228.0.0.5:8000?ttl=5").await?;
    let replies = everyone.echo(data, None).wait(Duration::from_secs(5)).await?;
    println!("Received results from {} peers", replies.len());
    for Reply { from, elapsed, result } in replies {
        println!("{from} after {elapsed:?}: {}", result?);
    }
    Ok(value)
}

/// Calls by names.
async fn untyped(client: &Client) -> Result<String, Box<dyn std::error::Error>> {
    let value: String = client.call("echo", ("hello", 0.5)).await?;
    client.notify("log", ("done",)).await?;
    Ok(value)
}

#[tokio::test(start_paused = true)]
async fn calls_by_name_reach_the_server_of_the_page() {
    let server = Server::new(EchoService::new(EchoRpc)).listen("memory://from-txmsgpackrpc");
    tokio::spawn(server.bind().await.expect("it listens").run());
    let client = Client::connect("memory://from-txmsgpackrpc").await.expect("it is there");
    assert_eq!(untyped(&client).await.expect("it answers"), "hello");
}

/// Every block marked `rust` on the page is a piece of this file, at whatever indentation.
#[test]
fn every_snippet_of_the_page_is_compiled_here() {
    let mut blocks = 0;
    for block in PAGE.split("```rust\n").skip(1) {
        let (block, _) = block.split_once("\n```").expect("a block that is not closed");
        let stands_here = ["", "    "].iter().any(|indent| {
            let indented = block.lines().map(|line| match line {
                "" => "\n".to_owned(),
                line => format!("{indent}{line}\n"),
            });
            HERE.contains(&indented.collect::<String>())
        });
        assert!(stands_here, "not in tests/from_txmsgpackrpc.rs:\n{block}");
        blocks += 1;
    }
    assert!(blocks >= 5, "{blocks} blocks");
}
