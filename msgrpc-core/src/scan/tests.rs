//! The scanner against rmp-serde, against itself in pieces, at its limits, and against liars.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a panic fails a test, as it should"
)]

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;

use super::check::{agrees_with_itself_in_pieces, agrees_with_rmp_serde};
use super::*;

const LIMITS: ScanLimits = ScanLimits::new(8 << 20, 128, 1 << 20);

thread_local! {
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// Called by the scanner for each first byte of a head that it looks at.
pub(super) fn looked() {
    LOOKS.set(LOOKS.get() + 1);
}

/// A value to be encoded in any width, with what the limits count in it.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Vec<u8>),
    Ext(Vec<u8>),
    Array(Width, Vec<Self>),
    Map(Width, Vec<(Self, Self)>),
}

/// Which of the encodings of a length is used.
#[derive(Clone, Copy, Debug)]
enum Width {
    Shortest,
    Bits16,
    Bits32,
}

impl Tree {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Leaf(leaf) | Self::Ext(leaf) => bytes.extend_from_slice(leaf),
            Self::Array(width, elements) => {
                width.head(elements.len(), wire::array_head, 0xdc, bytes);
                for element in elements {
                    element.encode(bytes);
                }
            }
            Self::Map(width, entries) => {
                width.head(entries.len(), wire::map_head, 0xde, bytes);
                for (key, value) in entries {
                    key.encode(bytes);
                    value.encode(bytes);
                }
            }
        }
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Leaf(_) | Self::Ext(_) => Vec::new(),
            Self::Array(_, elements) => elements.iter().collect(),
            Self::Map(_, entries) => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
        }
    }

    fn elements(&self) -> usize {
        let children = self.children();
        children.len() + children.iter().map(|child| child.elements()).sum::<usize>()
    }

    fn depth(&self) -> usize {
        let below = self.children().iter().map(|child| child.depth()).max().unwrap_or_default();
        below + usize::from(!matches!(self, Self::Leaf(_)))
    }
}

