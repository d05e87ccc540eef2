//! Two endpoints, a virtual wire and a virtual clock: no socket, no runtime.
#![expect(clippy::disallowed_methods, reason = "a virtual clock starts somewhere")]

use std::io::IoSlice;
use std::task::Waker;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Admission, Chunk, Event, Inbound, Outbound, Reach};
use crate::calls::Deadline;
use crate::error::{Greeting, ProtocolError};
use crate::limits::Limits;
use crate::msgid::MsgId;
use crate::payload::{Payload, SHARED_BYTES};
use crate::scan::ScanError;
use crate::value::Style;

/// One side of a connection.
struct End {
    inbound: Inbound,
    outbound: Outbound<Option<u32>>,
}

impl End {
    fn new(limits: &Limits) -> Self {
        Self { inbound: Inbound::new(limits), outbound: Outbound::new(limits) }
    }

    /// All bytes that it has queued.
    fn sent(&mut self) -> Vec<u8> {
        let mut chunk = Chunk::default();
        self.outbound.poll_output(&mut chunk);
        let mut bytes = Vec::new();
        while !chunk.is_empty() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = chunk.slices(&mut slices);
            let part: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            chunk.advance(part.len());
            bytes.extend(part);
        }
        self.outbound.handle_written(bytes.len());
        bytes
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.inbound.buffer().extend_from_slice(bytes);
    }
}

fn params(value: impl serde::Serialize) -> Payload {
    Payload::encode(&value, Style::Named).expect("encodes")
}

#[test]
fn w14_both_ends_call_each_other_with_ids_of_their_own() {
    let mut ends = [End::new(&Limits::client()), End::new(&Limits::server())];
    for end in &mut ends {
        let msgid = end.outbound.call("twice", &params((21,)), None, Some(0));
        assert_eq!(msgid, MsgId::new(0), "ids of the two directions are independent");
    }
    let requests = [ends[0].sent(), ends[1].sent()];
    for (from, to) in [(0, 1), (1, 0)] {
        ends[to].receive(&requests[from]);
        let event = ends[to].inbound.poll_event().expect("well-formed");
        let Some(Event::Invocation(request)) = event else { panic!("{event:?}") };
        assert_eq!(request.method, "twice");
        let msgid = request.msgid.expect("a request");
        ends[to].outbound.reply(msgid, Ok(&params(42)));
    }
    for (from, to) in [(0, 1), (1, 0)] {
        let bytes = ends[from].sent();
        assert_eq!(bytes, [0x94, 1, 0, 0xc0, 42]);
        ends[to].receive(&bytes);
        let event = ends[to].inbound.poll_event().expect("well-formed");
        let Some(Event::Response(response)) = event else { panic!("{event:?}") };
        assert_eq!(response.outcome.expect("a result").bytes(), [42]);
        let msgid = response.msgid;
        *ends[to].outbound.handle_response(msgid).expect("it waits") = Some(42);
        assert_eq!(ends[to].outbound.collect(msgid), Some(Some(42)));
    }
}

/// No arguments.
fn none() -> Payload {
    Payload::copy(&[0x90])
}

/// One of each kind of message, small and large.
fn corpus() -> Vec<Vec<u8>> {
    let mut end = End::new(&Limits::client());
    let mut messages = Vec::new();
    end.outbound.call("add", &params((1, 2)), None, None);
    messages.push(end.sent());
    end.outbound.notify("log", &params(("a line",)));
    messages.push(end.sent());
    end.outbound.reply(MsgId::new(300), Ok(&params(vec![("k", 1.5)])));
    messages.push(end.sent());
    end.outbound.reply(MsgId::new(7), Err(&params("boom")));
    messages.push(end.sent());
    let large = "x".repeat(SHARED_BYTES + 1);
    end.outbound.call("put", &params((large,)), None, None);
    messages.push(end.sent());
    messages
}

