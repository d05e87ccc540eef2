//! The mock caller and the pair, as tests of others use them.
#![cfg(feature = "testing")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use msgrpc::testing::{MockCaller, TestServer, pair};
use msgrpc::{CallError, Client, Fault, FaultCode, Server, Value};
use serde::{Deserialize, Serialize};

/// What is mocked, and served.
#[msgrpc::service]
pub trait Calculator {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Returns `a / b`.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero>;
    /// Greets.
    async fn greet(&self, name: &str, greeting: Option<&str>) -> String;
    /// Notes a line.
    #[msgrpc(notification)]
    async fn log(&self, line: &str);
}

/// An error of a method's own.
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

    async fn greet(&self, name: &str, greeting: Option<&str>) -> String {
        format!("{} {name}", greeting.unwrap_or("hello"))
    }

    async fn log(&self, _line: &str) {}
}

fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
    *panic.downcast::<String>().expect("with a text")
}

#[tokio::test]
async fn answers_come_as_scripted() {
    let mock = MockCaller::new();
    mock.expect("add", (2, 3)).answer(&5);
    mock.expect("divide", (1, 0)).fail(&DivideByZero);
    mock.expect("add", (0, 0)).fault(&Fault::new(FaultCode::Overloaded, "later"));
    mock.expect("add", (0, 1)).time_out();
    mock.expect("add", (0, 2)).close();
    mock.expect("add", (0, 3)).refuse();
    mock.expect("log", ("line",)).notified();
    mock.expect_any("add").times(2).answer(&9);

    let calc = CalculatorClient::new(mock.clone());
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
    assert!(matches!(calc.divide(1, 0).await, Err(CallError::Method(DivideByZero))));
    match calc.add(0, 0).await {
        Err(CallError::Fault(fault)) => assert_eq!(fault.code(), FaultCode::Overloaded),
        other => panic!("{other:?}"),
    }
    let late = calc.add(0, 1).timeout(Duration::from_secs(600)).await.unwrap_err();
    assert_eq!(late.to_string(), "the mock has not answered `add` within 600s");
    let closed = calc.add(0, 2).await.unwrap_err();
    assert!(matches!(closed, CallError::Closed(_)) && closed.was_sent());
    let refused = calc.add(0, 3).await.unwrap_err();
    assert!(matches!(refused, CallError::NotConnected(_)) && !refused.was_sent());
    calc.log("line").await.unwrap();
    assert_eq!(calc.add(7, 7).await.unwrap() + calc.add(8, 8).await.unwrap(), 18);
    mock.verify();

    let calls = mock.calls();
    assert_eq!(calls.len(), 9);
    assert_eq!((calls[0].method(), calls[0].params()), ("add", &[2.into(), 3.into()][..]));
    assert!(calls[6].is_notification());
    assert_eq!(calls[6].params(), [Value::from("line")]);
}

#[tokio::test]
async fn optional_arguments_may_be_left_out_of_what_is_expected() {
    let mock = MockCaller::new();
    mock.expect("greet", ("you",)).answer("hello you");
    mock.expect("greet", ("you", None::<&str>)).answer("hello again");
    let calc = CalculatorClient::new(mock.clone());
    assert_eq!(calc.greet("you", None).await.unwrap(), "hello you");
    assert_eq!(calc.greet("you", None).await.unwrap(), "hello again");
    mock.verify();
}

#[tokio::test]
async fn what_was_not_called_is_listed_in_the_end() {
    let mock = MockCaller::new();
    mock.expect("add", (1, 2)).answer(&3);
    mock.expect("greet", ("you", "bye")).answer("bye you");
    mock.expect_any("divide").answer(&1);
    mock.expect("log", ("line",)).notified();
    CalculatorClient::new(mock.clone()).add(1, 2).await.unwrap();
    let expected = "the mock was not called as expected:\
        \n  not called: greet(\"you\", \"bye\")\
        \n  not called: divide(…)\
        \n  not called: log(\"line\") as a notification\
        \ncalls that were made:\
        \n  add(1, 2)";
    assert_eq!(panic_of(|| mock.verify()), expected);
    mock.verify();
}

#[tokio::test]
async fn a_mock_that_is_dropped_before_all_was_called_panics() {
    let mock = MockCaller::new();
    mock.expect("add", (1, 2)).answer(&3);
    let expected = "the mock was not called as expected:\
        \n  not called: add(1, 2)\
        \ncalls that were made: none";
    assert_eq!(panic_of(|| drop(mock)), expected);
}

#[tokio::test]
async fn an_unexpected_call_is_a_fault_and_is_told_in_the_end() {
    let mock = MockCaller::new();
    mock.expect("divide", (1, 1)).answer(&1);
    let calc = CalculatorClient::new(mock.clone());
    assert_eq!(
        calc.add(1, 2).await.unwrap_err().to_string(),
        "[-32603] the mock was called with `add(1, 2)`, when `divide(1, 1)` was expected"
    );
    calc.divide(1, 1).await.unwrap();
    calc.log("unasked").await.unwrap();
    let expected = "the mock was not called as expected:\
        \n  unexpected: add(1, 2), when `divide(1, 1)` was expected\
        \n  unexpected: log(\"unasked\") as a notification, when nothing more was expected\
        \ncalls that were made:\
        \n  add(1, 2)\
        \n  divide(1, 1)\
        \n  log(\"unasked\") as a notification";
    assert_eq!(panic_of(|| mock.verify()), expected);
}

#[tokio::test]
async fn order_counts_unless_it_is_said_not_to() {
    let mock = MockCaller::new();
    mock.expect("add", (1, 1)).answer(&2);
    mock.expect("add", (2, 2)).answer(&4);
    let calc = CalculatorClient::new(mock.clone());
    assert!(matches!(calc.add(2, 2).await, Err(CallError::Fault(_))));
    panic_of(|| mock.verify());

    let mock = MockCaller::new().in_any_order();
    mock.expect("add", (1, 1)).answer(&2);
    mock.expect("add", (2, 2)).answer(&4);
    let calc = CalculatorClient::new(mock.clone());
    assert_eq!(calc.add(2, 2).await.unwrap(), 4);
    assert_eq!(calc.add(1, 1).await.unwrap(), 2);
    mock.verify();
}

#[tokio::test]
async fn a_pair_is_a_client_and_a_server_in_memory() {
    let (client, server) = pair(CalculatorService::new(Calc)).await;
    let calc = CalculatorClient::new(client);
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
    assert!(matches!(calc.divide(1, 0).await, Err(CallError::Method(DivideByZero))));
    let second = CalculatorClient::new(server.client().await);
    assert_eq!(second.greet("you", None).await.unwrap(), "hello you");
    assert_eq!(server.stop().await.aborted, 0);
    assert!(matches!(calc.add(1, 1).await, Err(CallError::Closed(_))));
}

#[tokio::test]
async fn a_test_server_has_settings_of_its_own_and_ends_with_its_handle() {
    let mut limits = msgrpc::Limits::server();
    limits.message_bytes = 100;
    let server = Server::new(CalculatorService::new(Calc)).limits(limits);
    let server = TestServer::start(server).await.unwrap();
    let calc = CalculatorClient::new(server.client().await);
    assert_eq!(calc.add(1, 1).await.unwrap(), 2);
    assert!(calc.greet(&"x".repeat(200), None).await.is_err());
    let address = server.address().to_string();
    drop(server);
    tokio::time::sleep(Duration::from_millis(50)).await;
    Client::connect(&address).await.expect_err("nobody listens any more");
}