impl Width {
    fn head(self, len: usize, shortest: fn(u32) -> wire::Head, marker: u8, to: &mut Vec<u8>) {
        let len = u32::try_from(len).unwrap();
        match self {
            Self::Shortest => to.extend_from_slice(shortest(len).as_slice()),
            Self::Bits16 => {
                to.push(marker);
                to.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            }
            Self::Bits32 => {
                to.push(marker + 1);
                to.extend_from_slice(&len.to_be_bytes());
            }
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let width = || {
        prop_oneof![
            3 => Just(Width::Shortest),
            1 => Just(Width::Bits16),
            1 => Just(Width::Bits32)
        ]
    };
    let body = |head: fn(u32) -> wire::Head| {
        vec(any::<u8>(), 0..300).prop_map(move |body| {
            [head(u32::try_from(body.len()).unwrap()).as_slice(), &body].concat()
        })
    };
    let leaf = prop_oneof![
        Just(Tree::Leaf(vec![wire::NIL])),
        any::<bool>().prop_map(|b| Tree::Leaf(vec![0xc2 | u8::from(b)])),
        any::<i8>().prop_map(|n| Tree::Leaf(wire::sint(n.into()).as_slice().to_vec())),
        // Any number marker, floats included, with any body.
        (0..10_u8, any::<[u8; 8]>()).prop_map(|(marker, body)| {
            let size = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8][usize::from(marker)];
            Tree::Leaf([&[0xca + marker], &body[..size]].concat())
        }),
        body(wire::str_head).prop_map(Tree::Leaf),
        body(wire::bin_head).prop_map(Tree::Leaf),
        body(|len| wire::ext_head(5, len)).prop_map(Tree::Ext),
        (0..5_u8, any::<[u8; 17]>()).prop_map(|(power, tag_and_body)| {
            Tree::Ext([&[0xd4 + power], &tag_and_body[..=1 << power]].concat())
        }),
    ];
    leaf.prop_recursive(6, 64, 20, move |inner| {
        prop_oneof![
            (width(), vec(inner.clone(), 0..20)).prop_map(|(w, elements)| Tree::Array(w, elements)),
            (width(), vec((inner.clone(), inner), 0..10)).prop_map(|(w, e)| Tree::Map(w, e)),
        ]
    })
}

fn encode(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    tree.encode(&mut bytes);
    bytes
}

/// Bytes that are more often markers than chance has it, so that they nest.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => any::<u8>(),
        2 => 0x80..0xa4_u8,
        2 => 0xc0..0xe0_u8,
        3 => 0..3_u8,
    ];
    vec(byte, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_ends_where_rmp_serde_ends_on_any_bytes(bytes in hostile_bytes()) {
        agrees_with_rmp_serde(&bytes);
    }

    #[test]
    fn it_ends_where_rmp_serde_ends_on_every_value(tree in trees(), after in vec(any::<u8>(), 0..4)) {
        let mut bytes = encode(&tree);
        let len = bytes.len();
        bytes.extend_from_slice(&after);
        prop_assert_eq!(Scanner::new(LIMITS).scan(&bytes), Ok(Scan::Done { len }));
        agrees_with_rmp_serde(&bytes);
        agrees_with_rmp_serde(&bytes[..len - 1]);
    }

    #[test]
    fn it_gives_the_same_verdict_in_any_pieces(
        bytes in prop_oneof![hostile_bytes(), trees().prop_map(|tree| encode(&tree))],
        pieces in vec(any::<u8>(), 0..8),
        (message_bytes, depth, elements) in (0..2000_usize, 0..6_usize, 0..60_usize),
    ) {
        for limits in [LIMITS, ScanLimits::new(message_bytes, depth, elements)] {
            agrees_with_itself_in_pieces(&bytes, limits, &pieces);
            agrees_with_itself_in_pieces(&bytes, limits, &[1]);
        }
    }

    #[test]
    fn every_cut_of_a_value_is_more_and_the_rest_completes_it(tree in trees(), cut: prop::sample::Index) {
        let bytes = encode(&tree);
        let len = bytes.len();
        let cut = cut.index(len);
        let mut scanner = Scanner::new(LIMITS);
        match scanner.scan(&bytes[..cut]) {
            Ok(Scan::More { missing }) => prop_assert!((1..=len - cut).contains(&missing)),
            other => prop_assert!(false, "{:?} at {}", other, cut),
        }
        prop_assert_eq!(scanner.scan(&bytes), Ok(Scan::Done { len }));
    }

    #[test]
    fn a_value_passes_limits_that_it_just_meets_and_no_smaller_ones(tree in trees()) {
        let bytes = encode(&tree);
        let len = bytes.len();
        let (depth, elements) = (tree.depth(), tree.elements());
        let scan = |limits| Scanner::new(limits).scan(&bytes);
        prop_assert_eq!(scan(ScanLimits::new(len, depth, elements)), Ok(Scan::Done { len }));
        if len > 1 {
            let too_large = Err(ScanError::TooLarge { limit: len - 1, claimed: len });
            prop_assert_eq!(scan(ScanLimits::new(len - 1, depth, elements)), too_large);
        }
        if let Some(limit) = depth.checked_sub(1) {
            let too_deep = Err(ScanError::TooDeep { limit });
            prop_assert_eq!(scan(ScanLimits::new(len, limit, elements)), too_deep);
        }
        if let Some(limit) = elements.checked_sub(1) {
            let too_many = Err(ScanError::TooManyElements { limit });
            prop_assert_eq!(scan(ScanLimits::new(len, depth, limit)), too_many);
        }
    }
}

