//! What is wrong with the text of an address, in which part of it, and what to write instead.
//!
//! Made by the parser only. The text of the error is bounded and escaped, so that it can go to a log as it is.

use std::{convert::Infallible, fmt};

/// The text is not an address.
///
/// Its text names the part, says what was expected, and shows a good address:
/// `bad port in "tcp://localhost:80000": expected a number from 0 to 65535; a good address: tcp://127.0.0.1:8000`.
/// At most the first 80 characters of the input are shown, escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct AddressError {
    part: AddressPart,
    suggestion: String,
    /// Written once when the error is made: the input itself may be long and is not kept.
    text: String,
}

impl AddressError {
    pub(super) fn new(input: &str, wrong: Wrong, suggestion: String) -> Self {
        let Wrong { problem, part, found, expected, .. } = wrong;
        let found = found.map(|found| format!(" {}", quoted(&found))).unwrap_or_default();
        let input = quoted(input);
        let text = format!(
            "{problem} {part}{found} in {input}: expected {expected}; a good address: {suggestion}"
        );
        Self { part, suggestion, text }
    }

    /// The part of the address that is wrong or missing.
    pub fn part(&self) -> AddressPart {
        self.part
    }

    /// A good address, made from the input where that was possible. Always parses.
    pub fn suggestion(&self) -> &str {
        &self.suggestion
    }
}

/// An [`Address`](super::Address) is an address already, so that functions can take
/// `impl TryInto<Address, Error: Into<AddressError>>`.
impl From<Infallible> for AddressError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressPart {
    /// `tcp` in `tcp://localhost:8000`
    Scheme,
    /// `localhost` in `tcp://localhost:8000`
    Host,
    /// `8000` in `tcp://localhost:8000`
    Port,
    /// What follows the port where nothing may.
    End,
    /// `/run/app.sock` in `unix:///run/app.sock`
    Path,
    /// `app` in `unix:@app` and `memory://app`
    Name,
    /// `239.1.2.3` in `multicast://239.1.2.3:9000`
    Group,
    /// `5` in `multicast://239.1.2.3:9000?ttl=5`
    Ttl,
    /// `eth0` in `multicast://239.1.2.3:9000?interface=eth0`
    Interface,
    /// `true` in `multicast://239.1.2.3:9000?loop=true`
    Loop,
    /// The name of a parameter.
    Parameter,
    /// White space around the address.
    WhiteSpace,
}

impl fmt::Display for AddressPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Port => "port",
            Self::End => "end",
            Self::Path => "path",
            Self::Name => "name",
            Self::Group => "group",
            Self::Ttl => "ttl",
            Self::Interface => "interface",
            Self::Loop => "loop",
            Self::Parameter => "parameter",
            Self::WhiteSpace => "white space",
        })
    }
}

/// What the parser found, before it has become an [`AddressError`].
#[derive(Debug)]
pub(super) struct Wrong {
    /// `bad`, `missing`, `unknown` …
    problem: &'static str,
    part: AddressPart,
    /// The offending word, where it is not plain from the input.
    found: Option<String>,
    expected: String,
    /// Corrections of the input, best first; the first that parses is suggested.
    pub(super) fixes: Vec<String>,
    /// Suggested where no correction parses.
    pub(super) example: &'static str,
}

impl Wrong {
    pub(super) fn new(problem: &'static str, part: AddressPart, expected: &str) -> Self {
        let (expected, fixes) = (expected.to_owned(), Vec::new());
        Self { problem, part, found: None, expected, fixes, example: "tcp://127.0.0.1:8000" }
    }

    pub(super) fn found(mut self, found: &str) -> Self {
        self.found = Some(found.to_owned());
        self
    }

    /// Adds `(did you mean …?)` where one of `known` is near `found`, and returns that one.
    pub(super) fn did_you_mean<'k>(&mut self, found: &str, known: &[&'k str]) -> Option<&'k str> {
        let near = known.iter().copied().find(|known| is_near(found, known))?;
        self.expected = format!("{} (did you mean {near}?)", self.expected);
        Some(near)
    }

    pub(super) fn fix(mut self, fix: String) -> Self {
        self.fixes.push(fix);
        self
    }

    pub(super) fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }
}

/// `text` in quotes, escaped, at most 80 of its characters.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// Whether `found` becomes `known` by one or two slips of the finger.
fn is_near(found: &str, known: &str) -> bool {
    // A long word is near none of ours; the bound keeps this cheap for hostile input.
    if found.is_empty() || found.len() > known.len() + 2 {
        return false;
    }
    let found: Vec<char> = found.to_lowercase().chars().collect();
    let known: Vec<char> = known.chars().collect();
    let mut above: Vec<usize> = (0..=known.len()).collect();
    for (row, letter) in found.iter().enumerate() {
        let mut here = vec![row + 1];
        for (column, other) in known.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            here.push(replaced.min(above[column + 1] + 1).min(here[column] + 1));
        }
        above = here;
    }
    // Two slips in a word of three letters would make nearly every word near.
    above[known.len()] <= if known.len() > 4 || is_swap(&found, &known) { 2 } else { 1 }
}

/// Whether two neighbours changed places, as in `tpc`: two slips by the count, one by the hand.
fn is_swap(found: &[char], known: &[char]) -> bool {
    let (mut found, mut known) = (found.to_vec(), known.to_vec());
    found.sort_unstable();
    known.sort_unstable();
    found == known
}

/// How much of the input an error shows: enough for every address that is meant as one.
const SHOWN_CHARS: usize = 80;
