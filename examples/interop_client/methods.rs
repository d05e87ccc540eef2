//! The checks of a server that has the six methods, over any transport with one server at the other end: through one
//! connection, or a pool.

use std::time::Duration;

use futures::future::{join, join_all, try_join_all};
use msgrpc::{CallError, Caller, Value};

use crate::report::{Checked, Report, expect, expect_error, expect_same};
use crate::service::InteropClient;
use crate::values;

/// What no server has so, or gives back as another type.
#[msgrpc::service]
trait Other {
    /// There is no such method.
    async fn nope(&self);
    /// An argument is missing.
    async fn add(&self, a: i64) -> Value;
    /// Bytes, also from a peer that gives them back in a str.
    async fn echo(&self, bytes: &[u8]) -> Vec<u8>;
}

/// How the calls travel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// How many bytes a value may have.
    pub(crate) largest: usize,
    /// Whether a call arrives after a notification that was sent before it.
    pub(crate) ordered: bool,
}

/// Makes all of them.
pub(crate) async fn check<C: Caller>(report: &mut Report, caller: C, way: Way) {
    let peer = InteropClient::new(caller.clone());
    let other = OtherClient::new(caller);
    for (name, value) in values::all(way.largest) {
        let echo = async { expect_same(peer.echo(value.clone()).await, &value) };
        report.check(name, echo).await;
    }
    let bytes: Vec<u8> = (0..=255).collect();
    report.check("typed bytes", async { expect(other.echo(&bytes).await, &bytes) }).await;
    report.check("add", async { expect(peer.add(40, 2).await, &42) }).await;
    report.check("add negatives", async { expect(peer.add(-70_000, -1).await, &-70_001) }).await;
    report.check("fail", async { expect_error(peer.fail("boom".into()).await, "boom") }).await;
    report.check("an unknown method", async { refused(other.nope().await) }).await;
    report.check("a wrong number of arguments", async { refused(other.add(1).await) }).await;
    report.check("a hundred calls at once", at_once(&peer, 100)).await;
    report.check("a slow call holds up no other", slow(&peer)).await;
    report.check("a call that times out is forgotten", times_out(&peer)).await;
    report.check("a notification", notification(&peer, way.ordered)).await;
    report.check("no arguments", async { peer.last_note().await.map(drop).map_err(text) }).await;
}

/// The server answers with an error, whichever it is.
fn refused<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Checked {
    match answer {
        Err(CallError::Remote(_) | CallError::Fault(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(value) => Err(format!("no error, but {value:?}")),
    }
}

/// Every call gets its own answer.
async fn at_once(peer: &InteropClient<impl Caller>, calls: i64) -> Checked {
    let answers = try_join_all((0..calls).map(|n| peer.add(n, 1000))).await.map_err(text)?;
    expect(Ok::<_, String>(answers), &(1000..1000 + calls).collect())
}

/// Answers come in the order in which they are ready.
async fn slow(peer: &InteropClient<impl Caller>) -> Checked {
    let slow = peer.sleep(0.5);
    let quick = async {
        let answers = join_all((0..10).map(|n| peer.add(n, n))).await;
        (answers.into_iter().all(|answer| answer.is_ok()), tokio::time::Instant::now())
    };
    let slow = async { (slow.await, tokio::time::Instant::now()) };
    let ((answer, late), (good, early)) = join(slow, quick).await;
    expect(answer, &0.5)?;
    if good && early < late {
        return Ok(());
    }
    Err("the quick ones failed or were answered last".to_owned())
}

/// The late answer is nobody's, and what comes after it is whole.
async fn times_out(peer: &InteropClient<impl Caller>) -> Checked {
    let answer = peer.sleep(0.4).timeout(Duration::from_millis(100)).await;
    if !matches!(answer, Err(CallError::TimedOut(_))) {
        return Err(format!("not timed out: {answer:?}"));
    }
    // Answered after the late one.
    expect(peer.sleep(0.4).await, &0.4)?;
    expect(peer.add(1, 2).await, &3)
}

async fn notification(peer: &InteropClient<impl Caller>, ordered: bool) -> Checked {
    for round in 0..20 {
        let note = Value::from(format!("note {round}"));
        peer.note(note.clone()).await.map_err(text)?;
        let mut last = peer.last_note().await;
        // Several connections have no order among them.
        for _ in 0..100 {
            if ordered || last.as_ref().is_ok_and(|last| *last == note) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            last = peer.last_note().await;
        }
        expect(last, &note)?;
    }
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
