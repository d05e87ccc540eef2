//! Messages, byte by byte; each test quotes its rule of WIRE.md.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use super::{
    Malformed, Message, OwnedInvocation, begun_request, notification_head, read, request_head,
    response_head,
};
use crate::limits::Limits;
use crate::msgid::MsgId;
use crate::payload::Raw;

fn parse(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    read(Raw::new(bytes, None), Limits::server().scan())
}

fn invocation(bytes: &[u8]) -> OwnedInvocation {
    match parse(bytes) {
        Ok(Message::Invocation(invocation)) => invocation.keep(),
        other => panic!("{other:?}"),
    }
}

fn fault(bytes: &[u8]) -> (Option<u32>, String) {
    match parse(bytes) {
        Err(malformed) => {
            (malformed.msgid.map(MsgId::number), malformed.fault.message().to_owned())
        }
        Ok(message) => panic!("{message:?}"),
    }
}

/// `[0, 7, "add", [1, 2]]`
const REQUEST: [u8; 10] = [0x94, 0, 7, 0xa3, b'a', b'd', b'd', 0x92, 1, 2];

#[test]
fn w2_a_request_is_type_msgid_method_params() {
    let request = invocation(&REQUEST);
    assert_eq!(request.msgid(), Some(MsgId::new(7)));
    assert_eq!((request.method(), request.params()), ("add", &[0x92, 1, 2][..]));
    let mut bytes = Vec::new();
    request_head(&mut bytes, MsgId::new(7), "add");
    assert_eq!([&bytes[..], &[0x92, 1, 2]].concat(), REQUEST);
}

#[test]
fn w2_a_notification_is_type_method_params() {
    let bytes = [0x93, 2, 0xa3, b'l', b'o', b'g', 0x91, 0xa2, b'h', b'i'];
    let notification = invocation(&bytes);
    assert_eq!((notification.msgid(), notification.method()), (None, "log"));
    let mut head = Vec::new();
    notification_head(&mut head, "log");
    assert_eq!([&head, notification.params()].concat(), bytes);
}

#[test]
fn w2_a_response_is_type_msgid_error_result() {
    let Ok(Message::Response(response)) = parse(&[0x94, 1, 7, 0xc0, 3]) else { panic!() };
    assert_eq!(response.msgid, MsgId::new(7));
    assert_eq!(response.outcome.expect("a result").bytes(), [3]);
    let mut head = Vec::new();
    response_head(&mut head, MsgId::new(7), false);
    assert_eq!(head, [0x94, 1, 7, 0xc0]);
}

#[test]
fn w8_whatever_is_no_nil_error_is_an_error_and_wins_over_the_result() {
    let errors: [&[u8]; 7] =
        [&[0xc2], &[0], &[0xa0], &[0x90], &[0x80], &[0x92, 0, 0xa1, b'x'], &[0xc4, 1, 0]];
    for error in errors {
        let bytes = [&[0x94, 1, 7], error, &[0x91, 5]].concat();
        let Ok(Message::Response(response)) = parse(&bytes) else { panic!("{bytes:x?}") };
        assert_eq!(response.outcome.expect_err("an error").bytes(), error);
    }
}

#[test]
fn w3_params_may_be_nil_and_nothing_else_than_an_array() {
    assert_eq!(invocation(&[0x94, 0, 7, 0xa1, b'x', 0xc0]).params(), [0xc0]);
    for params in [&[0x80][..], &[5], &[0xa1, b'y'], &[0xc2]] {
        let (msgid, text) = fault(&[&[0x94, 0, 7, 0xa1, b'x'], params].concat());
        assert_eq!(msgid, Some(7));
        assert!(text.starts_with("the params of `x` must be an array, found "), "{text}");
    }
}

#[test]
fn w4_msgids_are_written_smallest_and_read_in_any_form_that_fits_32_bits() {
    let smallest: [(u32, &[u8]); 5] = [
        (127, &[0x7f]),
        (128, &[0xcc, 128]),
        (256, &[0xcd, 1, 0]),
        (65_536, &[0xce, 0, 1, 0, 0]),
        (MsgId::BOUND - 1, &[0xce, 0x7f, 0xff, 0xff, 0xff]),
    ];
    for (number, bytes) in smallest {
        let mut head = Vec::new();
        response_head(&mut head, MsgId::new(number), true);
        assert_eq!(&head[2..], bytes);
    }
    let wide: [(u32, &[u8]); 6] = [
        (7, &[0xcf, 0, 0, 0, 0, 0, 0, 0, 7]),
        (7, &[0xd0, 7]),
        (200, &[0xd1, 0, 200]),
        (7, &[0xd2, 0, 0, 0, 7]),
        (7, &[0xd3, 0, 0, 0, 0, 0, 0, 0, 7]),
        (u32::MAX, &[0xce, 255, 255, 255, 255]),
    ];
    for (number, bytes) in wide {
        let request = invocation(&[&[0x94, 0], bytes, &[0xa1, b'x', 0x90]].concat());
        assert_eq!(request.msgid(), Some(MsgId::new(number)), "{bytes:x?}");
    }
}

