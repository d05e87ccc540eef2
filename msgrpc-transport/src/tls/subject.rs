//! The subject of a certificate → text that no other subject has.
//!
//! Used for the peers of TLS connections. It never fails: a certificate without a subject has an empty text.

use std::fmt::Write;

use x509_parser::{
    objects::{oid_registry, oid2abbrev},
    prelude::{AttributeTypeAndValue, FromDer, X509Certificate},
};

/// The subject of the certificate `der`, in the order of the certificate: `CN=robot 7, O=Example`.
///
/// Characters are escaped as in RFC 4514, section 2.4; values that are no text are written as `#` and their bytes in
/// hexadecimal. Attributes of one set are joined by `+`.
pub(super) fn subject(der: &[u8]) -> String {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return String::new();
    };
    let mut text = String::new();
    for set in certificate.subject().iter_rdn() {
        for (index, attribute) in set.iter().enumerate() {
            match index {
                0 if text.is_empty() => {}
                0 => text.push_str(", "),
                _ => text.push('+'),
            }
            write_attribute(&mut text, attribute);
        }
    }
    text
}

fn write_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    match oid2abbrev(attribute.attr_type(), oid_registry()) {
        Ok(name) => text.push_str(name),
        Err(_unknown) => text.push_str(&attribute.attr_type().to_id_string()),
    }
    text.push('=');
    match attribute.as_str() {
        Ok(value) => write_value(text, value),
        Err(_no_text) => {
            text.push('#');
            write_hex(text, attribute.attr_value().data, "");
        }
    }
}

fn write_value(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, char) in value.chars().enumerate() {
        match char {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => text.extend(['\\', char]),
            '#' if index == 0 => text.push_str("\\#"),
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            char if is_unseen(char) => {
                write_hex(text, char.encode_utf8(&mut [0; 4]).as_bytes(), "\\");
            }
            char => text.push(char),
        }
    }
}

/// Control characters, and those that turn the direction of what follows or have no width.
fn is_unseen(char: char) -> bool {
    let turns = matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    char.is_control() || turns
}

fn write_hex(text: &mut String, bytes: &[u8], before: &str) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _written = write!(text, "{before}{byte:02x}");
    }
}
