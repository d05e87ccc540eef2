//! Calls of every kind, typed and untyped, over TCP.

use std::time::Duration;

use msgrpc::{CallError, Client, Context, Server};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, PartialEq, thiserror::Error)]
#[error("division by zero")]
pub struct DivideByZero;

#[msgrpc::service]
pub trait Calculator {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Returns `a / b`.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero>;
    /// Waits.
    async fn sleep(&self, ms: u64) -> u64;
    async fn whoami(&self, ctx: &Context) -> String;
    async fn greet(&self, name: &str, greeting: Option<String>) -> String;
    #[msgrpc(blocking)]
    fn checksum(&self, data: &[u8]) -> u32;
    #[msgrpc(notification)]
    async fn log(&self, line: &str);
    async fn last(&self) -> String;
}

#[derive(Default)]
struct Calc {
    last: std::sync::Mutex<String>,
}

impl Calculator for Calc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero> {
        a.checked_div(b).ok_or(DivideByZero)
    }
    async fn sleep(&self, ms: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }
    async fn whoami(&self, ctx: &Context) -> String {
        ctx.peer().to_string()
    }
    async fn greet(&self, name: &str, greeting: Option<String>) -> String {
        format!("{}, {name}", greeting.as_deref().unwrap_or("hello"))
    }
    fn checksum(&self, data: &[u8]) -> u32 {
        data.iter().map(|b| u32::from(*b)).sum()
    }
    async fn log(&self, line: &str) {
        *self.last.lock().unwrap() = line.to_owned();
    }
    async fn last(&self) -> String {
        self.last.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn smoke() {
    let server = Server::new(CalculatorService::new(Calc::default()))
        .listen("tcp://127.0.0.1:0")
        .bind()
        .await
        .unwrap();
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));
    let calc = CalculatorClient::connect(&address).await.unwrap();
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
    let (a, b) = tokio::try_join!(calc.add(2, 3), calc.add(40, 2)).unwrap();
    assert_eq!((a, b), (5, 42));
    assert!(matches!(calc.divide(1, 0).await, Err(CallError::Method(DivideByZero))));
    assert_eq!(calc.sleep(10).await.unwrap(), 10);
    println!("{}", calc.whoami().await.unwrap());
    assert_eq!(calc.greet("you", None).await.unwrap(), "hello, you");
    assert_eq!(calc.greet("you", Some("bye".into())).await.unwrap(), "bye, you");
    assert_eq!(calc.checksum(&[1, 2, 3]).await.unwrap(), 6);
    calc.log("x").await.unwrap();
    assert_eq!(calc.last().await.unwrap(), "x");
    let raw = Client::connect(&address).await.unwrap();
    let sum: i64 = raw.call("add", (1, 2)).await.unwrap();
    assert_eq!(sum, 3);
    for (m, p) in [
        ("nope", msgrpc::Value::Array(vec![])),
        ("add", msgrpc::Value::Array(vec!["x".into(), 1.into()])),
        ("add", msgrpc::Value::Array(vec![1.into()])),
    ] {
        let error = raw.call::<i64>(m, p).await.unwrap_err();
        println!("{error}");
    }
    let all = futures::future::join_all((0..1000).map(|n| calc.add(n, 1))).await;
    for (n, r) in all.into_iter().enumerate() {
        assert_eq!(r.unwrap(), n as i64 + 1);
    }
    stop.send(()).unwrap();
    println!("{:?}", server.await.unwrap());
}
