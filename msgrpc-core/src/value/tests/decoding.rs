//! What is accepted for what, and what a refusal says (W6).

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use super::{
    super::{BorrowedCow, Elements},
    Address, Person, Shape, Unit, bytes, decode, refusal,
};

const TWO_F64: [u8; 9] = [0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0];
const HALF_F64: [u8; 9] = [0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0];

#[test]
fn w6_an_integer_of_any_width_is_read_where_it_fits() {
    assert_eq!(decode(&[0xcf, 0, 0, 0, 0, 0, 0, 0, 5]), Ok(5_u8));
    assert_eq!(decode(&[0xd3, 0, 0, 0, 0, 0, 0, 0, 5]), Ok(5_u8));
    assert_eq!(decode(&[0xd1, 0, 200]), Ok(200_u64));
    assert_eq!(decode(&[0xcc, 5]), Ok(5_i8));
    assert_eq!(refusal::<u8>(&[0xcd, 1, 0]), "invalid value: integer `256`, expected u8");
    assert_eq!(refusal::<u8>(&[0xff]), "invalid value: integer `-1`, expected u8");
}

#[test]
fn w6_a_float_of_integral_value_is_read_as_an_integer() {
    assert_eq!(decode(&TWO_F64), Ok(2_i64));
    assert_eq!(decode(&TWO_F64), Ok(2_u8));
    assert_eq!(decode(&[0xca, 0x40, 0, 0, 0]), Ok(2_u16));
    assert_eq!(decode(&bytes(&-0.0_f64)), Ok(0_u32));
    assert_eq!(decode(&bytes(&-9_223_372_036_854_775_808.0_f64)), Ok(i64::MIN));
    assert_eq!(decode(&bytes(&18_446_744_073_709_549_568.0_f64)), Ok(u64::MAX - 2047));
    assert_eq!(decode(&bytes(&1e30_f64)), Ok(1_000_000_000_000_000_019_884_624_838_656_i128));
    assert_eq!(decode(&bytes(&-1e30_f64)), Ok(-1_000_000_000_000_000_019_884_624_838_656_i128));
}

#[test]
fn w6_a_float_that_is_no_integer_is_refused_for_one() {
    assert_eq!(refusal::<i64>(&HALF_F64), "invalid type: floating point `0.5`, expected i64");
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 18_446_744_073_709_551_616.0] {
        let text = refusal::<u64>(&bytes(&float));
        assert!(text.starts_with("invalid type: floating point `"), "{text}");
        assert!(text.ends_with("`, expected u64"), "{text}");
    }
    assert_eq!(refusal::<u8>(&bytes(&256.0)), "invalid value: integer `256`, expected u8");
    assert_eq!(refusal::<u8>(&bytes(&-1.0)), "invalid value: integer `-1`, expected u8");
    assert!(decode::<i64>(&bytes(&9_223_372_036_854_775_808.0)).is_err());
}

#[test]
#[expect(clippy::float_cmp, reason = "they are the same, to the bit")]
fn w6_an_integer_is_read_as_a_float() {
    assert_eq!(decode::<f64>(&[5]).unwrap(), 5.0);
    assert_eq!(decode::<f32>(&[0xff]).unwrap(), -1.0);
    assert_eq!(decode::<f64>(&bytes(&u64::MAX)).unwrap(), 18_446_744_073_709_551_616.0);
}

#[test]
#[expect(clippy::float_cmp, reason = "they are the same, to the bit")]
fn w6_an_f64_too_large_for_an_f32_is_refused() {
    let text = refusal::<f32>(&bytes(&1.7e308_f64));
    assert!(text.starts_with("invalid value: floating point"), "{text}");
    assert!(text.ends_with("expected f32"), "{text}");
    assert_eq!(decode::<f32>(&bytes(&f64::INFINITY)).unwrap(), f32::INFINITY);
    assert!(decode::<f32>(&bytes(&f64::NAN)).unwrap().is_nan());
    assert_eq!(decode::<f32>(&bytes(&0.1_f64)).unwrap(), 0.1);
    assert_eq!(decode::<f64>(&bytes(&0.5_f32)).unwrap(), 0.5);
}

#[test]
fn w6_128_bit_integers_are_read_back() {
    for value in [0, -1, i128::MAX, i128::MIN, i128::from(u64::MAX), i128::from(i64::MIN)] {
        assert_eq!(decode(&bytes(&value)), Ok(value));
    }
    for value in [0, u128::MAX, u128::from(u64::MAX) + 1] {
        assert_eq!(decode(&bytes(&value)), Ok(value));
    }
    assert!(refusal::<u128>(&[0xff]).starts_with("invalid value: integer `-1`"));
}

