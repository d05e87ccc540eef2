//! The rounds: every peer under every load, taking turns, and one such measurement.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;
use tokio::time::{sleep, timeout};

use crate::{
    cpu::{self, Affinity},
    load::{Load, Phase, Shape, Tally},
    options::{Options, Setting},
    server::Server,
    statistics::{Figures, Sample},
};

/// How long the calls in flight may take to end once the load has been told to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures all peers under one setting. A measurement that fails does not end the others.
pub(crate) fn compare(options: &Options, setting: Setting) -> Result<Figures> {
    let _affinity = Affinity::set(setting.cpu)?;
    let start = |peer| Server::start(peer, setting);
    let servers = options.peers().into_iter().map(start).collect::<Result<Vec<_>>>()?;
    let names = servers.iter().map(|server| server.peer.name).collect();
    let mut figures = Figures::new(setting, names, options.shapes());

    for round in 1..=options.rounds {
        for (column, &shape) in options.shapes().iter().enumerate() {
            eprintln!("{setting}: round {round} of {}, {shape:?}", options.rounds);
            for (row, server) in servers.iter().enumerate() {
                let sample = measure(options, setting, server, shape);
                if let Err(error) = &sample {
                    eprintln!("{} failed: {error:#}", server.peer.name);
                }
                figures.add(row, column, sample);
            }
        }
    }
    Ok(figures)
}

/// Measures one peer under one load. Each measurement has a client runtime of its own.
fn measure(options: &Options, setting: Setting, server: &Server, shape: Shape) -> Result<Sample> {
    let phase = Arc::new(Phase::default());
    let load = Load { address: server.address.clone(), shape, phase: phase.clone() };
    let runtime = setting.runtime.build()?;
    let sample = runtime.block_on(async {
        let limit = options.warm_up() + options.window() + PATIENCE;
        let watch = async {
            sleep(options.warm_up()).await;
            let before = Reading::take(server.process())?;
            phase.count();
            sleep(options.window()).await;
            phase.stop();
            Ok((before, Reading::take(server.process())?))
        };
        let both = futures::future::try_join((server.peer.load)(load), watch);
        let (tally, (before, after)) = timeout(limit, both).await.context("calls hang")??;
        ensure!(tally.calls > 0, "no call was answered in time");
        Ok(sample(&tally, &before, &after))
    });
    runtime.shutdown_timeout(PATIENCE);
    sample
}

/// The clocks at one moment.
struct Reading {
    time: Instant,
    client: Duration,
    server: Duration,
}

impl Reading {
    fn take(server: Pid) -> Result<Self> {
        let client = cpu::time(Pid::this())?;
        Ok(Self { time: Instant::now(), client, server: cpu::time(server)? })
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 calls and nanoseconds")]
fn sample(tally: &Tally, before: &Reading, after: &Reading) -> Sample {
    let calls = tally.calls as f64;
    let micros_each = |spent: Duration| spent.as_secs_f64() * 1e6 / calls;
    let quantile = |q| tally.latency.as_ref().map(|l| l.value_at_quantile(q) as f64 / 1e3);
    Sample {
        rate: calls / (after.time - before.time).as_secs_f64(),
        client: micros_each(after.client.saturating_sub(before.client)),
        server: micros_each(after.server.saturating_sub(before.server)),
        p50: quantile(0.5),
        p99: quantile(0.99),
    }
}
