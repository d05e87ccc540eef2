//! The client: asks for π to several numbers of places at once, twice, and checks what comes.

use std::error::Error;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};

use crate::check;
use crate::report;
use crate::service::ComputePiClient;

/// Two rounds of calls over one connection; an error if anything failed or was not π.
pub(crate) async fn run(address: &str, places: &[u32]) -> Result<(), Box<dyn Error>> {
    let pi = ComputePiClient::connect(address).await?;
    let first = round(&pi, places).await;
    let second = round(&pi, places).await;
    println!("\n{:>10} {:>12} {:>12}  check", "places", "first", "second");
    let mut failed = 0;
    for (places, (first, second)) in places.iter().zip(first.iter().zip(&second)) {
        let good = first.good && second.good;
        failed += usize::from(!good);
        let (first, second) = (first.elapsed.as_secs_f64(), second.elapsed.as_secs_f64());
        let verdict = if good { "ok" } else { "FAILED" };
        println!("{places:>10} {first:>10.6} s {second:>10.6} s  {verdict}");
    }
    if failed > 0 {
        return Err(format!("{failed} of {} numbers of places failed", places.len()).into());
    }
    Ok(())
}

#[derive(Clone)]
struct Answer {
    elapsed: Duration,
    good: bool,
}

/// Calls for all numbers of places at once; the answers in the order of `places`.
async fn round(pi: &ComputePiClient, places: &[u32]) -> Vec<Answer> {
    let mut calls: FuturesUnordered<_> =
        places.iter().enumerate().map(|(index, &places)| call(pi, index, places)).collect();
    let mut answers = vec![None; places.len()];
    let progress = progress();
    while !calls.is_empty() {
        let waiting = places.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
        let waiting: Vec<_> = waiting.map(|(places, _)| places.to_string()).collect();
        progress.set_message(format!("{} places", waiting.join(", ")));
        if let Some((index, line, answer)) = calls.next().await {
            progress.suspend(|| println!("{line}"));
            answers[index] = Some(answer);
        }
    }
    progress.finish_and_clear();
    answers.into_iter().flatten().collect()
}

/// One call: its place in the list, the line that tells of it, and its answer.
async fn call(pi: &ComputePiClient, index: usize, places: u32) -> (usize, String, Answer) {
    let start = Instant::now();
    let result = pi.pi(places, Some(SERVER_TIMEOUT.as_secs_f64())).timeout(CALL_TIMEOUT).await;
    let elapsed = start.elapsed();
    let failure = match result {
        Ok(text) => check::pi(places, &text).err().map(|error| report::chain(&error)),
        Err(error) => Some(report::chain(&error)),
    };
    let good = failure.is_none();
    let outcome = failure.map_or_else(
        || format!("finished in {:.6} seconds", elapsed.as_secs_f64()),
        |failure| format!("failed: {failure}"),
    );
    (index, format!("Computation of PI with {places} places {outcome}"), Answer { elapsed, good })
}

/// A line with those still under way. Drawn on standard error, and only if that is a terminal.
fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed_precise} waiting for {msg}");
    let progress = ProgressBar::new_spinner().with_style(style.expect("the template is right"));
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

/// What the server may take for one computation.
const SERVER_TIMEOUT: Duration = Duration::from_secs(600);

/// What a call may take, longer than the server's: its answer says more than ours.
const CALL_TIMEOUT: Duration = Duration::from_secs(900);
