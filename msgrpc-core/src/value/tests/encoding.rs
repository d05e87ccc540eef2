//! What is written, byte for byte (W6).

use std::collections::{BTreeSet, VecDeque};

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap, SerializeSeq},
};
use smallvec::SmallVec;

use super::{super::Style, Address, Shape, Unit, bytes};

fn compact<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    super::super::encode(value, Style::Compact, &mut out).unwrap();
    out
}

#[test]
fn w6_structs_are_maps_with_names_and_arrays_when_compact() {
    let address = Address { street: "s".into(), number: 7 };
    assert_eq!(bytes(&address), b"\x82\xa6street\xa1s\xa6number\x07");
    assert_eq!(compact(&address), b"\x92\xa1s\x07");
}

#[test]
fn w6_variants_are_their_name_or_a_map_from_name_to_data() {
    assert_eq!(bytes(&Shape::Point), b"\xa5Point");
    assert_eq!(bytes(&Shape::Circle(0.5)), b"\x81\xa6Circle\xcb\x3f\xe0\0\0\0\0\0\0");
    assert_eq!(bytes(&Shape::Line(1, -1)), b"\x81\xa4Line\x92\x01\xff");
    let boxed = Shape::Box { width: 3, label: None };
    assert_eq!(bytes(&boxed), b"\x81\xa3Box\x82\xa5width\x03\xa5label\xc0");
    assert_eq!(compact(&boxed), b"\x81\xa3Box\x92\x03\xc0");
}

#[test]
fn w6_byte_slices_and_vectors_are_bin() {
    assert_eq!(bytes(&vec![1_u8, 200]), [0xc4, 2, 1, 200]);
    assert_eq!(bytes(&[1_u8, 2][..]), [0xc4, 2, 1, 2]);
    assert_eq!(bytes(&Some(vec![1_u8])), [0xc4, 1, 1]);
    assert_eq!(bytes(&(vec![1_u8], "a")), [0x92, 0xc4, 1, 1, 0xa1, b'a']);
    assert_eq!(bytes(&vec![vec![7_u8], vec![]]), [0x92, 0xc4, 1, 7, 0xc4, 0]);
}

#[test]
fn w6_empty_bytes_are_an_empty_bin() {
    assert_eq!(bytes(&Vec::<u8>::new()), [0xc4, 0]);
    assert_eq!(bytes::<&[u8]>(&&[][..]), [0xc4, 0]);
    assert_eq!(bytes(&Some(Vec::<u8>::new())), [0xc4, 0]);
    assert_eq!(bytes::<[u8]>(&[]), [0xc4, 0]);
    assert_eq!(bytes::<Box<[u8]>>(&Box::default()), [0xc4, 0]);
}

#[test]
fn w6_other_empty_sequences_are_an_empty_array() {
    assert_eq!(bytes(&Vec::<u32>::new()), [0x90]);
    assert_eq!(bytes(&Vec::<i8>::new()), [0x90]);
    assert_eq!(bytes(&Vec::<bool>::new()), [0x90]);
    assert_eq!(bytes(&Vec::<&u8>::new()), [0x90]);
    assert_eq!(bytes(&[0_u8; 0]), [0x90]);
    assert_eq!(bytes(&Unit), [0x90]);
}

#[test]
fn w6_sets_and_deques_of_bytes_are_arrays() {
    assert_eq!(bytes(&BTreeSet::from([1_u8, 2])), [0x92, 1, 2]);
    assert_eq!(bytes(&VecDeque::from([1_u8, 2])), [0x92, 1, 2]);
    assert_eq!(bytes(&VecDeque::<u8>::new()), [0x90]);
}

#[test]
fn w6_long_bytes_have_the_shortest_head() {
    for (len, head) in [(255, &[0xc4, 255][..]), (256, &[0xc5, 1, 0]), (65536, &[0xc6, 0, 1, 0, 0])]
    {
        let value: Vec<u8> = (0..=255).cycle().take(len).collect();
        assert_eq!(bytes(&value), [head, &value].concat());
    }
}

