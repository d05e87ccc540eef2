//! `Value`: there and back whatever it holds, and how it looks.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize};

use super::{
    super::{Style, Value, encode, from_value, to_value},
    Address, Shape, bytes, decode,
};

/// A value in a user's own types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    one: Value,
    maybe: Option<Value>,
    many: BTreeMap<String, (u8, Value)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Holding {
    One(Value),
    Two(Value, Value),
    Named { value: Value },
}

/// A str of `len` bytes that is not UTF-8, with a head of a given width; the shortest is not asked for.
fn raw_string(head: &[u8], len: usize) -> Vec<u8> {
    [head.to_vec(), vec![0xff; len]].concat()
}

#[test]
fn w6_a_str_that_is_not_utf8_stays_one() {
    let value = Value::RawString(vec![0xff, 0xfe]);
    assert_eq!(decode(&[0xa2, 0xff, 0xfe]), Ok(value.clone()));
    assert_eq!(bytes(&value), [0xa2, 0xff, 0xfe]);
    assert_eq!(decode(&[0xc4, 2, 0xff, 0xfe]), Ok(Value::Binary(vec![0xff, 0xfe])));
}

#[test]
fn w6_a_raw_string_is_told_from_a_bin_by_any_head() {
    for len in [1_usize, 31, 32, 196, 197, 198, 255, 256, 0xc4c4, 0xc5c5, 0xffff, 0x1_c4c4] {
        let [a, b, c, d] = u32::try_from(len).unwrap().to_be_bytes();
        let (raw, bin) = (Value::RawString(vec![0xff; len]), Value::Binary(vec![0xff; len]));
        // What stands before the value looks like a part of a bin's head.
        for before in [0xc4, 0xc5, 0xc6, 0x00, d] {
            let check = |head: &[u8], value: &Value| {
                let array = [&[0x92, 0xcc, before][..], &raw_string(head, len)].concat();
                let expected = Value::Array(vec![Value::from(before), value.clone()]);
                assert_eq!(decode::<Value>(&array).as_ref(), Ok(&expected), "{head:02x?}");
            };
            check(&[0xdb, a, b, c, d], &raw);
            check(&[0xc6, a, b, c, d], &bin);
            if len <= 0xffff {
                check(&[0xda, c, d], &raw);
                check(&[0xc5, c, d], &bin);
            }
            if len <= 0xff {
                check(&[0xd9, d], &raw);
                check(&[0xc4, d], &bin);
            }
            if len < 32 {
                check(&[0xa0 | d], &raw);
            }
        }
    }
}

#[test]
fn a13_extensions_pass_through() {
    for extension in [
        &[0xd4, 5, 1][..],
        &[0xd5, 5, 1, 2],
        &[0xd6, 0xff, 1, 2, 3, 4],
        &[0xc7, 0, 5],
        &[0xc7, 3, 0x80, 1, 2, 3],
    ] {
        let value: Value = decode(extension).unwrap();
        assert!(matches!(value, Value::Ext(..)));
        assert_eq!(bytes(&value), extension);
    }
    assert_eq!(decode(&[0xd4, 5, 1]), Ok(Value::Ext(5, vec![1])));
}

