//! The context: who calls, and how work that a method has spawned learns that nobody waits any more.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::Duration;

use msgrpc::{CallError, Context, Server};
use tokio::sync::mpsc;

/// Works for its callers.
#[msgrpc::service]
pub trait Worker {
    /// The caller's address. The context is no argument on the wire.
    async fn whoami(&self, ctx: &Context) -> String;
    /// Works for an hour, on a task of its own.
    async fn work(&self, ctx: &Context);
}

struct Diligent {
    reports: mpsc::Sender<&'static str>,
}

impl Worker for Diligent {
    async fn whoami(&self, ctx: &Context) -> String {
        format!("{} at {}", ctx.peer(), ctx.local())
    }

    async fn work(&self, ctx: &Context) {
        // A method is dropped when its caller's connection is gone; a task of its own is not.
        let (ctx, reports) = (ctx.clone(), self.reports.clone());
        let task = tokio::spawn(async move {
            let report = tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(3600)) => "the work is done",
                () = ctx.cancelled() => "the caller is gone: the work was ended",
            };
            reports.send(report).await
        });
        drop(task.await);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (reports, mut reported) = mpsc::channel(1);
    let mut limits = msgrpc::Limits::server();
    // A client that closes without waiting for its answers is given up at once.
    limits.half_close_grace = Duration::ZERO;
    let server = Server::new(WorkerService::new(Diligent { reports })).limits(limits);
    let server = server.listen("tcp://127.0.0.1:0").bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    let worker = WorkerClient::connect(&address).await?;
    let me = worker.whoami().await?;
    println!("I am at a port of 127.0.0.1: {}", me.starts_with("127.0.0.1:"));
    match worker.work().timeout(Duration::from_millis(50)).await {
        Err(CallError::TimedOut(late)) => println!("no answer within {:?}", late.after()),
        other => println!("{other:?}"),
    }
    drop(worker);
    println!("{}", reported.recv().await.unwrap_or("nothing was reported"));

    drop(stop);
    server.await??;
    Ok(())
}
