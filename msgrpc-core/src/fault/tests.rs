//! Faults as bytes and back.

use super::{Fault, FaultCode, FaultFormat, encode_error, printable};
use crate::value::Style;

#[test]
fn w8_a_fault_travels_as_one_string_that_starts_with_its_code() {
    let fault = Fault::unknown_method("foo");
    let bytes = fault.encode(FaultFormat::Text);
    assert_eq!(&bytes[..], [&[0xbc][..], b"[-32601] unknown method: foo"].concat());
    assert_eq!(Fault::read(&bytes), Some(fault));
}

#[test]
fn w8_a_fault_may_travel_as_a_pair() {
    let fault = Fault::new(FaultCode::Overloaded, "busy");
    let bytes = fault.encode(FaultFormat::Pair);
    assert_eq!(&bytes[..], [&[0x92, 0xd1, 0x82, 0xff, 0xa4][..], b"busy"].concat());
    assert_eq!(Fault::read(&bytes), Some(fault));
}

#[test]
fn w8_every_code_survives_the_way() {
    for number in [-32_600, -32_601, -32_602, -32_603, -32_001, -32_002, -32_003, -32_004, -32_005]
    {
        let fault = Fault::new(FaultCode::from_number(number).expect("reserved"), "x");
        assert!(!matches!(fault.code(), FaultCode::Other(_)), "{number} has a name");
        for format in [FaultFormat::Text, FaultFormat::Pair] {
            assert_eq!(Fault::read(&fault.encode(format)), Some(fault.clone()));
        }
    }
    assert_eq!(FaultCode::from_number(-32_050), Some(FaultCode::Other(-32_050)));
}

#[test]
fn w8_what_only_resembles_a_fault_is_none() {
    let texts = ["boom", "[-1] boom", "[-32601]boom", "[x] boom", "", "[-32601"];
    for text in texts {
        let bytes = rmp_serde::to_vec(text).expect("a string");
        assert_eq!(Fault::read(&bytes), None, "{text:?}");
    }
    let pair = rmp_serde::to_vec(&(0, "Invalid method: x")).expect("a pair");
    assert_eq!(Fault::read(&pair), None, "Neovim's own errors are not ours");
    assert_eq!(Fault::read(&[0xc0]), None);
}

#[test]
fn w9_an_error_that_encodes_to_nil_is_sent_as_a_fault() {
    let bytes = encode_error(&None::<u8>, Style::Named).expect("encodes");
    let fault = Fault::read(&bytes).expect("a fault");
    assert_eq!(fault.to_string(), "[-32603] the error value was nil");
    assert_eq!(&encode_error("no", Style::Named).expect("encodes")[..], b"\xa2no");
}

#[test]
fn names_in_error_texts_are_escaped_and_cut() {
    assert_eq!(printable("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
    let long = printable(&"é".repeat(1 << 20));
    assert_eq!(long.chars().count(), 65);
}
