//! Bytes from a peer that means ill, or does not know what it does.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{super::Value, Person, Shape, bytes, decode, refusal};

const TOO_DEEP: &str = "the value is nested more than 128 levels deep";

#[derive(Debug, Deserialize)]
struct Tree(#[expect(dead_code, reason = "it is only decoded")] Vec<Self>);

#[derive(Debug, Deserialize)]
enum Chain {
    #[expect(dead_code, reason = "it is only decoded")]
    Link(Box<Self>),
    End,
}

fn arrays(levels: usize) -> Vec<u8> {
    let mut bytes = vec![0x91; levels - 1];
    bytes.push(0x90);
    bytes
}

fn maps(levels: usize) -> Vec<u8> {
    let mut bytes = [0x81, 0xa1, b'k'].repeat(levels - 1);
    bytes.push(0x80);
    bytes
}

#[test]
fn w6_128_levels_are_read_and_129_refused() {
    assert!(decode::<Value>(&arrays(128)).is_ok());
    assert!(decode::<Value>(&maps(128)).is_ok());
    assert!(decode::<Tree>(&arrays(128)).is_ok());
    assert!(decode::<IgnoredAny>(&arrays(128)).is_ok());
    for levels in [129, 100_000] {
        assert!(refusal::<Value>(&arrays(levels)).ends_with(TOO_DEEP));
        assert!(refusal::<Value>(&maps(levels)).ends_with(TOO_DEEP));
        assert!(refusal::<Tree>(&arrays(levels)).ends_with(TOO_DEEP));
        assert!(refusal::<IgnoredAny>(&arrays(levels)).ends_with(TOO_DEEP));
    }
}

#[test]
fn variants_within_variants_count_as_levels() {
    let chain = |levels| [b"\x81\xa4Link".repeat(levels), b"\xa3End".to_vec()].concat();
    assert!(decode::<Chain>(&chain(128)).is_ok());
    assert!(refusal::<Chain>(&chain(129)).ends_with(TOO_DEEP));
    assert!(refusal::<Chain>(&chain(100_000)).ends_with(TOO_DEEP));
}

#[test]
fn no_bytes_are_no_value() {
    assert_eq!(refusal::<u8>(&[]), "the value ends too early");
    assert_eq!(refusal::<()>(&[]), "the value ends too early");
    assert_eq!(refusal::<Option<u8>>(&[]), "the value ends too early");
    assert_eq!(refusal::<Value>(&[]), "the value ends too early");
    assert_eq!(refusal::<Shape>(&[]), "the value ends too early");
}

#[test]
fn every_cut_of_a_value_is_refused() {
    let whole = b"\x84\xa4name\xa1n\xa7address\x82\xa6street\xa1s\xa6number\xcd\x01\x00\
                  \xa5photo\xc4\x01\xff\xa4note\xc0";
    assert!(decode::<Person>(whole).is_ok());
    for end in 0..whole.len() {
        assert!(decode::<Person>(&whole[..end]).is_err(), "cut at {end}");
        assert!(decode::<Value>(&whole[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn bytes_behind_the_value_are_refused() {
    let text = "there are more bytes behind the value";
    assert_eq!(refusal::<u8>(&[1, 2, 3]), text);
    assert_eq!(refusal::<u8>(&[1, 0xc0]), text);
    assert_eq!(refusal::<Value>(&[0xc0, 0xc1]), text);
    assert_eq!(refusal::<u8>(&[1, 0xdd]), text);
}

#[test]
fn the_reserved_byte_is_no_value() {
    let text = "the byte c1, which MessagePack does not use";
    assert_eq!(refusal::<u8>(&[0xc1]), text);
    assert_eq!(refusal::<Value>(&[0xc1]), text);
    assert_eq!(refusal::<Option<u8>>(&[0xc1]), text);
    assert_eq!(refusal::<Vec<u8>>(&[0x91, 0xc1]), format!("[0]: {text}"));
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    for head in [0xdd, 0xdf, 0xdb, 0xc6] {
        let bytes = [head, 0xff, 0xff, 0xff, 0xff];
        assert!(refusal::<Vec<u64>>(&bytes).contains("ends too early") || head == 0xdf);
        assert!(refusal::<Value>(&bytes).contains("ends too early"));
        assert!(decode::<BTreeMap<u8, u8>>(&bytes).is_err());
    }
    assert!(decode::<Value>(&[0xc9, 0xff, 0xff, 0xff, 0xff, 5]).is_err());
}

#[test]
fn more_than_65536_dynamic_values_are_refused() {
    let values =
        |count: u16| [vec![0xdc], count.to_be_bytes().to_vec(), vec![1; count.into()]].concat();
    assert!(decode::<Value>(&values(u16::MAX)).is_ok());
    let many = [&[0xdd, 0, 1, 0, 0][..], &vec![1; 65536]].concat();
    assert_eq!(refusal::<Value>(&many), "[65535]: more than 65536 dynamic values");
    assert!(decode::<Vec<Value>>(&many).is_ok());
    assert!(decode::<Vec<u8>>(&many).is_ok());
    let pair = [&[0x92][..], &values(u16::MAX), &values(1)].concat();
    assert!(decode::<(Value, Value)>(&pair).is_err());
}

#[test]
fn a_long_string_does_not_flood_an_error() {
    let text = refusal::<u32>(&bytes(&"x".repeat(1_000_000)));
    assert!(text.len() < 400, "{}", text.len());
    assert!(text.starts_with("invalid type: string \"xxx"), "{text}");
    assert!(text.ends_with("xxx\", expected u32"), "{text}");
    let map = BTreeMap::from([("k\n".repeat(100_000), "x")]);
    let text = refusal::<BTreeMap<String, u8>>(&bytes(&map));
    assert!(text.len() < 200 && !text.contains('\n'), "{text}");
}