#[test]
fn a_request_is_found_at_every_split_into_three_reads() {
    // W2: [0, 258, "echo", ["…"]]
    let body = "0123456789abcdef0123456789abcdef";
    let request = [b"\x94\x00\xcd\x01\x02\xa4echo\x91\xd9\x20", body.as_bytes()].concat();
    let len = request.len();
    for first in 0..len {
        for second in first..len {
            let mut scanner = Scanner::new(LIMITS);
            for cut in [first, second] {
                assert!(matches!(scanner.scan(&request[..cut]), Ok(Scan::More { .. })));
            }
            assert_eq!(scanner.scan(&request), Ok(Scan::Done { len }));
        }
    }
}

#[test]
fn values_in_one_buffer_are_found_one_after_another() {
    let mut rest = &b"\x93\x02\xa1x\x90\x05\xc4\x01\xff\x81\xa1k\xc0"[..];
    let mut scanner = Scanner::new(LIMITS);
    let mut lengths = Vec::new();
    while !rest.is_empty() {
        let Ok(Scan::Done { len }) = scanner.scan(rest) else { panic!("it is whole") };
        lengths.push(len);
        rest = &rest[len..];
    }
    assert_eq!(lengths, [5, 1, 3, 4]);
    assert_eq!(scanner.scan(rest), Ok(Scan::More { missing: 1 }));
}

#[test]
fn what_is_missing_is_the_body_and_a_byte_for_each_element_owed() {
    let missing = |bytes: &[u8]| Scanner::new(LIMITS).scan(bytes);
    assert_eq!(missing(b"\xa4ec"), Ok(Scan::More { missing: 2 }));
    assert_eq!(missing(b"\xc5\x01\x00"), Ok(Scan::More { missing: 256 }));
    assert_eq!(missing(b"\xdc\x01\x00\x05"), Ok(Scan::More { missing: 255 }));
    assert_eq!(missing(b"\xde\x01\x00"), Ok(Scan::More { missing: 512 }));
    assert_eq!(missing(b"\x93\x00\xc4\x0a"), Ok(Scan::More { missing: 11 }));
    assert_eq!(missing(b"\xdb\x00"), Ok(Scan::More { missing: 1 }));
}

#[test]
fn lying_lengths_are_refused_at_once() {
    // A3, A4, A7: the head alone, at the top and within a message.
    let heads: [&[u8]; 9] = [
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x80\x00\x00\x00",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\x00\x80\x00\x00",
        b"\xdd\x00\x80\x00\x00",
        b"\xdf\x00\x40\x00\x00",
    ];
    let places: [&[u8]; 5] =
        [b"", b"\x94", b"\x94\x00", b"\x94\x00\x01", b"\x94\x00\x01\xa1m\x91\x81"];
    for head in heads {
        for place in places {
            let bytes = [place, head].concat();
            let mut scanner = Scanner::new(LIMITS);
            let error = scanner.scan(&bytes).unwrap_err();
            assert!(matches!(error, ScanError::TooLarge { claimed, .. } if claimed > 8 << 20));
            assert!(scanner.ends.capacity() <= 8, "{bytes:02x?} took memory");
        }
    }
}

#[test]
fn a_map_of_the_largest_count_does_not_overflow_without_limits() {
    let mut scanner = Scanner::new(ScanLimits::new(usize::MAX, 128, usize::MAX));
    for bytes in [&b"\xdf\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff\xdf\xff\xff\xff\xff"] {
        let Ok(Scan::More { missing }) = scanner.scan(bytes) else { panic!("it is not whole") };
        assert!(missing >= u32::MAX as usize);
    }
}

#[test]
fn claims_that_only_together_pass_the_limit_are_refused() {
    // Ten bytes at most: 95 needs six, 94 within it four more, then 93 cannot be.
    let mut scanner = Scanner::new(ScanLimits::new(10, 128, 100));
    assert_eq!(scanner.scan(b"\x95\x94"), Ok(Scan::More { missing: 8 }));
    let error = ScanError::TooLarge { limit: 10, claimed: 11 };
    assert_eq!(scanner.scan(b"\x95\x94\x91"), Err(error));
}