#[test]
fn w4_a_msgid_that_is_no_such_integer_cannot_be_answered() {
    let ids: [&[u8]; 8] = [
        &[0xff],
        &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0],
        &[0xa1, b'7'],
        &[0xc0],
        &[0xcb, 0x40, 0x1c, 0, 0, 0, 0, 0, 0],
        &[0x90],
        &[0xd0, 0xff],
        &[0xc4, 1, 7],
    ];
    for id in ids {
        let (msgid, text) = fault(&[&[0x94, 0], id, &[0xa1, b'x', 0x90]].concat());
        assert_eq!(msgid, None, "{id:x?}");
        assert!(text.contains("msgid"), "{text}");
    }
}

#[test]
fn w5_method_names_are_written_as_str_and_read_as_str_or_bin_of_any_width() {
    let names: [&[u8]; 7] = [
        &[0xa1],
        &[0xd9, 1],
        &[0xda, 0, 1],
        &[0xdb, 0, 0, 0, 1],
        &[0xc4, 1],
        &[0xc5, 0, 1],
        &[0xc6, 0, 0, 0, 1],
    ];
    for name in names {
        let bytes = [&[0x94, 0, 7], name, b"x\x90"].concat();
        assert_eq!(invocation(&bytes).method(), "x", "{name:x?}");
        // The array's own head as well.
        let wide = [&[0xdc, 0, 4], &bytes[1..]].concat();
        assert_eq!(invocation(&wide).params(), [0x90]);
        let wider = [&[0xdd, 0, 0, 0, 4], &bytes[1..]].concat();
        assert_eq!(invocation(&wider).method(), "x");
    }
}

#[test]
fn w5_a_method_name_that_is_no_text_is_answered() {
    assert_eq!(
        fault(&[0x94, 0, 7, 0xa1, 0xff, 0x90]),
        (Some(7), "the method name is not UTF-8".to_owned())
    );
    assert_eq!(
        fault(&[0x94, 0, 7, 0xc0, 0x90]),
        (Some(7), "the method name must be a string, found nil".to_owned())
    );
    assert_eq!(fault(&[0x93, 2, 0xa1, 0xff, 0x90]).0, None, "a notification is not answered");
}

#[test]
fn w11_wrong_lengths_are_answered_where_a_request_has_a_msgid() {
    let five = [0x95, 0, 7, 0xa1, b'x', 0x90, 0xc0];
    assert_eq!(fault(&five), (Some(7), "a request has 4 elements, this one has 5".to_owned()));
    assert_eq!(fault(&[0x93, 0, 7, 0xa1, b'x']).0, Some(7));
    let response = [0x93, 1, 0, 0xc0];
    assert_eq!(fault(&response), (None, "a response has 4 elements, this one has 3".to_owned()));
    assert_eq!(fault(&[0x94, 2, 0xa1, b'x', 0x90, 0xc0]).0, None);
    assert_eq!(
        fault(&[0x92, 0, 7]),
        (Some(7), "a request has 4 elements, this one has 2".to_owned())
    );
}

#[test]
fn w11_unknown_types_and_empty_arrays_are_not_answered() {
    for bytes in [
        &[0x90][..],
        &[0x94, 3, 7, 0xc0, 0xc0],
        &[0x91, 0xff],
        &[0x92, 0xa1, b'0', 1],
        &[0x91, 0xc0],
    ] {
        assert_eq!(fault(bytes).0, None, "{bytes:x?}");
    }
    assert_eq!(fault(&[0x91, 0]).0, None, "a request without anything");
}

#[test]
fn w11_the_msgid_of_an_unfinished_request_is_found() {
    assert_eq!(begun_request(&[0x94, 0, 0xcd, 1, 0, 0xa1]), Some(MsgId::new(256)));
    assert_eq!(begun_request(&[0x94, 0, 0xcd, 1]), None);
    assert_eq!(begun_request(&[0x94, 1, 7, 0xc6, 255, 255, 255, 255]), None, "never a response");
}

#[test]
fn names_and_params_of_a_large_message_are_shared_not_copied() {
    let mut bytes = vec![0x94, 0, 7, 0xa3, b'p', b'u', b't', 0x91, 0xc6, 0, 1, 0, 0];
    bytes.resize(bytes.len() + 65_536, 9);
    let owner = bytes::Bytes::from(bytes);
    let Ok(Message::Invocation(invocation)) =
        read(Raw::new(&owner, Some(&owner)), Limits::server().scan())
    else {
        panic!()
    };
    let kept = invocation.keep();
    assert_eq!(kept.method(), "put");
    assert_eq!(kept.params().as_ptr(), owner[7..].as_ptr());
}
