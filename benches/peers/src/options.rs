//! The command line: what to measure, under which settings, for how long.

use std::{fmt, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::runtime::{Builder, Runtime};

use crate::{
    load::Shape,
    peers::{self, Peer},
};

/// Echo over loopback: msgrpc, other RPC crates and raw sockets in one run, as Markdown tables.
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Both processes on one CPU, or on all of them; one set of tables for each
    #[arg(long, value_delimiter = ',', default_values_t = [Cpu::Pinned, Cpu::Free])]
    cpu: Vec<Cpu>,

    /// tokio's runtime on both sides; one set of tables for each
    #[arg(long, value_delimiter = ',', default_values_t = [Flavor::Multi])]
    runtime: Vec<Flavor>,

    /// Seconds that each figure is measured for in each round
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,

    /// Seconds of load before each measurement
    #[arg(long, default_value_t = 0.2)]
    warm_up: f64,

    /// Rounds; in each, all peers take turns; the medians over the rounds are printed
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,

    /// Peers to measure, comma-separated [default: all that are compiled in]
    #[arg(long, value_delimiter = ',', value_parser = peers::find)]
    only: Vec<&'static Peer>,

    /// Calls in flight on one connection, comma-separated [default: 1,16,64,256,1024 and, with
    /// 32 connections, 8 on each]
    #[arg(long, value_delimiter = ',')]
    in_flight: Vec<usize>,

    /// Echo byte strings of these sizes, 8 in flight unless told, instead of 32-byte texts
    #[arg(long, value_delimiter = ',')]
    payload: Vec<usize>,
}

/// What the program does when it is not comparing.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves one peer until the process that started it ends
    #[command(hide = true)]
    Serve(Serve),
}

/// Arguments of the hidden `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[arg(value_parser = peers::find)]
    pub(crate) peer: &'static Peer,

    #[arg(long)]
    pub(crate) cpu: Cpu,

    #[arg(long)]
    pub(crate) runtime: Flavor,
}

/// Where the two processes may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cpu {
    /// Both on the first CPU: all the work that a call costs
    Pinned,
    /// Wherever the system puts them
    Free,
}

/// Which of tokio's runtimes both sides use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flavor {
    /// The multi-thread runtime with its default number of threads
    Multi,
    /// The current-thread runtime
    Current,
}

/// One combination that gets its own tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) cpu: Cpu,
    pub(crate) runtime: Flavor,
}

impl Options {
    /// Every combination asked for, in the order of printing.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let of_cpu = |&cpu| self.runtime.iter().map(move |&runtime| Setting { cpu, runtime });
        self.cpu.iter().flat_map(of_cpu).collect()
    }

    pub(crate) fn peers(&self) -> Vec<&'static Peer> {
        if self.only.is_empty() { peers::ALL.iter().collect() } else { self.only.clone() }
    }

    /// The columns of the tables.
    pub(crate) fn shapes(&self) -> Vec<Shape> {
        let one = |in_flight, bytes| Shape { connections: 1, in_flight, bytes };
        if !self.payload.is_empty() {
            let depths = if self.in_flight.is_empty() { &[8][..] } else { &self.in_flight };
            let of_depth = |&depth| self.payload.iter().map(move |&size| one(depth, Some(size)));
            return depths.iter().flat_map(of_depth).collect();
        }
        if !self.in_flight.is_empty() {
            return self.in_flight.iter().map(|&depth| one(depth, None)).collect();
        }
        let many = Shape { connections: 32, in_flight: 8, bytes: None };
        [1, 16, 64, 256, 1024].map(|depth| one(depth, None)).into_iter().chain([many]).collect()
    }

    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }
}

impl Flavor {
    /// A new runtime. Its threads inherit the affinity of the thread that calls this.
    pub(crate) fn build(self) -> Result<Runtime> {
        let mut builder = match self {
            Self::Multi => Builder::new_multi_thread(),
            Self::Current => Builder::new_current_thread(),
        };
        builder.enable_all().build().context("cannot start tokio")
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "pinned",
            Self::Free => "free",
        })
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Multi => "multi",
            Self::Current => "current",
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = match self.cpu {
            Cpu::Pinned => "Both sides on one CPU",
            Cpu::Free => "All CPUs free",
        };
        let runtime = match self.runtime {
            Flavor::Multi => "multi-thread runtime",
            Flavor::Current => "current-thread runtime",
        };
        write!(f, "{cpu}, {runtime}")
    }
}
