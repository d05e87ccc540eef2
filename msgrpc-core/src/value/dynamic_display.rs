//! How a [`Value`] looks to a person: like JSON, and never longer than a log can bear.
//!
//! Used wherever a value of unknown type is shown. Never shows control characters raw, nor more than
//! [`TOTAL_BYTES`], however large or deep the value.

use std::fmt::{self, Write};

use super::Value;

/// JSON-like: `{"code": 5, "data": <3 bytes: 01ff00>}`.
///
/// Strings are quoted and escaped. Long strings, binaries and containers are cut, and so is the whole,
/// at 1 KiB; each cut shows as `…`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Bounded { to: f, left: TOTAL_BYTES, failed: Ok(()) };
        // An error of `show` says that the room is used up, unless writing failed itself.
        match show(self, &mut out) {
            Ok(()) => Ok(()),
            Err(_) => out.failed.and_then(|()| f.write_str("…")),
        }
    }
}

/// Writes no more than `left` bytes.
struct Bounded<'a, 'f> {
    to: &'a mut fmt::Formatter<'f>,
    left: usize,
    failed: fmt::Result,
}

impl Write for Bounded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (text, beyond) = text.split_at(boundary(text, self.left));
        self.left -= text.len();
        self.failed = self.to.write_str(text);
        self.failed?;
        if beyond.is_empty() { Ok(()) } else { Err(fmt::Error) }
    }
}

fn show(value: &Value, out: &mut Bounded<'_, '_>) -> fmt::Result {
    match value {
        Value::Nil => out.write_str("null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::UInt(value) => write!(out, "{value}"),
        // `Debug` keeps the point: 1.0 is not 1.
        Value::F32(value) => write!(out, "{value:?}"),
        Value::F64(value) => write!(out, "{value:?}"),
        Value::String(text) => show_text(text, out),
        Value::RawString(bytes) => show_bytes("raw string of ", bytes, out),
        Value::Binary(bytes) => show_bytes("", bytes, out),
        Value::Ext(kind, data) => {
            write!(out, "ext({kind}, ")?;
            show_bytes("", data, out)?;
            out.write_char(')')
        }
        Value::Array(items) => {
            out.write_char('[')?;
            for (index, item) in items.iter().take(SHOWN_ELEMENTS).enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                show(item, out)?;
            }
            show_rest(items.len(), out)?;
            out.write_char(']')
        }
        Value::Map(entries) => {
            out.write_char('{')?;
            for (index, (key, value)) in entries.iter().take(SHOWN_ELEMENTS).enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                show(key, out)?;
                out.write_str(": ")?;
                show(value, out)?;
            }
            show_rest(entries.len(), out)?;
            out.write_char('}')
        }
    }
}

fn show_text(text: &str, out: &mut Bounded<'_, '_>) -> fmt::Result {
    let shown = text.split_at(boundary(text, SHOWN_TEXT_BYTES)).0;
    write!(out, "\"{}", shown.escape_debug())?;
    out.write_str(if shown.len() < text.len() { "…\"" } else { "\"" })
}

fn show_bytes(what: &str, bytes: &[u8], out: &mut Bounded<'_, '_>) -> fmt::Result {
    write!(out, "<{what}{} bytes", bytes.len())?;
    for (index, byte) in bytes.iter().take(SHOWN_BYTES).enumerate() {
        write!(out, "{}{byte:02x}", if index > 0 { "" } else { ": " })?;
    }
    out.write_str(if bytes.len() > SHOWN_BYTES { "…>" } else { ">" })
}

fn show_rest(len: usize, out: &mut Bounded<'_, '_>) -> fmt::Result {
    match len.checked_sub(SHOWN_ELEMENTS) {
        None | Some(0) => Ok(()),
        Some(more) => write!(out, ", … {more} more"),
    }
}

/// The last place at or before `at` where `text` may be cut.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Longest text, in bytes, but for the final `…`.
const TOTAL_BYTES: usize = 1024;
/// How much of one string is shown, before escapes.
const SHOWN_TEXT_BYTES: usize = 256;
/// How much of one binary is shown.
const SHOWN_BYTES: usize = 32;
/// How many elements or entries of one container are shown.
const SHOWN_ELEMENTS: usize = 32;
