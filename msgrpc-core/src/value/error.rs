//! What went wrong with a value, in words for the person who reads a log.
//!
//! Used by all of `value/`. Never shows more than [`TEXT_BYTES`] of text, however much the peer sent.

use std::fmt;

/// Why a value could not be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError(Box<str>);

/// Why bytes could not be decoded: where in the value, what was expected, what was found.
///
/// `address.street: invalid type: integer 5, expected a string`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Box<str>);

impl EncodeError {
    #[cold]
    pub(super) fn new(text: &dyn fmt::Display) -> Self {
        Self(cut(text.to_string()).into())
    }

    /// Turns an error of the library underneath into ours.
    #[cold]
    pub(super) fn wrap(error: rmp_serde::encode::Error) -> Self {
        use rmp_serde::encode::Error;
        match error {
            Error::InvalidValueWrite(cause) => {
                use std::error::Error as _;
                match cause.source() {
                    Some(cause) => Self::new(&format_args!("cannot write: {cause}")),
                    None => Self::new(&"cannot write"),
                }
            }
            Error::Syntax(text) => Self(cut(text).into()),
            other => Self::new(&other),
        }
    }
}

impl DecodeError {
    #[cold]
    pub(super) fn new(text: &dyn fmt::Display) -> Self {
        Self(cut(text.to_string()).into())
    }

    /// An error found at `path`; an empty path is the value itself.
    #[cold]
    pub(super) fn at(path: &str, text: String) -> Self {
        let text = cut(text);
        let path = path.strip_prefix('.').unwrap_or(path);
        if path.is_empty() {
            return Self(text.into());
        }
        Self(format!("{}: {text}", cut(path.to_owned())).into())
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EncodeError {}

impl std::error::Error for DecodeError {}

impl serde::ser::Error for EncodeError {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(&text)
    }
}

/// Takes the middle out of a long text: its start says what was found, its end what was expected.
fn cut(text: String) -> String {
    if text.len() <= TEXT_BYTES {
        return text;
    }
    let head: String = text.chars().take(TEXT_BYTES / 8).collect();
    let mut tail: Vec<char> = text.chars().rev().take(TEXT_BYTES / 8).collect();
    tail.reverse();
    format!("{head} … {}", tail.into_iter().collect::<String>())
}

/// Longest text of an error, in bytes; each half kept of a longer one is an eighth of it in
/// characters, of at most four bytes.
const TEXT_BYTES: usize = 1024;
