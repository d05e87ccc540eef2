//! Markers against the specification's bytes and against rmp-serde.
#![expect(clippy::indexing_slicing, reason = "a panic fails a test, as it should")]

use proptest::prelude::*;

use super::*;

/// Every head that we write, as (what was written, its bytes, what is read).
fn heads() -> Vec<(Head, Vec<u8>, Token)> {
    [containers(), bodies(), integers()].concat()
}

fn containers() -> Vec<(Head, Vec<u8>, Token)> {
    vec![
        (array_head(0), vec![0x90], Token::Array(0)),
        (array_head(15), vec![0x9f], Token::Array(15)),
        (array_head(16), vec![0xdc, 0, 16], Token::Array(16)),
        (array_head(0xffff), vec![0xdc, 0xff, 0xff], Token::Array(0xffff)),
        (array_head(0x1_0000), vec![0xdd, 0, 1, 0, 0], Token::Array(0x1_0000)),
        (map_head(0), vec![0x80], Token::Map(0)),
        (map_head(15), vec![0x8f], Token::Map(15)),
        (map_head(16), vec![0xde, 0, 16], Token::Map(16)),
        (map_head(u32::MAX), vec![0xdf, 0xff, 0xff, 0xff, 0xff], Token::Map(u32::MAX)),
    ]
}

fn bodies() -> Vec<(Head, Vec<u8>, Token)> {
    vec![
        (str_head(0), vec![0xa0], Token::Str(0)),
        (str_head(31), vec![0xbf], Token::Str(31)),
        (str_head(32), vec![0xd9, 32], Token::Str(32)),
        (str_head(255), vec![0xd9, 255], Token::Str(255)),
        (str_head(256), vec![0xda, 1, 0], Token::Str(256)),
        (str_head(0x1_0000), vec![0xdb, 0, 1, 0, 0], Token::Str(0x1_0000)),
        (bin_head(0), vec![0xc4, 0], Token::Bin(0)),
        (bin_head(255), vec![0xc4, 255], Token::Bin(255)),
        (bin_head(256), vec![0xc5, 1, 0], Token::Bin(256)),
        (bin_head(0x1_0000), vec![0xc6, 0, 1, 0, 0], Token::Bin(0x1_0000)),
        (ext_head(-1, 4), vec![0xd6, 0xff], Token::Ext { tag: -1, len: 4 }),
        (ext_head(5, 0), vec![0xc7, 0, 5], Token::Ext { tag: 5, len: 0 }),
        (ext_head(5, 256), vec![0xc8, 1, 0, 5], Token::Ext { tag: 5, len: 256 }),
        (ext_head(5, 0x1_0000), vec![0xc9, 0, 1, 0, 0, 5], Token::Ext { tag: 5, len: 0x1_0000 }),
    ]
}

fn integers() -> Vec<(Head, Vec<u8>, Token)> {
    vec![
        (uint(0), vec![0], Token::Uint(0)),
        (uint(127), vec![0x7f], Token::Uint(127)),
        (uint(128), vec![0xcc, 128], Token::Uint(128)),
        (uint(256), vec![0xcd, 1, 0], Token::Uint(256)),
        (uint(0x1_0000), vec![0xce, 0, 1, 0, 0], Token::Uint(0x1_0000)),
        (uint(1 << 32), vec![0xcf, 0, 0, 0, 1, 0, 0, 0, 0], Token::Uint(1 << 32)),
        (sint(5), vec![5], Token::Uint(5)),
        (sint(-1), vec![0xff], Token::Int(-1)),
        (sint(-32), vec![0xe0], Token::Int(-32)),
        (sint(-33), vec![0xd0, 0xdf], Token::Int(-33)),
        (sint(-129), vec![0xd1, 0xff, 0x7f], Token::Int(-129)),
        (sint(-32_769), vec![0xd2, 0xff, 0xff, 0x7f, 0xff], Token::Int(-32_769)),
        (sint(i64::MIN), vec![0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], Token::Int(i64::MIN)),
    ]
}

#[test]
fn heads_are_written_in_the_shortest_form_and_read_back() {
    for (head, bytes, token) in heads() {
        assert_eq!(head.as_slice(), bytes);
        assert_eq!(read_token(&bytes), Ok(Some((token, bytes.len()))), "{bytes:02x?}");
    }
}

#[test]
fn a_cut_head_needs_more_bytes_and_what_follows_it_is_not_touched() {
    for (_, bytes, token) in heads() {
        for cut in 0..bytes.len() {
            assert_eq!(read_token(&bytes[..cut]), Ok(None), "{bytes:02x?} cut at {cut}");
        }
        let followed = [&bytes[..], &[0xc1; 9]].concat();
        assert_eq!(read_token(&followed), Ok(Some((token, bytes.len()))));
    }
}

#[test]
fn every_width_of_integer_is_read() {
    // W5: any valid encoding is accepted, wide and signed ones too.
    for bytes in [
        &[7][..],
        &[0xcc, 7],
        &[0xcd, 0, 7],
        &[0xce, 0, 0, 0, 7],
        &[0xcf, 0, 0, 0, 0, 0, 0, 0, 7],
        &[0xd0, 7],
        &[0xd1, 0, 7],
        &[0xd2, 0, 0, 0, 7],
        &[0xd3, 0, 0, 0, 0, 0, 0, 0, 7],
    ] {
        assert_eq!(read_token(bytes), Ok(Some((Token::Uint(7), bytes.len()))), "{bytes:02x?}");
    }
}

#[test]
fn floats_booleans_and_nil_are_read() {
    assert_eq!(read_token(&[0xca, 0x3f, 0x80, 0, 0]), Ok(Some((Token::F32(1.0), 5))));
    let double = [0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0];
    assert_eq!(read_token(&double), Ok(Some((Token::F64(1.0), 9))));
    assert_eq!(read_token(&[0xc2]), Ok(Some((Token::Bool(false), 1))));
    assert_eq!(read_token(&[0xc3]), Ok(Some((Token::Bool(true), 1))));
    assert_eq!(read_token(&[NIL]), Ok(Some((Token::Nil, 1))));
}

#[test]
fn only_0xc1_is_refused() {
    for first in 0..=u8::MAX {
        let bytes = [first, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read_token(&bytes).is_err(), first == 0xc1, "{first:02x}");
    }
}

#[test]
fn a_token_is_named_in_plain_words() {
    assert_eq!(Token::Uint(1).to_string(), "integer");
    assert_eq!(Token::Str(1).to_string(), "string");
    assert_eq!(Token::Ext { tag: 5, len: 1 }.to_string(), "extension type 5");
    assert_eq!(Token::Ext { tag: 5, len: 1 }.kind(), "extension");
    assert_eq!(Reserved.to_string(), "the byte 0xc1 begins no MessagePack value");
}

proptest! {
    #[test]
    fn integers_are_written_as_rmp_serde_writes_them(unsigned: u64, signed: i64, shift in 0..64u32) {
        let (unsigned, signed) = (unsigned >> shift, signed >> shift);
        prop_assert_eq!(uint(unsigned).as_slice().to_vec(), rmp_serde::to_vec(&unsigned).unwrap());
        prop_assert_eq!(sint(signed).as_slice().to_vec(), rmp_serde::to_vec(&signed).unwrap());
    }

    #[test]
    fn reading_a_head_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        if let Ok(Some((_, len))) = read_token(&bytes) {
            prop_assert!(len <= bytes.len());
        }
    }
}
