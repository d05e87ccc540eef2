//! An error and all its causes in one line.

use std::error::Error;
use std::iter;

pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
