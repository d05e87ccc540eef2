//! The samples of all rounds, and their medians.

use anyhow::Result;

use crate::{load::Shape, options::Setting};

/// What one measurement found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Calls per second.
    pub(crate) rate: f64,
    /// CPU time of the client's process for each call, in microseconds.
    pub(crate) client: f64,
    /// CPU time of the server's process for each call, in microseconds.
    pub(crate) server: f64,
    /// Median time of a call in microseconds, if one was in flight.
    pub(crate) p50: Option<f64>,
    /// Time within which 99 of 100 calls were answered, likewise.
    pub(crate) p99: Option<f64>,
}

/// All samples of one setting.
pub(crate) struct Figures {
    pub(crate) setting: Setting,
    /// The rows.
    pub(crate) peers: Vec<&'static str>,
    /// The columns.
    pub(crate) shapes: Vec<Shape>,
    /// By row and column, one sample for each round; `None` where the measurement failed.
    samples: Vec<Vec<Vec<Option<Sample>>>>,
    /// What went wrong: row, column and reason of each measurement that failed.
    pub(crate) failures: Vec<(usize, usize, String)>,
}

impl Figures {
    pub(crate) fn new(setting: Setting, peers: Vec<&'static str>, shapes: Vec<Shape>) -> Self {
        let samples = vec![vec![Vec::new(); shapes.len()]; peers.len()];
        Self { setting, peers, shapes, samples, failures: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: usize, column: usize, sample: Result<Sample>) {
        if let Err(error) = &sample {
            self.failures.push((row, column, format!("{error:#}")));
        }
        self.samples[row][column].push(sample.ok());
    }

    /// The median of one figure over the rounds that did not fail; `None` where there is none.
    pub(crate) fn median(
        &self,
        row: usize,
        column: usize,
        figure: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<f64> {
        median(self.samples[row][column].iter().flatten().filter_map(figure))
    }

    /// How much faster `row` is than `other`: the median of the ratios in each round, so that a
    /// machine that slows down between rounds does not count.
    pub(crate) fn ratio(&self, row: usize, other: usize, column: usize) -> Option<f64> {
        let pairs = self.samples[row][column].iter().zip(&self.samples[other][column]);
        median(pairs.filter_map(|(mine, theirs)| Some(mine.as_ref()?.rate / theirs.as_ref()?.rate)))
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_is_the_middle_or_the_mean_of_the_two() {
        assert_eq!(median([].into_iter()), None);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
    }
}
