//! The checks of a multicast group: every server of it answers, and what each answers.
//!
//! For servers with the six methods, of whichever implementation.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use msgrpc::{GroupError, Reply, Value};

use crate::report::{Checked, Report, cut, expect_error, expect_same};
use crate::service::InteropGroup;
use crate::values;

/// Longer than an answer takes; who waits for all of it waits this long.
const WAIT: Duration = Duration::from_secs(2);

/// Makes all of them. `servers`: how many there are.
pub(crate) async fn check(report: &mut Report, group: InteropGroup, servers: usize) {
    report.check("all servers are found", all_are_found(&group, servers)).await;
    for (name, value) in values::all(values::DATAGRAM) {
        report.check(name, echo(&group, servers, &value)).await;
    }
    report.check("add", add(&group, servers)).await;
    report.check("fail", fail(&group, servers)).await;
    report.check("ten calls at once", at_once(&group, servers)).await;
    report.check("a notification", notification(&group, servers)).await;
    report.check("no answer in time", no_answer(&group)).await;
}

/// Without a number, a call collects what comes within its time.
async fn all_are_found(group: &InteropGroup, servers: usize) -> Checked {
    let begun = Instant::now();
    let replies = group.add(20, 22).wait(WAIT).await.map_err(text)?;
    if begun.elapsed() < WAIT {
        return Err("it did not wait its time".to_owned());
    }
    each(replies, servers, |reply| match reply {
        Ok(42) => Ok(()),
        other => Err(format!("{other:?}")),
    })
}

async fn echo(group: &InteropGroup, servers: usize, value: &Value) -> Checked {
    let replies = group.echo(value.clone()).wait(WAIT).expect(servers).await.map_err(text)?;
    each(replies, servers, |reply| expect_same(reply, value))
}

/// With a number, it ends with the last of them.
async fn add(group: &InteropGroup, servers: usize) -> Checked {
    let begun = Instant::now();
    let replies = group.add(40, 2).wait(WAIT * 10).expect(servers).await.map_err(text)?;
    if begun.elapsed() >= WAIT {
        return Err("it waited although all had answered".to_owned());
    }
    each(replies, servers, |reply| expect_same(reply.map(Value::from), &42.into()))
}

async fn fail(group: &InteropGroup, servers: usize) -> Checked {
    let replies = group.fail("boom".to_owned()).wait(WAIT).expect(servers).await;
    each(replies.map_err(text)?, servers, |reply| expect_error(reply, "boom"))
}

async fn at_once(group: &InteropGroup, servers: usize) -> Checked {
    let calls = (0..10).map(|n| async move {
        let replies = group.add(n, 1000).wait(WAIT).expect(servers).await.map_err(text)?;
        each(replies, servers, |reply| expect_same(reply.map(Value::from), &(n + 1000).into()))
    });
    try_join_all(calls).await.map(drop)
}

async fn notification(group: &InteropGroup, servers: usize) -> Checked {
    for round in 0..5 {
        let note = Value::from(format!("note {round}"));
        group.note(note.clone()).await.map_err(text)?;
        let replies = group.last_note().wait(WAIT).expect(servers).await.map_err(text)?;
        each(replies, servers, |reply| expect_same(reply, &note))?;
    }
    Ok(())
}

/// Late answers are nobody's.
async fn no_answer(group: &InteropGroup) -> Checked {
    match group.sleep(0.4).wait(Duration::from_millis(100)).await {
        Err(GroupError::NoReplies(_)) => Ok(()),
        other => Err(format!("not without replies: {other:?}")),
    }
}

/// As many replies as servers, and each of them good.
fn each<T: Debug, E: Debug>(
    replies: Vec<Reply<T, E>>,
    servers: usize,
    good: impl Fn(Result<T, msgrpc::CallError<E>>) -> Checked,
) -> Checked {
    if replies.len() != servers {
        return Err(cut(format!("{} replies: {replies:?}", replies.len())));
    }
    replies.into_iter().try_for_each(|reply| good(reply.result))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
