//! The checks of a server that has the six methods, over any transport with one server at the other end.

use std::time::Duration;

use futures::future::{join, join_all, try_join_all};
use msgrpc::{Call, CallError, Client, Value};

use crate::report::{Checked, Report, expect, expect_error, expect_same};
use crate::service::InteropClient;
use crate::values;

/// Makes all of them.
///
/// `largest`: how many bytes a value may have.
pub(crate) async fn check(report: &mut Report, client: Client, largest: usize) {
    let peer = InteropClient::new(client.clone());
    for (name, value) in values::all(largest) {
        let echo = async { expect_same(peer.echo(value.clone()).await, &value) };
        report.check(name, echo).await;
    }
    report.check("add", async { expect(peer.add(40, 2).await, &42) }).await;
    report.check("add negatives", async { expect(peer.add(-70_000, -1).await, &-70_001) }).await;
    report.check("fail", async { expect_error(peer.fail("boom".into()).await, "boom") }).await;
    report.check("typed bytes", typed_bytes(&client)).await;
    report.check("an unknown method", refused(client.call("nope", ()))).await;
    report.check("a wrong number of arguments", refused(client.call("add", (1,)))).await;
    report.check("a hundred calls at once", at_once(&peer, 100)).await;
    report.check("a slow call holds up no other", slow(&peer)).await;
    report.check("a call that times out is forgotten", times_out(&peer)).await;
    report.check("a notification", notification(&peer)).await;
    report.check("no arguments", async { peer.last_note().await.map(drop).map_err(text) }).await;
}

/// Also from a peer that gives bytes back in a str.
async fn typed_bytes(client: &Client) -> Checked {
    let bytes: Vec<u8> = (0..=255).collect();
    expect(client.call("echo", (Value::from(bytes.as_slice()),)).await, &bytes)
}

/// The server answers with an error, whichever it is.
async fn refused(call: Call<Value>) -> Checked {
    match call.await {
        Err(CallError::Remote(_) | CallError::Fault(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(value) => Err(format!("no error, but {value:?}")),
    }
}

/// Every call gets its own answer.
async fn at_once(peer: &InteropClient, calls: i64) -> Checked {
    let answers = try_join_all((0..calls).map(|n| peer.add(n, 1000))).await.map_err(text)?;
    expect(Ok::<_, String>(answers), &(1000..1000 + calls).collect())
}

/// Answers come in the order in which they are ready.
async fn slow(peer: &InteropClient) -> Checked {
    let slow = peer.sleep(0.5);
    let quick = async {
        let answers = join_all((0..10).map(|n| peer.add(n, n))).await;
        (answers.into_iter().all(|answer| answer.is_ok()), tokio::time::Instant::now())
    };
    let slow = async { (slow.await, tokio::time::Instant::now()) };
    let ((answer, late), (good, early)) = join(slow, quick).await;
    expect(answer, &0.5)?;
    match good && early < late {
        true => Ok(()),
        false => Err("the quick ones failed or were answered last".to_owned()),
    }
}

/// The late answer is nobody's, and what comes after it is whole.
async fn times_out(peer: &InteropClient) -> Checked {
    let answer = peer.sleep(0.4).timeout(Duration::from_millis(100)).await;
    if !matches!(answer, Err(CallError::TimedOut(_))) {
        return Err(format!("not timed out: {answer:?}"));
    }
    // Answered after the late one.
    expect(peer.sleep(0.4).await, &0.4)?;
    expect(peer.add(1, 2).await, &3)
}

async fn notification(peer: &InteropClient) -> Checked {
    for round in 0..20 {
        let note = Value::from(format!("note {round}"));
        peer.note(note.clone()).await.map_err(text)?;
        expect(peer.last_note().await, &note)?;
    }
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