#[test]
fn w6_a_str_is_read_as_bytes() {
    assert_eq!(decode(b"\xa2ab"), Ok(b"ab".to_vec()));
    assert_eq!(decode(b"\xd9\x02ab"), Ok(b"ab".to_vec()));
    assert_eq!(decode::<&[u8]>(b"\xa2ab"), Ok(&b"ab"[..]));
    assert_eq!(decode(b"\xa2ab"), Ok(*b"ab"));
    assert_eq!(decode(b"\xa2\xff\xfe"), Ok(vec![0xff_u8, 0xfe]));
    assert_eq!(decode::<&[u8]>(b"\xa2\xff\xfe"), Ok(&[0xff_u8, 0xfe][..]));
    assert_eq!(decode(&[0xa0]), Ok(Vec::<u8>::new()));
}

#[test]
fn w6_a_bin_or_an_array_is_read_as_bytes() {
    assert_eq!(decode(&[0xc4, 2, 1, 200]), Ok(vec![1_u8, 200]));
    assert_eq!(decode(&[0x92, 1, 0xcc, 200]), Ok(vec![1_u8, 200]));
    assert_eq!(decode(&[0xc4, 2, 1, 200]), Ok([1_u8, 200]));
    assert_eq!(decode(&[0x92, 1, 0xcc, 200]), Ok([1_u8, 200]));
    assert_eq!(decode(&[0xc4, 2, 1, 200]), Ok((1_u8, 200_u8)));
    assert_eq!(decode(&[0x92, 1, 2]), Ok((1_u8, 2_u8)));
    assert_eq!(decode(&[0x90]), Ok(Vec::<u8>::new()));
    assert_eq!(decode(&[0xc4, 0]), Ok(Vec::<u8>::new()));
    assert_eq!(decode(&[0xc4, 0]), Ok(Some(Vec::<u8>::new())));
    assert_eq!(decode(&[0xc4, 2, 1, 200]), Ok(vec![1_u32, 200]));
    assert_eq!(decode::<BorrowedCow<'_, [u8]>>(&[0x92, 1, 2]).unwrap().0, Cow::Borrowed(&[1, 2]));
    assert_eq!(refusal::<[u8; 2]>(&[0xc4, 3, 1, 2, 3]), "invalid length 3, expected 2 elements");
    assert_eq!(
        refusal::<[u8; 2]>(&[0xc4, 1, 1]),
        "invalid length 1, expected an array of length 2"
    );
}

#[test]
fn w6_a_str_is_no_sequence_of_anything_but_bytes() {
    assert_eq!(refusal::<Vec<u32>>(b"\xa2ab"), "invalid type: string \"ab\", expected a sequence");
    assert_eq!(refusal::<Vec<String>>(&[0xa0]), "invalid type: string \"\", expected a sequence");
    assert_eq!(refusal::<Vec<String>>(&[0xc4, 0]), "invalid type: byte array, expected a sequence");
    assert_eq!(refusal::<Vec<f32>>(&[0xc4, 1, 1]), "invalid type: byte array, expected a sequence");
}

#[test]
fn w6_a_bin_is_read_as_a_string() {
    assert_eq!(decode(b"\xc4\x02ab"), Ok("ab".to_owned()));
    assert_eq!(decode::<&str>(b"\xc5\x00\x02ab"), Ok("ab"));
    assert_eq!(decode::<char>(b"\xc4\x01a"), Ok('a'));
    assert_eq!(decode::<char>(b"\xa1a"), Ok('a'));
    let not_utf8 = "invalid value: bytes that are not UTF-8, expected a string";
    assert_eq!(refusal::<String>(&[0xc4, 1, 0xff]), not_utf8);
    assert_eq!(refusal::<String>(b"\xa4\xff\xfeab"), not_utf8);
    assert_eq!(
        refusal::<&str>(&[0xa1, 0xff]),
        "invalid value: bytes that are not UTF-8, expected a borrowed string"
    );
    let text = refusal::<u32>(&[0xa1, 0xff]);
    assert!(text.starts_with("invalid type: string that is not UTF-8"), "{text}");
}

#[test]
fn borrowed_strings_and_bytes_lie_in_the_input() {
    let within = |input: &[u8], part: &[u8]| input.as_ptr_range().contains(&part.as_ptr());
    for input in [&b"\x91\xa2ab"[..], b"\x91\xc4\x02ab"] {
        let [text]: [&str; 1] = decode(input).unwrap();
        assert!(within(input, text.as_bytes()));
        let [bytes]: [&[u8]; 1] = decode(input).unwrap();
        assert!(within(input, bytes));
        let [BorrowedCow(cow)]: [BorrowedCow<'_, str>; 1] = decode(input).unwrap();
        assert!(matches!(cow, Cow::Borrowed("ab")));
        let [BorrowedCow(cow)]: [BorrowedCow<'_, [u8]>; 1] = decode(input).unwrap();
        assert!(matches!(cow, Cow::Borrowed(bytes) if within(input, bytes)));
    }
}

#[test]
fn w6_nil_and_an_empty_array_are_unit() {
    for input in [&[0xc0][..], &[0x90], &[0xdc, 0, 0]] {
        assert_eq!(decode(input), Ok(()));
        assert_eq!(decode(input), Ok(Unit));
    }
    assert_eq!(refusal::<()>(&[0x91, 1]), "invalid type: sequence, expected unit");
    assert_eq!(refusal::<()>(&[0x80]), "invalid type: map, expected unit");
    assert_eq!(refusal::<Unit>(&[5]), "invalid type: integer `5`, expected unit struct Unit");
}

#[test]
fn w6_a_struct_is_read_from_a_map_or_an_array() {
    let address = Address { street: "s".into(), number: 7 };
    for input in [
        &b"\x82\xa6street\xa1s\xa6number\x07"[..],
        b"\x92\xa1s\x07",
        b"\x82\xc4\x06number\x07\xc4\x06street\xa1s",
        b"\x83\xa6street\xa1s\xa6number\x07\xa1x\xd4\x05\x01",
    ] {
        assert_eq!(decode(input), Ok(address.clone()));
    }
    assert_eq!(refusal::<Address>(b"\x93\xa1s\x07\x07"), "invalid length 3, expected 2 elements");
    assert_eq!(
        refusal::<Address>(b"\x91\xa1s"),
        "invalid length 1, expected struct Address with 2 elements"
    );
    assert_eq!(refusal::<Address>(&[0x80]), "missing field `street`");
    assert_eq!(refusal::<Address>(b"\x82\xa6number\x07\xa6number\x07"), "duplicate field `number`");
    assert_eq!(refusal::<Address>(&[0xc0]), "invalid type: unit value, expected struct Address");
}

#[test]
fn w6_an_enum_is_read_from_its_name_or_a_map_of_one_entry() {
    assert_eq!(decode(b"\xa5Point"), Ok(Shape::Point));
    assert_eq!(decode(b"\xc4\x05Point"), Ok(Shape::Point));
    assert_eq!(decode(b"\x81\xa5Point\xc0"), Ok(Shape::Point));
    assert_eq!(decode(&[0]), Ok(Shape::Point));
    assert_eq!(decode(b"\x81\xa6Circle\x02"), Ok(Shape::Circle(2.0)));
    assert_eq!(decode(b"\x81\xc4\x04Line\x92\x01\x02"), Ok(Shape::Line(1, 2)));
    let boxed = Shape::Box { width: 3, label: None };
    assert_eq!(decode(b"\x81\xa3Box\x92\x03\xc0"), Ok(boxed.clone()));
    assert_eq!(decode(b"\x81\xa3Box\x81\xa5width\x03"), Ok(boxed));
    assert_eq!(
        refusal::<Shape>(&[0x80]),
        "invalid length 0, expected a map of one entry for an enum's variant"
    );
    assert_eq!(
        refusal::<Shape>(b"\x81\xa5Point\x05"),
        "Point: invalid type: integer, expected nil"
    );
    assert!(refusal::<Shape>(b"\xa4Cone").starts_with("unknown variant `Cone`, expected one of"));
    assert_eq!(
        refusal::<Shape>(b"\xa6Circle"),
        "Circle: invalid type: unit variant, expected newtype variant"
    );
}

#[test]
fn a13_an_extension_where_something_else_is_wanted_is_named() {
    let extension = [0xd4, 5, 1];
    let is = |expected| format!("invalid type: extension type 5, expected {expected}");
    assert_eq!(refusal::<String>(&extension), is("a string"));
    assert_eq!(refusal::<u32>(&extension), is("u32"));
    assert_eq!(refusal::<f32>(&extension), is("f32"));
    assert_eq!(refusal::<bool>(&extension), is("a boolean"));
    assert_eq!(refusal::<Vec<u8>>(&extension), is("a sequence"));
    assert_eq!(refusal::<&[u8]>(&extension), is("a borrowed byte array"));
    assert_eq!(refusal::<Address>(&extension), is("struct Address"));
    assert_eq!(refusal::<()>(&extension), is("unit"));
    assert_eq!(refusal::<Shape>(&extension), is("variant identifier"));
    assert_eq!(refusal::<BTreeMap<u8, u8>>(&[0xc7, 0, 5]), is("a map"));
    assert_eq!(decode(&extension), Ok(serde::de::IgnoredAny));
}

#[test]
fn a13_a_type_that_knows_its_extension_reads_and_writes_it() {
    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension((i8, Bytes));
    #[derive(Debug, PartialEq)]
    struct Bytes(Vec<u8>);
    impl serde::Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_bytes(&self.0)
        }
    }
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            <&[u8]>::deserialize(from).map(|bytes| Self(bytes.to_vec()))
        }
    }
    let extension = Extension((5, Bytes(vec![1])));
    assert_eq!(bytes(&extension), [0xd4, 5, 1]);
    assert_eq!(decode(&[0xd4, 5, 1]), Ok(extension));
}