#[test]
fn w6_fixed_arrays_and_tuples_of_bytes_are_bin_whatever_their_values() {
    assert_eq!(bytes(&[1_u8, 2, 3, 4]), [0xc4, 4, 1, 2, 3, 4]);
    assert_eq!(bytes(&[255_u8; 2]), [0xc4, 2, 255, 255]);
    assert_eq!(bytes(&(1_u8, 2_u8)), [0xc4, 2, 1, 2]);
    assert_eq!(bytes(&(1_u8, 200_u8, true)), [0x93, 1, 0xcc, 200, 0xc3]);
    assert_eq!(bytes(&(true, 1_u8)), [0x92, 0xc3, 1]);
    assert_eq!(bytes(&([1_u8; 32], 1_u16))[..4], [0x92, 0xc4, 32, 1]);
    assert_eq!(bytes(&[1_u16, 2]), [0x92, 1, 2]);
}

#[test]
fn w6_unit_is_nil() {
    assert_eq!(bytes(&()), [0xc0]);
    assert_eq!(bytes(&None::<u8>), [0xc0]);
}

#[test]
fn w5_integers_take_the_shortest_form() {
    assert_eq!(bytes(&5_u64), [5]);
    assert_eq!(bytes(&5_i64), [5]);
    assert_eq!(bytes(&200_i64), [0xcc, 200]);
    assert_eq!(bytes(&-1_i64), [0xff]);
    assert_eq!(bytes(&-33_i8), [0xd0, 0xdf]);
    assert_eq!(bytes(&u64::MAX), [0xcf, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert_eq!(bytes(&i64::MIN), [0xd3, 128, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn w6_128_bit_integers_are_plain_where_64_bits_suffice() {
    assert_eq!(bytes(&5_u128), [5]);
    assert_eq!(bytes(&-5_i128), [0xfb]);
    assert_eq!(bytes(&i128::from(u64::MAX)), bytes(&u64::MAX));
    let mut large = vec![0xc4, 16];
    large.extend(u128::MAX.to_be_bytes());
    assert_eq!(bytes(&u128::MAX), large);
}

#[test]
fn a_type_is_told_that_the_format_is_not_human_readable() {
    let address: std::net::IpAddr = [127, 0, 0, 1].into();
    assert_eq!(bytes(&address), b"\x81\xa2V4\xc4\x04\x7f\0\0\x01");
}

/// A sequence that announces `.0` elements and gives `.1`.
struct Lying(Option<usize>, usize);

impl Serialize for Lying {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut seq = to.serialize_seq(self.0)?;
        (0..self.1).try_for_each(|n| seq.serialize_element(&n))?;
        seq.end()
    }
}

#[test]
fn a_sequence_that_announces_another_length_is_an_error() {
    let encode = |value| super::super::encode(&value, Style::Named, &mut Vec::new());
    let fewer = encode(Lying(Some(2), 1)).unwrap_err().to_string();
    assert_eq!(fewer, "a sequence or map gave 1 elements fewer than it announced");
    let more = encode(Lying(Some(2), 3)).unwrap_err().to_string();
    assert_eq!(more, "a sequence or map gave more elements than it announced");
    assert!(encode(Lying(Some(2), 2)).is_ok());
}

#[test]
fn a_sequence_of_unknown_length_is_counted() {
    assert_eq!(bytes(&Lying(None, 3)), [0x93, 0, 1, 2]);
    assert_eq!(bytes(&[Lying(None, 1), Lying(None, 0)]), [0x92, 0x91, 0, 0x90]);
    struct Map;
    impl Serialize for Map {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut map = to.serialize_map(None)?;
            map.serialize_entry("a", &Lying(None, 1))?;
            map.end()
        }
    }
    assert_eq!(bytes(&Map), [0x81, 0xa1, b'a', 0x91, 0]);
}

#[test]
fn w10_an_error_of_the_type_itself_is_told() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no such thing"))
        }
    }
    let mut out = SmallVec::<[u8; 64]>::new();
    let error = super::super::encode(&(1, Failing), Style::Named, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "no such thing");
}

#[test]
fn a_sink_that_is_full_is_told() {
    let mut room = [0; 2];
    let error = super::super::encode("hello", Style::Named, &mut &mut room[..]).unwrap_err();
    assert_eq!(error.to_string(), "cannot write: failed to write whole buffer");
}

#[test]
fn levels_beyond_128_are_not_written() {
    #[derive(Serialize)]
    struct Nested(Vec<Self>);
    let nested = |levels| (1..levels).fold(Nested(vec![]), |inner, _| Nested(vec![inner]));
    let encode = |levels| super::super::encode(&nested(levels), Style::Named, &mut Vec::new());
    assert!(encode(128).is_ok());
    let error = encode(129).unwrap_err().to_string();
    assert_eq!(error, "the value is nested more than 128 levels deep");
}
