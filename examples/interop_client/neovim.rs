//! The checks of a Neovim, which answers its own API and calls back.

use futures::future::try_join_all;
use msgrpc::{CallError, Client, Value};

use crate::report::{Checked, Report, expect, expect_error, expect_same};
use crate::values;

/// What its Lua cannot give back.
const LACKS: [(&str, &str); 7] = [
    ("echo integers of every width", "numbers of Lua are floats"),
    ("echo the largest u64", "it refuses integers above the largest i64"),
    ("echo bytes", "it has one type for text and bytes"),
    ("echo maps with integers for keys", "it refuses keys that are no text"),
    ("echo an extension", "it has extensions of its own only, others become nil"),
    ("echo a timestamp", "it has extensions of its own only, others become nil"),
    ("echo 100 levels", "it ends when values are nested so deep"),
];

/// Makes all of them.
pub(crate) async fn check(report: &mut Report, nvim: Client) {
    for (check, reason) in LACKS {
        report.skip(check, reason);
    }
    report.check("nvim_eval", async { expect(eval(&nvim, "1 + 1").await, &2) }).await;
    for (name, value) in values::all(usize::MAX) {
        let echo = async { expect_same(lua(&nvim, "return ...", &value).await, &value) };
        report.check(name, echo).await;
    }
    report.check("integers in a variable", variable(&nvim)).await;
    report.check("fail", fail(&nvim)).await;
    report.check("an unknown method", unknown_method(&nvim)).await;
    report
        .check("a wrong number of arguments", async {
            let answer = nvim.call::<Value>("nvim_eval", ()).await;
            expect_error(answer, "Wrong number of arguments: expecting 1 but got 0")
        })
        .await;
    report.check("a hundred calls at once", at_once(&nvim)).await;
    report.check("a notification", notification(&nvim)).await;
    report.check("a notification that fails", bad_notification(&nvim)).await;
    report.check("buffers are extensions", buffers(&nvim)).await;
    report.check("Neovim calls back within a call", calls_back(&nvim)).await;
    report.check("Neovim notifies back", notifies_back(&nvim)).await;
}

type Answer<T> = Result<T, CallError>;

async fn eval(nvim: &Client, expression: &str) -> Answer<i64> {
    nvim.call("nvim_eval", (expression,)).await
}

async fn lua(nvim: &Client, code: &str, argument: &Value) -> Answer<Value> {
    nvim.call("nvim_exec_lua", (code, [argument])).await
}

/// Its variables have integers of 64 bits.
async fn variable(nvim: &Client) -> Checked {
    let integers = values::integers();
    let set = nvim.call::<()>("nvim_set_var", ("msgrpc_integers", &integers)).await;
    set.map_err(|error| error.to_string())?;
    expect(nvim.call("nvim_get_var", ("msgrpc_integers",)).await, &integers)
}

/// Its errors are pairs of a number and a text, of which people want the text.
async fn fail(nvim: &Client) -> Checked {
    let answer = lua(nvim, "error('boom', 0)", &Value::Nil).await;
    expect_error(answer, "the peer answered with an error: Error executing lua: boom")
}

async fn unknown_method(nvim: &Client) -> Checked {
    let answer = nvim.call::<Value>("nope", ()).await;
    expect_error(answer, "the peer answered with an error: Invalid method: nope")
}

async fn at_once(nvim: &Client) -> Checked {
    let expressions: Vec<_> = (0..100).map(|n| format!("{n} + 1000")).collect();
    let calls = expressions.iter().map(|expression| eval(nvim, expression));
    expect(try_join_all(calls).await, &(1000..1100).collect())
}

async fn notification(nvim: &Client) -> Checked {
    for round in 0..20_i64 {
        let sent = nvim.notify("nvim_set_var", ("msgrpc_note", round)).await;
        sent.map_err(|error| error.to_string())?;
        expect(eval(nvim, "g:msgrpc_note").await, &round)?;
    }
    Ok(())
}

/// It is answered by a notification `nvim_error_event`, which nobody here has.
async fn bad_notification(nvim: &Client) -> Checked {
    nvim.notify("nvim_eval", ("}",)).await.map_err(|error| error.to_string())?;
    expect(eval(nvim, "2 + 2").await, &4)
}

async fn buffers(nvim: &Client) -> Checked {
    let buffer = nvim.call::<Value>("nvim_get_current_buf", ()).await;
    match &buffer {
        Ok(Value::Ext(0, _)) => {}
        other => return Err(format!("{other:?}")),
    }
    let buffer = buffer.unwrap_or_default();
    let line: Answer<Vec<String>> = nvim.call("nvim_buf_get_lines", (buffer, 0, -1, true)).await;
    expect(line, &vec![String::new()])
}

/// Its answer waits for ours.
async fn calls_back(nvim: &Client) -> Checked {
    let code = "return vim.rpcrequest(..., 'add', 2, 3)";
    expect(lua(nvim, code, &channel(nvim).await?).await, &5.into())?;
    let code = "return select(2, pcall(vim.rpcrequest, ..., 'fail', 'our text'))";
    match lua(nvim, code, &channel(nvim).await?).await {
        Ok(shown) if shown.as_str().is_some_and(|shown| shown.contains("our text")) => Ok(()),
        other => Err(format!("Neovim does not show our error: {other:?}")),
    }
}

async fn notifies_back(nvim: &Client) -> Checked {
    let code = "local channel = ...\n\
                vim.rpcnotify(channel, 'note', 'back')\n\
                return vim.rpcrequest(channel, 'last_note')";
    expect(lua(nvim, code, &channel(nvim).await?).await, &"back".into())
}

/// The number of our connection.
async fn channel(nvim: &Client) -> Result<Value, String> {
    let info: Answer<Value> = nvim.call("nvim_get_api_info", ()).await;
    let info = info.map_err(|error| error.to_string())?;
    info.as_array().and_then(|info| info.first().cloned()).ok_or_else(|| "no channel".to_owned())
}
