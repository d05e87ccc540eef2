//! Calls by name, for servers whose methods are known only at run time: types or dynamic values.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::future::ready;

use msgrpc::{
    CallError, Client, Outcome, OutcomeFuture, Request, Server, Service, ServiceDescriptor,
};
use msgrpc::{Style, Value};

/// Answers any method with its name and its arguments, as a service written by hand.
struct Parrot;

impl Service for Parrot {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        const PARROT: ServiceDescriptor = ServiceDescriptor::new("Parrot", &[]);
        &PARROT
    }

    fn call(&self, request: Request) -> OutcomeFuture {
        let outcome = match request.arguments::<Value>() {
            Ok(arguments) if request.method() != "fail" => {
                Outcome::result(&(request.method(), arguments), Style::Named)
            }
            Ok(_) => Outcome::error("told to fail", Style::Named),
            Err(fault) => fault.into(),
        };
        Box::pin(ready(outcome))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(Parrot).listen("tcp://127.0.0.1:0").bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    let client = Client::connect(&address).await?;
    // Types on both sides …
    let (method, (a, b)): (String, (i64, String)) = client.call("greet", (1, "two")).await?;
    println!("{method} of {a} and {b}");
    // … or values of any shape.
    let arguments = Value::Array(vec![Value::from(1.5), Value::Nil, Value::from("text")]);
    let value: Value = client.call("anything", arguments).await?;
    println!("{value}");
    // An error that is no type of ours is kept whole.
    match client.call::<Value>("fail", ()).await {
        Err(CallError::Remote(error)) => println!("fail: {error}"),
        other => println!("fail: {other:?}"),
    }
    client.notify("noted", ("nothing comes back",)).await?;
    client.close().await;

    drop(stop);
    server.await??;
    Ok(())
}
