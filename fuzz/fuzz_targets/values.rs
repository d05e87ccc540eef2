//! What decodes as a dynamic value encodes again, and decodes to bytes that encode the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msgrpc_core::Payload;
use msgrpc_core::value::{Style, Value, decode};

fuzz_target!(|input: &[u8]| {
    let Ok(value) = decode::<Value>(input) else { return };
    let _shown = value.to_string();
    let first = Payload::encode(&value, Style::Named).expect("a decoded value encodes");
    let again: Value = decode(&first).expect("what was encoded decodes");
    let second = Payload::encode(&again, Style::Named).expect("it encodes again");
    assert_eq!(first[..], second[..]);
});