#[test]
fn b5_an_error_names_the_path_within_the_value() {
    let path = |bytes| refusal::<Vec<Person>>(bytes);
    assert_eq!(
        path(b"\x91\x82\xa4name\xa1n\xa7address\x81\xa6street\x05"),
        "[0].address.street: invalid type: integer `5`, expected a string"
    );
    assert_eq!(
        path(b"\x91\x92\xa1n\x92\xa1s\xa1x"),
        "[0].address.number: invalid type: string \"x\", expected u32"
    );
    assert_eq!(
        path(b"\x91\x82\xa4name\xa1n\xa7address\x80"),
        "[0].address: missing field `street`"
    );
    assert_eq!(
        refusal::<BTreeMap<u8, u8>>(&[0x82, 1, 1, 2, 0xc0]),
        "[1]: invalid type: unit value, expected u8"
    );
    assert_eq!(
        refusal::<Shape>(b"\x81\xa5Group\x92\xa5Point\x81\xa3Box\x81\xa5width\xff"),
        "Group[1].Box.width: invalid value: integer `-1`, expected u32"
    );
}

#[test]
fn values_there_and_back() {
    let person = Person {
        name: "n".into(),
        address: Address { street: "s".into(), number: 1 },
        photo: vec![],
        note: Some("é".into()),
    };
    assert_eq!(decode(&bytes(&person)), Ok(person.clone()));
    let address: std::net::IpAddr = [127, 0, 0, 1].into();
    assert_eq!(decode(&bytes(&address)), Ok(address));
    let octets = std::num::NonZeroU8::MIN;
    assert_eq!(decode(&bytes(&vec![octets])), Ok(vec![octets]));
}

