//! The second process: `bench serve PEER`, and the handle that its parent holds.

use std::{
    fmt::Display,
    io::{BufRead, BufReader, Write, stdout},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::Pid,
};

use crate::{
    cpu::Affinity,
    options::{Serve, Setting},
    peers::Peer,
};

/// In the child: serves until the parent ends or kills this process.
pub(crate) fn serve(serve: &Serve) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to its parent")?;
    let _affinity = Affinity::set(serve.cpu)?;
    serve.runtime.build()?.block_on((serve.peer.serve)())
}

/// In the child: tells the parent where to connect.
pub(crate) fn announce(address: impl Display) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{address}")?;
    out.flush().context("cannot print the address")
}

/// In the parent: a running server. Dropping it ends the process.
pub(crate) struct Server {
    pub(crate) peer: &'static Peer,
    pub(crate) address: Arc<str>,
    child: Child,
}

impl Server {
    /// Starts the server and waits until it has printed its address.
    pub(crate) fn start(peer: &'static Peer, setting: Setting) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .args(["serve", peer.name])
            .args(["--cpu", &setting.cpu.to_string()])
            .args(["--runtime", &setting.runtime.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the server of {}", peer.name))?;
        let out = child.stdout.take();
        let mut server = Self { peer, address: "".into(), child };
        let mut line = String::new();
        BufReader::new(out.context("the server has no output")?).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the server of {} ended at once", peer.name);
        server.address = line.trim().into();
        Ok(server)
    }

    pub(crate) fn process(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only when the process has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