#[test]
fn nesting_is_refused_beyond_its_limit_however_deep_and_of_whatever_kind() {
    // A5: arrays, map values, map keys, wide heads.
    let levels: [&[u8]; 6] =
        [b"\x91", b"\x81\xa1k", b"\x81", b"\xdc\x00\x01", b"\x92", b"\xdf\x00\x00\x00\x01"];
    for level in levels {
        let mut inside = level.repeat(127);
        inside.extend_from_slice(b"\x90");
        assert!(Scanner::new(LIMITS).scan(&inside).is_ok(), "{level:02x?}");
        for deep in [129, 1024, 100_000, 8_000_000 / level.len()] {
            let bytes = level.repeat(deep);
            let error = ScanError::TooDeep { limit: 128 };
            assert_eq!(Scanner::new(LIMITS).scan(&bytes), Err(error), "{deep} of {level:02x?}");
        }
    }
}

#[test]
fn depth_counts_open_containers_extensions_and_empty_ones() {
    let scan = |depth, bytes: &[u8]| Scanner::new(ScanLimits::new(1024, depth, 1024)).scan(bytes);
    let depths: [(usize, &[u8]); 8] = [
        (0, b"\x05"),
        (0, b"\xa4echo"),
        (1, b"\x90"),
        (1, b"\x80"),
        (1, b"\xd4\x05\x00"),
        (2, b"\x94\x00\x01\xa1m\x91\x05"),
        (2, b"\x92\x90\x91\xc0"),
        (3, b"\x92\x91\x80\x91\xc7\x00\x05"),
    ];
    for (depth, bytes) in depths {
        assert_eq!(scan(depth, bytes), Ok(Scan::Done { len: bytes.len() }), "{bytes:02x?}");
        if let Some(limit) = depth.checked_sub(1) {
            assert_eq!(scan(limit, bytes), Err(ScanError::TooDeep { limit }), "{bytes:02x?}");
        }
    }
}

#[test]
fn closed_containers_do_not_count_as_depth() {
    let mut bytes = b"\xdd\x00\x01\x00\x00".to_vec();
    bytes.extend_from_slice(&b"\x91\x05".repeat(1 << 16));
    let scanned = Scanner::new(ScanLimits::new(1 << 20, 2, 1 << 17)).scan(&bytes);
    assert_eq!(scanned, Ok(Scan::Done { len: bytes.len() }));
}

#[test]
fn too_many_elements_are_refused_when_they_are_claimed() {
    let scan = |bytes: &[u8]| Scanner::new(ScanLimits::new(1 << 20, 128, 8)).scan(bytes);
    assert_eq!(scan(b"\x98"), Ok(Scan::More { missing: 8 }));
    assert_eq!(scan(b"\x84"), Ok(Scan::More { missing: 8 }));
    let error = Err(ScanError::TooManyElements { limit: 8 });
    assert_eq!(scan(b"\x99"), error);
    assert_eq!(scan(b"\x85"), error);
    assert_eq!(scan(b"\x92\x93\x05\x05\x05\x94"), error);
}

#[test]
fn extensions_of_every_form_are_skipped() {
    // A13, timestamps and an empty one included.
    for len in [0, 1, 2, 3, 4, 8, 16, 17, 255, 256, 0xffff, 0x1_0000] {
        let mut bytes = wire::ext_head(-1, len).as_slice().to_vec();
        bytes.resize(bytes.len() + len as usize, 0xc1);
        let len = bytes.len();
        assert_eq!(Scanner::new(LIMITS).scan(&bytes), Ok(Scan::Done { len }));
        agrees_with_rmp_serde(&bytes);
        agrees_with_itself_in_pieces(&bytes, LIMITS, &[1]);
    }
}