/// What an end sees when the bytes come in these pieces.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut end = End::new(&Limits::server());
    let mut seen = Vec::new();
    for piece in pieces {
        end.receive(piece);
        while let Some(event) = end.inbound.poll_event().expect("well-formed") {
            seen.push(match event {
                Event::Invocation(invocation) => {
                    let kept = invocation.keep();
                    format!("{:?} {} {:x?}", kept.msgid(), kept.method(), kept.params())
                }
                other => format!("{other:?}"),
            });
        }
    }
    end.inbound.handle_eof().expect("nothing is left over");
    seen
}

#[test]
fn w1_messages_are_found_however_the_stream_is_cut() {
    let messages = corpus();
    let stream = messages.concat();
    let whole = events(std::iter::once(&stream[..]));
    assert_eq!(whole.len(), messages.len());
    assert_eq!(events(stream.chunks(1)), whole, "byte by byte");
    for message in messages.iter().filter(|message| message.len() < 200) {
        let alone = events(std::iter::once(&message[..]));
        for cut in 1..message.len() {
            let (first, second) = message.split_at(cut);
            assert_eq!(events([first, second].into_iter()), alone);
        }
    }
}

#[test]
fn a_stream_that_ends_within_a_message_is_an_error() {
    for message in corpus().iter().filter(|message| message.len() < 200) {
        for cut in 1..message.len() {
            let mut end = End::new(&Limits::server());
            end.receive(&message[..cut]);
            assert!(end.inbound.poll_event().expect("so far well-formed").is_none());
            let error = end.inbound.handle_eof().expect_err("it is cut off");
            assert_eq!(error, ProtocolError::CutOff { received: cut });
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_read_the_same_in_pieces(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        lengths in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        super::check::reads_the_same_in_pieces(&bytes, &lengths);
    }

    #[test]
    fn random_splits_make_no_difference(cuts in prop::collection::vec(1usize..5000, 1..40)) {
        let stream = corpus().concat();
        let mut rest = &stream[..];
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        pieces.push(rest);
        prop_assert_eq!(events(pieces.into_iter()), events(std::iter::once(&stream[..])));
    }
}

#[test]
fn w11_what_is_no_array_ends_the_connection_with_a_hint() {
    let greetings: [(&[u8], Greeting); 8] = [
        (b"\x15\x03\x03\x00\x02\x02\x32", Greeting::TlsAlert),
        (b"\x16\x03\x01\x02\x00", Greeting::TlsHello),
        (b"GET / HTTP/1.1\r\n", Greeting::HttpRequest),
        (b"PRI * HTTP/2.0\r\n", Greeting::HttpRequest),
        (b"HTTP/1.1 400 Bad Request\r\n", Greeting::HttpResponse),
        (b"220 mail ready\r\n", Greeting::Text("220 mail ready".to_owned())),
        (b"\0\0\0\0", Greeting::Value(0)),
        (b"\xff\xff\xff", Greeting::Value(0xff)),
    ];
    for (bytes, hint) in greetings {
        let mut end = End::new(&Limits::server());
        end.receive(bytes);
        let error = end.inbound.poll_event().expect_err("no message begins so");
        assert_eq!(error, ProtocolError::NotAnArray { hint });
    }
}

#[test]
fn w11_the_seventeenth_message_of_a_wrong_shape_ends_the_connection() {
    let mut end = End::new(&Limits::server());
    end.receive(&[0x90; 17]);
    for _ in 0..16 {
        assert!(matches!(end.inbound.poll_event(), Ok(Some(Event::Malformed(_)))));
    }
    let error = end.inbound.poll_event().expect_err("one too many");
    assert_eq!(error, ProtocolError::TooManyMalformed { limit: 16 });
}

#[test]
fn a_message_that_claims_too_much_ends_the_connection_before_its_body() {
    let mut end = End::new(&Limits::server());
    end.receive(&[0x94, 0, 7, 0xa1, b'x', 0x91, 0xc6, 0xff, 0xff, 0xff, 0xff]);
    let error = end.inbound.poll_event().expect_err("4 GiB are too much");
    let ProtocolError::Scan { error: ScanError::TooLarge { .. }, msgid } = error else {
        panic!("{error:?}")
    };
    assert_eq!(msgid, Some(MsgId::new(7)), "so that the caller can be told");
    assert!(end.inbound.buffer().capacity() < 128 << 10, "nothing is allocated for a claim");
}

#[test]
fn a_call_knows_whether_a_byte_of_it_was_sent() {
    let mut end = End::new(&Limits::client());
    let first = end.outbound.call("a", &none(), None, Some(1));
    let written = end.sent().len();
    let second = end.outbound.call("b", &none(), None, Some(2));
    assert_eq!((first, second), (MsgId::new(0), MsgId::new(1)));
    let mut failed = Vec::new();
    end.outbound.handle_closed(Reach::Written, |sent, slot| failed.push((sent, *slot)));
    assert_eq!(failed, [(true, Some(1)), (false, Some(2))], "{written} bytes were written");
}

#[test]
fn what_a_writer_holds_or_what_still_leaves_counts_as_sent() {
    for (reach, expected) in [
        (Reach::Written, [true, false, false]),
        (Reach::Taken, [true, true, false]),
        (Reach::Queued, [true, true, true]),
    ] {
        let mut end = End::new(&Limits::client());
        end.outbound.call("a", &none(), None, None);
        end.sent();
        end.outbound.call("b", &none(), None, None);
        let mut held = Chunk::default();
        end.outbound.poll_output(&mut held);
        end.outbound.call("c", &none(), None, None);
        let mut failed = Vec::new();
        end.outbound.handle_closed(reach, |sent, _| failed.push(sent));
        assert_eq!(failed, expected, "{reach:?}");
        end.outbound.put_back(&mut held);
    }
}

#[test]
fn what_a_writer_gave_back_has_not_left() {
    let mut end = End::new(&Limits::client());
    end.outbound.call("a", &none(), None, None);
    let mut held = Chunk::default();
    end.outbound.poll_output(&mut held);
    end.outbound.put_back(&mut held);
    let mut failed = Vec::new();
    end.outbound.handle_closed(Reach::Taken, |sent, _| failed.push(sent));
    assert_eq!(failed, [false]);
}

#[test]
fn a_call_that_times_out_in_the_queue_leaves_all_the_same() {
    let mut end = End::new(&Limits::client());
    let now = Instant::now();
    let deadline = Deadline::after(now, Duration::from_secs(1));
    end.outbound.call("late", &none(), deadline, Some(7));
    let mut late = Vec::new();
    end.outbound.handle_time(now + Duration::from_secs(2), |slot| late.push(*slot));
    assert_eq!(late, [Some(7)]);
    assert_eq!(end.sent(), b"\x94\x00\x00\xa4late\x90");
}

#[test]
fn before_there_is_a_stream_all_wait_and_then_go_in_their_order() {
    let mut limits = Limits::client();
    limits.max_in_flight = 2;
    let mut end = End::new(&limits);
    end.outbound.hold();
    let waker = Waker::noop();
    let wait = |admission| match admission {
        Admission::Wait(ticket) => ticket,
        other => panic!("{other:?}"),
    };
    let first = wait(end.outbound.admit(1, waker, None));
    let note = wait(end.outbound.admit_notification(1, waker, || None));
    let third = wait(end.outbound.admit(1, waker, None));
    assert_eq!((end.outbound.is_held(), end.outbound.waiting()), (true, 3));
    end.outbound.leave(third);
    let last = wait(end.outbound.admit(1, waker, None));
    assert!(!end.outbound.poll_turn(first, waker));
    end.outbound.open();
    let mut woken = Vec::new();
    end.outbound.poll_woken(&mut woken);
    assert_eq!((woken.len(), end.outbound.waiting()), (2, 1));
    assert!(end.outbound.poll_turn(first, waker) && end.outbound.poll_turn(note, waker));
    assert!(!end.outbound.poll_turn(last, waker));
}

#[test]
fn calls_beyond_max_in_flight_wait_their_turn_in_order() {
    let mut limits = Limits::client();
    limits.max_in_flight = 2;
    let mut end = End::new(&limits);
    let waker = Waker::noop();
    let call = |end: &mut End| end.outbound.call("x", &none(), None, None);
    let ids = [(); 2].map(|()| {
        assert_eq!(end.outbound.admit(1, waker, None), Admission::Now);
        call(&mut end)
    });
    let [third, fourth, fifth] = [(); 3].map(|()| match end.outbound.admit(1, waker, None) {
        Admission::Wait(ticket) => ticket,
        other => panic!("{other:?}"),
    });
    let mut woken = Vec::new();
    end.outbound.poll_woken(&mut woken);
    assert!(woken.is_empty() && !end.outbound.poll_turn(third, waker));
    // One that gives up is passed over.
    end.outbound.leave(fourth);
    end.outbound.handle_response(ids[0]);
    end.outbound.poll_woken(&mut woken);
    assert_eq!(woken.len(), 1);
    assert!(end.outbound.poll_turn(third, waker) && !end.outbound.poll_turn(fifth, waker));
    // Let through and then dropped: its turn goes to the next.
    end.outbound.leave(third);
    end.outbound.poll_woken(&mut woken);
    assert!(end.outbound.poll_turn(fifth, waker));
    call(&mut end);
    end.outbound.leave(fifth);
    assert!(matches!(end.outbound.admit(1, waker, None), Admission::Wait(_)));
}

#[test]
fn a_dropped_call_keeps_its_place_until_its_late_answer() {
    let mut limits = Limits::client();
    limits.max_in_flight = 1;
    let mut end = End::new(&limits);
    let msgid = end.outbound.call("slow", &none(), None, None);
    end.outbound.forget(msgid, Instant::now());
    let Admission::Wait(ticket) = end.outbound.admit(1, Waker::noop(), None) else { panic!() };
    assert!(end.outbound.handle_response(msgid).is_none(), "w7: nobody waits for it");
    end.outbound.poll_woken(&mut Vec::new());
    assert!(end.outbound.poll_turn(ticket, Waker::noop()));
}

#[test]
fn a_notification_does_not_wait_for_calls_in_flight() {
    let mut limits = Limits::client();
    limits.max_in_flight = 1;
    let mut end = End::new(&limits);
    end.outbound.call("slow", &none(), None, None);
    assert!(matches!(end.outbound.admit(1, Waker::noop(), None), Admission::Wait(_)));
    assert_eq!(end.outbound.admit_notification(1, Waker::noop(), || None), Admission::Now);
}

#[test]
fn calls_wait_while_the_peer_takes_no_bytes() {
    let mut limits = Limits::client();
    limits.output_bytes = 1000;
    let mut end = End::new(&limits);
    let large = params(("x".repeat(2000),));
    assert_eq!(end.outbound.admit(large.len(), Waker::noop(), None), Admission::Now);
    end.outbound.call("put", &large, None, None);
    let Admission::Wait(ticket) = end.outbound.admit(1, Waker::noop(), None) else { panic!() };
    end.sent();
    end.outbound.poll_woken(&mut Vec::new());
    assert!(end.outbound.poll_turn(ticket, Waker::noop()));
}

#[test]
fn only_answers_count_as_owed() {
    let mut limits = Limits::server();
    limits.output_bytes = 1000;
    let mut end = End::new(&limits);
    let large = params("x".repeat(900));
    end.outbound.call("ours", &large, None, None);
    end.outbound.call("ours", &large, None, None);
    assert_eq!(end.outbound.room(), 1000);
    end.outbound.reply(MsgId::new(1), Ok(&large));
    assert!((90..100).contains(&end.outbound.room()));
    end.outbound.reply(MsgId::new(2), Ok(&large));
    assert_eq!((end.outbound.room(), end.outbound.is_overflowing()), (0, false));
    end.outbound.reply(MsgId::new(3), Ok(&large));
    assert!(end.outbound.is_overflowing());
    end.sent();
    assert_eq!((end.outbound.room(), end.outbound.is_overflowing()), (1000, false));
}

#[test]
fn what_a_writer_could_not_write_goes_out_before_what_was_queued_meanwhile() {
    for large in [false, true] {
        let mut end = End::new(&Limits::client());
        let text = "x".repeat(if large { SHARED_BYTES } else { 10 });
        end.outbound.notify("first", &params((text,)));
        let mut chunk = Chunk::default();
        end.outbound.poll_output(&mut chunk);
        chunk.advance(5);
        end.outbound.handle_written(5);
        end.outbound.notify("second", &none());
        end.outbound.put_back(&mut chunk);
        let rest = end.sent();
        assert!(rest.starts_with(b"rst"), "the head 93 02 a5 and two letters were written");
        assert!(rest.ends_with(b"\x93\x02\xa6second\x90"));
        assert_eq!(end.outbound.unwritten_bytes(), 0);
    }
}

#[test]
fn waiting_for_a_turn_ends_with_the_deadline() {
    let mut limits = Limits::client();
    limits.max_in_flight = 1;
    let mut end = End::new(&limits);
    let now = Instant::now();
    end.outbound.call("slow", &none(), None, None);
    let deadline = Deadline::after(now, Duration::from_secs(1));
    let Admission::Wait(ticket) = end.outbound.admit(1, Waker::noop(), deadline) else { panic!() };
    let at = end.outbound.poll_timeout().expect("the one who waits has a deadline");
    end.outbound.handle_time(at, |_| panic!("no call has a deadline"));
    let mut woken = Vec::new();
    end.outbound.poll_woken(&mut woken);
    assert_eq!(woken.len(), 1);
    end.outbound.leave(ticket);
    assert_eq!(end.outbound.poll_timeout(), None);
}

#[test]
fn a_long_message_of_short_parts_is_moved_a_few_times_at_most() {
    let parts = vec!["x".repeat(1000); 4000];
    let mut message = b"\x93\x02\xa1m".to_vec();
    message.extend_from_slice(&params((parts,)));
    let mut end = End::new(&Limits::server());
    let (mut place, mut moved) = (std::ptr::null(), 0);
    for piece in message.chunks(16 << 10) {
        assert!(matches!(end.inbound.poll_event(), Ok(None)));
        let buffer = end.inbound.buffer();
        if buffer.as_ptr() != place {
            place = buffer.as_ptr();
            moved += buffer.len();
        }
        assert!(buffer.capacity() - buffer.len() >= piece.len());
        buffer.extend_from_slice(piece);
    }
    assert!(matches!(end.inbound.poll_event(), Ok(Some(Event::Invocation(_)))));
    assert!(moved <= 4 * message.len(), "{moved} bytes were moved of {}", message.len());
}

#[test]
fn a_notification_in_line_does_not_wait_for_calls_in_flight() {
    let mut limits = Limits::client();
    (limits.max_in_flight, limits.output_bytes) = (1, 100);
    let mut end = End::new(&limits);
    end.outbound.call("slow", &params(("x".repeat(100),)), None, None);
    let waker = Waker::noop();
    let wait = |admission| match admission {
        Admission::Wait(ticket) => ticket,
        Admission::Now => panic!("nothing may be sent now"),
    };
    let call = wait(end.outbound.admit(1, waker, None));
    let first = wait(end.outbound.admit_notification(1, waker, || None));
    end.sent();
    let mut woken = Vec::new();
    end.outbound.poll_woken(&mut woken);
    assert!(end.outbound.poll_turn(first, waker), "the peer has taken all bytes");
    assert!(!end.outbound.poll_turn(call, waker), "another call is in flight");
    assert_eq!(woken.len(), 1);
}
