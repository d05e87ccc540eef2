//! Which CPU a process runs on, and how much CPU time it has used.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::clock_getcpuclockid,
    unistd::Pid,
};

use crate::options::Cpu;

/// This thread's affinity, and that of all threads it starts from now on. Dropping it brings the
/// earlier one back.
pub(crate) struct Affinity(CpuSet);

impl Affinity {
    pub(crate) fn set(cpu: Cpu) -> Result<Self> {
        let this_thread = Pid::from_raw(0);
        let before = sched_getaffinity(this_thread).context("cannot read the CPU affinity")?;
        if cpu == Cpu::Pinned {
            sched_setaffinity(this_thread, &first_of(&before)?).context("cannot pin to one CPU")?;
        }
        Ok(Self(before))
    }
}

impl Drop for Affinity {
    fn drop(&mut self) {
        // The set was this thread's a moment ago; were it refused now, the next `set` would say so.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

/// CPU time used so far by all threads of a process, user and system, to the nanosecond.
pub(crate) fn time(process: Pid) -> Result<Duration> {
    let clock = clock_getcpuclockid(process).context("the process has no CPU clock")?;
    Ok(clock.now().context("cannot read the CPU clock")?.into())
}

fn first_of(allowed: &CpuSet) -> Result<CpuSet> {
    let mut first = CpuSet::new();
    let is_allowed = |&cpu: &usize| allowed.is_set(cpu).unwrap_or(false);
    let cpu = (0..CpuSet::count()).find(is_allowed).context("no CPU is allowed")?;
    first.set(cpu)?;
    Ok(first)
}