#[test]
fn a14_numbers_come_back_as_they_were() {
    assert_eq!(decode(&bytes(&u64::MAX)), Ok(Value::UInt(u64::MAX)));
    assert_eq!(decode(&bytes(&i64::MIN)), Ok(Value::Int(i64::MIN)));
    assert_eq!(decode(&[0xcf, 0, 0, 0, 0, 0, 0, 0, 5]), Ok(Value::Int(5)));
    assert_eq!(Value::from(5_u64), Value::Int(5));
    for float in [&[0xca, 0x7f, 0xc0, 0, 1][..], &[0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(bytes(&decode::<Value>(float).unwrap()), float);
    }
}

#[test]
fn entries_keep_their_order_and_their_duplicates() {
    let map = b"\x83\xa1b\x01\xa1a\x02\xa1b\xc0";
    assert_eq!(bytes(&decode::<Value>(map).unwrap()), map);
}

#[test]
fn a_value_is_read_by_its_accessors() {
    let value: Value = decode(b"\x82\xa1a\x91\x02\xc4\x01b\xc0").unwrap();
    assert_eq!(value.field("a").unwrap().as_array(), Some(&[Value::Int(2)][..]));
    assert!(value.field("b").unwrap().is_nil());
    assert_eq!(value.field("c"), None);
    assert_eq!(value.as_map().unwrap().len(), 2);
    assert_eq!(Value::from("x").as_str(), Some("x"));
    assert_eq!(Value::from("x").as_bytes(), Some(&b"x"[..]));
    assert_eq!(Value::RawString(vec![255]).as_str(), None);
    assert_eq!(Value::from(-1).as_u64(), None);
    assert_eq!(Value::from(-1).as_i64(), Some(-1));
    assert_eq!(Value::from(2).as_f64(), Some(2.0));
    assert_eq!(Value::from(None::<u8>), Value::Nil);
    assert_eq!(Value::from(true).as_bool(), Some(true));
}

#[test]
fn any_type_becomes_a_value_and_back() {
    let address = Address { street: "s".into(), number: 1 };
    let value = to_value(&address).unwrap();
    assert_eq!(value.field("street"), Some(&Value::from("s")));
    assert_eq!(from_value(value), Ok(address));
    let error = from_value::<u8>(Value::from("x")).unwrap_err().to_string();
    assert_eq!(error, "invalid type: string \"x\", expected u8");
}

#[test]
fn a_value_looks_like_json() {
    let value = Value::Map(vec![
        (Value::from("text"), Value::from("a\"\n")),
        (Value::from(1), Value::Array(vec![Value::Nil, Value::from(1.0_f64), Value::from(true)])),
        (Value::from(&b"hello"[..]), Value::RawString(vec![255])),
        (Value::Ext(5, vec![1]), Value::from(u64::MAX)),
    ]);
    assert_eq!(
        value.to_string(),
        "{\"text\": \"a\\\"\\n\", 1: [null, 1.0, true], <5 bytes: 68656c6c6f>: \
         <raw string of 1 bytes: ff>, ext(5, <1 bytes: 01>): 18446744073709551615}"
    );
    assert_eq!(Value::Binary(vec![]).to_string(), "<0 bytes>");
}

#[test]
fn a_large_value_does_not_flood_a_log() {
    let long = Value::from("é".repeat(10_000)).to_string();
    assert!(long.len() < 300 && long.ends_with("…\""), "{long}");
    let binary = Value::Binary(vec![0xab; 33]).to_string();
    assert_eq!(binary, format!("<33 bytes: {}…>", "ab".repeat(32)));
    let array = Value::Array(vec![Value::from(1); 1000]).to_string();
    assert!(array.ends_with("1, … 968 more]"), "{array}");
    let deep = (0..100_000).try_fold(Value::Nil, |value, n| {
        if n < 3000 { Ok(Value::Array(vec![value])) } else { Err(value) }
    });
    assert_eq!(deep.unwrap_err().to_string(), format!("{}…", "[".repeat(1024)));
    let wide = Value::Array(vec![Value::from("\u{1}".repeat(1000)); 32]).to_string();
    assert!(wide.len() <= 1024 + '…'.len_utf8(), "{}", wide.len());
}

/// Any value, a few levels deep.
fn any_value() -> impl Strategy<Value = Value> {
    let bytes = || vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        ".*".prop_map(Value::from),
        bytes().prop_map(|mut bytes| {
            bytes.push(0xff);
            Value::RawString(bytes)
        }),
        bytes().prop_map(Value::Binary),
        (any::<i8>(), bytes()).prop_map(|(kind, data)| Value::Ext(kind, data)),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::Array),
            vec((inner.clone(), inner), 0..8).prop_map(Value::Map),
        ]
    })
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Point),
        (-1e300..1e300).prop_map(Shape::Circle),
        (any::<i32>(), any::<i32>()).prop_map(|(a, b)| Shape::Line(a, b)),
        (any::<u32>(), any::<Option<String>>())
            .prop_map(|(width, label)| Shape::Box { width, label }),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| vec(inner, 0..4).prop_map(Shape::Group))
}

proptest! {
    /// Compared by their bytes: `PartialEq` does not see the bits of a NaN.
    #[test]
    fn any_value_comes_back_to_the_bit(value in any_value()) {
        let sent = bytes(&value);
        let back: Value = decode(&sent).unwrap();
        prop_assert_eq!(format!("{value:?}"), format!("{back:?}"));
        prop_assert_eq!(&bytes(&back), &sent);
        prop_assert!(value.to_string().len() <= 1024 + 3);
    }

    #[test]
    fn any_value_comes_back_from_within_other_types(value in any_value()) {
        let holder = Holder {
            one: value.clone(),
            maybe: Some(value.clone()).filter(|value| !value.is_nil()),
            many: BTreeMap::from([("k".to_owned(), (1, value.clone()))]),
        };
        let holding = [
            Holding::One(value.clone()),
            Holding::Two(value.clone(), value.clone()),
            Holding::Named { value },
        ];
        for style in [Style::Named, Style::Compact] {
            let mut sent = Vec::new();
            encode(&(&holder, &holding), style, &mut sent).unwrap();
            let back: (Holder, [Holding; 3]) = decode(&sent).unwrap();
            prop_assert_eq!(format!("{:?}", (&holder, &holding)), format!("{:?}", (&back.0, &back.1)));
        }
    }

    #[test]
    fn any_shape_comes_back(shape in any_shape()) {
        for style in [Style::Named, Style::Compact] {
            let mut sent = Vec::new();
            encode(&shape, style, &mut sent).unwrap();
            prop_assert_eq!(decode(&sent), Ok(shape.clone()));
            prop_assert_eq!(from_value(to_value(&shape).unwrap()), Ok(shape.clone()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(input in vec(any::<u8>(), 0..64)) {
        let _ = decode::<Value>(&input);
        let _ = decode::<Holder>(&input);
        let _ = decode::<Shape>(&input);
        let _ = decode::<(u8, f32, String, Vec<u8>)>(&input);
    }
}