#[test]
fn w3_params_are_read_one_by_one() {
    let mut elements = Elements::new(b"\x93\x01\xa1x\xc4\x01\xff").unwrap();
    assert_eq!(elements.len(), 3);
    assert_eq!(elements.next(), Ok(1_u8));
    assert_eq!(elements.next(), Ok("x"));
    assert_eq!(elements.next(), Ok(vec![255_u8]));
    assert!(elements.is_empty());
    assert_eq!(elements.next::<u8>().unwrap_err().to_string(), "there are no more elements");
    elements.finish().unwrap();
}

#[test]
fn w3_nil_counts_as_no_params() {
    for none in [&[0xc0][..], &[0x90], &[0xdc, 0, 0], &[0xdd, 0, 0, 0, 0]] {
        let elements = Elements::new(none).unwrap();
        assert!(elements.is_empty());
        elements.finish().unwrap();
    }
}

#[test]
fn w3_params_that_are_no_array_are_refused() {
    let refusal = |bytes| Elements::new(bytes).unwrap_err().to_string();
    assert_eq!(refusal(b"\x81\x01\x01"), "invalid type: map, expected an array");
    assert_eq!(refusal(b"\xa1a"), "invalid type: string, expected an array");
    assert_eq!(refusal(&[]), "the array ends too early");
    assert_eq!(refusal(&[0xdc, 0]), "the array ends too early");
}

#[test]
fn b5_an_element_that_fails_ends_the_reading() {
    let mut elements = Elements::new(b"\x92\xa1x\x02").unwrap();
    let error = elements.next::<u8>().unwrap_err().to_string();
    assert_eq!(error, "invalid type: string \"x\", expected u8");
    assert!(elements.next::<u8>().is_err());
    let mut elements = Elements::new(b"\x92\x01\x02").unwrap();
    assert_eq!(elements.next(), Ok(1));
    assert_eq!(elements.finish().unwrap_err().to_string(), "1 elements are left over");
    let elements = Elements::new(b"\x90\x02").unwrap();
    assert!(elements.finish().is_err());
}
