//! The figures as Markdown tables.

use std::fmt::Write;

use crate::{
    load::{Shape, TEXT},
    statistics::{Figures, Sample},
};

/// The peer that the others are compared with.
const SUBJECT: &str = "msgrpc";

/// All tables of one setting.
pub(crate) fn tables(figures: &Figures) -> String {
    let mut text = format!("## {}\n\n", figures.setting);
    speed(&mut text, figures);
    cpu(&mut text, figures);
    latency(&mut text, figures);
    failures(&mut text, figures);
    text
}

/// Calls per second, or bytes where payloads were asked for, and [`SUBJECT`] against each peer.
fn speed(text: &mut String, figures: &Figures) {
    if figures.shapes.iter().any(|shape| shape.bytes.is_some()) {
        title(text, "MB/s one way, echo of byte strings");
        rows(text, figures, |row, column| {
            let size = to_f64(figures.shapes[column].size());
            cell(figures.median(row, column, |s| Some(s.rate)), |rate| rate * size / 1e6)
        });
    } else {
        title(text, &format!("Thousand calls per second, echo of {TEXT} bytes"));
        rows(text, figures, |row, column| {
            cell(figures.median(row, column, |s| Some(s.rate)), |rate| rate / 1e3)
        });
    }
    ratios(text, figures);
    text.push('\n');
}

fn ratios(text: &mut String, figures: &Figures) {
    let Some(subject) = figures.peers.iter().position(|&name| name == SUBJECT) else {
        return;
    };
    for (other, name) in figures.peers.iter().enumerate().filter(|&(row, _)| row != subject) {
        let ratio = |column| cell(figures.ratio(subject, other, column), |ratio| ratio) + " ×";
        line(text, &format!("{SUBJECT} / {name}"), (0..figures.shapes.len()).map(ratio));
    }
}

fn cpu(text: &mut String, figures: &Figures) {
    title(text, "CPU µs per call, client + server");
    rows(text, figures, |row, column| {
        let of = |figure: fn(&Sample) -> f64| {
            cell(figures.median(row, column, |s| Some(figure(s))), |micros| micros)
        };
        format!("{} + {}", of(|s| s.client), of(|s| s.server))
    });
    text.push('\n');
}

/// Only where one call was in flight.
fn latency(text: &mut String, figures: &Figures) {
    for column in (0..figures.shapes.len()).filter(|&c| figures.shapes[c].is_alone()) {
        title(text, &format!("Latency in µs, {}", heading(figures.shapes[column])));
        text.push_str("| | p50 | p99 |\n|---|---|---|\n");
        for (row, name) in figures.peers.iter().enumerate() {
            let of = |figure: fn(&Sample) -> Option<f64>| {
                cell(figures.median(row, column, figure), |micros| micros)
            };
            line(text, name, [of(|s| s.p50), of(|s| s.p99)].into_iter());
        }
        text.push('\n');
    }
}

/// The medians above are without these.
fn failures(text: &mut String, figures: &Figures) {
    if figures.failures.is_empty() {
        return;
    }
    title(text, "Measurements that failed");
    for (row, column, reason) in &figures.failures {
        let (name, shape) = (figures.peers[*row], figures.shapes[*column]);
        let _ = writeln!(text, "- {name}, {}: {reason}", heading(shape));
    }
    text.push('\n');
}

/// A table's head and one row for each peer.
fn rows(text: &mut String, figures: &Figures, cell: impl Fn(usize, usize) -> String) {
    line(text, "", figures.shapes.iter().map(|&shape| heading(shape)));
    let _ = writeln!(text, "|---{}|", "|---".repeat(figures.shapes.len()));
    for (row, name) in figures.peers.iter().enumerate() {
        line(text, name, (0..figures.shapes.len()).map(|column| cell(row, column)));
    }
}

fn line(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let _ = write!(text, "| {name} |");
    for cell in cells {
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
}

fn title(text: &mut String, title: &str) {
    let _ = writeln!(text, "{title}:\n");
}

fn heading(shape: Shape) -> String {
    let depth = match shape {
        Shape { connections: 1, in_flight, .. } => format!("{in_flight} in flight"),
        Shape { connections, in_flight, .. } => format!("{connections} connections × {in_flight}"),
    };
    match shape.bytes {
        Some(bytes) => format!("{}, {depth}", size(bytes)),
        None => depth,
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        _ if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes > 0 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

/// A number with about three digits that say something, or a dash.
fn cell(value: Option<f64>, scale: impl Fn(f64) -> f64) -> String {
    match value.map(scale) {
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) if value >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
        None => "–".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a payload is far below 2^52 bytes")]
fn to_f64(size: usize) -> f64 {
    size as f64
}