#[test]
fn the_reserved_byte_is_refused_wherever_a_value_should_begin() {
    // A6
    let places: [&[u8]; 8] = [
        b"",
        b"\x94",
        b"\x94\x00",
        b"\x94\x00\x01",
        b"\x94\x00\x01\xa1m",
        b"\x94\x00\x01\xa1m\x91",
        b"\x94\x00\x01\xa1m\x91\x81",
        b"\x94\x00\x01\xa1m\x91\x81\x05",
    ];
    for place in places {
        let bytes = [place, b"\xc1"].concat();
        let mut scanner = Scanner::new(LIMITS);
        assert_eq!(scanner.scan(&bytes), Err(ScanError::Reserved { offset: place.len() }));
        agrees_with_rmp_serde(&bytes);
    }
}

#[test]
fn the_reserved_byte_within_a_body_means_nothing() {
    for bytes in [&b"\xa1\xc1"[..], b"\xc4\x01\xc1", b"\xcc\xc1", b"\xd4\xc1\xc1", b"\xd9\x01\xc1"]
    {
        let len = bytes.len();
        assert_eq!(Scanner::new(LIMITS).scan(bytes), Ok(Scan::Done { len }));
    }
}

#[test]
fn an_error_comes_again_until_it_is_reset() {
    let mut scanner = Scanner::new(ScanLimits::new(4, 128, 8));
    for bytes in [&b"\x91\xa4"[..], b"\x91\xd9\x04", b"\x91\xc1", b"\x99"] {
        let error = scanner.scan(bytes).unwrap_err();
        assert_eq!(scanner.scan(bytes), Err(error));
        scanner.reset();
        assert_eq!(scanner.scan(b"\x90"), Ok(Scan::Done { len: 1 }));
    }
}

#[test]
fn fewer_bytes_than_before_are_not_a_panic() {
    let mut scanner = Scanner::new(LIMITS);
    assert_eq!(scanner.scan(b"\x93\x00\x00"), Ok(Scan::More { missing: 1 }));
    assert_eq!(scanner.scan(b""), Ok(Scan::More { missing: 4 }));
    assert_eq!(scanner.scan(b"\x93\x00\x00\x00"), Ok(Scan::Done { len: 4 }));
}

#[test]
fn a_megabyte_byte_by_byte_costs_one_look_per_head() {
    // A2, and section 1's 13 seconds: strings of 1 000 bytes, numbers, and heads that are cut.
    let mut bytes = b"\xdc\x04\x00".to_vec();
    for _ in 0..1024 {
        bytes.extend_from_slice(b"\x93\xcf12345678\x07\xda\x03\xe8");
        bytes.resize(bytes.len() + 1000, b'x');
    }
    let heads = 1 + 1024 * 4;
    let mut scanner = Scanner::new(LIMITS);
    LOOKS.set(0);
    let mut scanned = 0;
    for received in 1..bytes.len() {
        assert!(matches!(scanner.scan(&bytes[..received]), Ok(Scan::More { .. })));
        assert!(scanner.scanned() >= scanned);
        scanned = scanner.scanned();
    }
    assert_eq!(scanner.scan(&bytes), Ok(Scan::Done { len: bytes.len() }));
    // The head of the outer array and that of each string are cut twice and looked at again then.
    assert_eq!(LOOKS.get(), heads + 2 * (1 + 1024));
}

#[test]
fn errors_say_what_was_claimed_and_what_is_allowed() {
    let text = |limits, bytes: &[u8]| Scanner::new(limits).scan(bytes).unwrap_err().to_string();
    let small = ScanLimits::new(64, 2, 8);
    assert_eq!(text(small, b"\xd9\x40"), "message of at least 66 bytes, more than the limit of 64");
    assert_eq!(text(small, b"\x91\x91\x91"), "message nested deeper than the limit of 2");
    assert_eq!(text(small, b"\x99"), "message of more elements than the limit of 8");
    assert_eq!(text(small, b"\x91\xc1"), "byte 1 of the message is 0xc1, which begins no value");
}
