//! The collector by itself: time is an argument, peers are addresses, answers are bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use msgrpc_core::datagram::DatagramError;

use super::*;

const NIL: &[u8] = &[0xc0];

fn terms() -> Terms {
    Terms {
        wait: Duration::from_secs(5),
        expect: None,
        dedup_by_source: false,
        replies: 1024,
        bytes: 16 << 20,
        each: false,
    }
}

fn peer(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], number))
}

fn garbage() -> NoMessage {
    DatagramError::Empty.into()
}

/// One call of a collector, and its clock.
struct Call {
    collector: Collector,
    msgid: MsgId,
    begun: Instant,
    woken: Arc<Count>,
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Call {
    fn begin(terms: Terms) -> Self {
        let (mut collector, begun) = (Collector::default(), Instant::now());
        let msgid = collector.begin(terms, begun, || 7);
        Self { collector, msgid, begun, woken: Arc::default() }
    }

    fn at(&self, millis: u64) -> Instant {
        self.begun + Duration::from_millis(millis)
    }

    fn answer(&mut self, from: u16, millis: u64, answer: Result<&[u8], &[u8]>) -> Fate {
        let now = self.at(millis);
        let (fate, waker) = self.collector.handle_answer(self.msgid, peer(from), now, answer);
        waker.into_iter().for_each(Waker::wake);
        fate
    }

    fn garbage(&mut self, from: u16, millis: u64) {
        let now = self.at(millis);
        let wakers = self.collector.handle_garbage(peer(from), now, &garbage());
        wakers.into_iter().for_each(Waker::wake);
    }

    fn is_complete(&mut self) -> bool {
        self.collector.poll_complete(self.msgid, &Waker::from(Arc::clone(&self.woken)))
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Ordering::SeqCst)
    }

    /// Ends it: who replied, when, and whether it was an answer.
    fn end(mut self) -> Vec<(u16, u128, bool)> {
        let now = self.at(5000);
        let replies = self.collector.end(self.msgid, now);
        let shown =
            |reply: &RawReply| (reply.from.port(), reply.elapsed.as_millis(), reply.is_answer());
        replies.iter().map(shown).collect()
    }
}

#[test]
fn replies_are_kept_in_order_of_arrival_with_their_times() {
    let mut call = Call::begin(terms());
    assert_eq!(call.answer(2, 10, Ok(NIL)), Fate::Kept);
    assert_eq!(call.answer(1, 20, Err(NIL)), Fate::Kept);
    call.garbage(3, 30);
    assert!(!call.is_complete());
    assert_eq!(call.end(), [(2, 10, true), (1, 20, true), (3, 30, false)]);
}

#[test]
fn one_who_answers_twice_is_kept_twice() {
    let mut call = Call::begin(terms());
    assert_eq!(call.answer(1, 10, Ok(NIL)), Fate::Kept);
    assert_eq!(call.answer(1, 20, Ok(NIL)), Fate::Kept);
    assert_eq!(call.end(), [(1, 10, true), (1, 20, true)]);
}

#[test]
fn the_first_of_each_address_is_kept_if_only_that_counts() {
    let mut call = Call::begin(Terms { dedup_by_source: true, ..terms() });
    assert_eq!(call.answer(1, 10, Ok(NIL)), Fate::Kept);
    assert_eq!(call.answer(1, 20, Ok(NIL)), Fate::Repeated);
    assert_eq!(call.answer(2, 30, Ok(NIL)), Fate::Kept);
    assert_eq!(call.end(), [(1, 10, true), (2, 30, true)]);
}

#[test]
fn a_call_that_expects_three_is_complete_with_the_third_answer() {
    let mut call = Call::begin(Terms { expect: Some(3), ..terms() });
    for (from, complete) in [(1, false), (2, false), (3, true)] {
        assert!(!call.is_complete());
        assert_eq!(call.answer(from, 10, Ok(NIL)), Fate::Kept);
        assert_eq!(call.woken(), usize::from(complete), "woken by its last alone");
    }
    assert!(call.is_complete());
    assert_eq!(call.answer(4, 20, Ok(NIL)), Fate::Late);
    assert_eq!(call.end().len(), 3);
}

#[test]
fn garbage_is_reported_once_for_a_peer_and_is_no_answer() {
    let mut call = Call::begin(Terms { expect: Some(1), ..terms() });
    call.garbage(9, 10);
    call.garbage(9, 20);
    assert!(!call.is_complete());
    assert_eq!(call.answer(9, 30, Ok(NIL)), Fate::Kept);
    assert!(call.is_complete());
    assert_eq!(call.end(), [(9, 10, false), (9, 30, true)]);
}

#[test]
fn garbage_of_64_peers_is_reported_and_of_the_65th_not() {
    let mut call = Call::begin(Terms { replies: 1, ..terms() });
    for from in 0..70 {
        call.garbage(from, 10);
    }
    assert_eq!(call.answer(100, 20, Ok(NIL)), Fate::Kept, "garbage takes no answer's place");
    assert_eq!(call.answer(101, 20, Ok(NIL)), Fate::OverLimit);
    assert_eq!(call.end().len(), 65);
}

#[test]
fn what_comes_after_the_deadline_is_late_even_before_the_call_has_noticed() {
    let mut call = Call::begin(terms());
    assert_eq!(call.answer(1, 5000, Ok(NIL)), Fate::Kept);
    assert_eq!(call.answer(2, 5001, Ok(NIL)), Fate::Late);
    call.garbage(3, 5001);
    assert_eq!(call.end(), [(1, 5000, true)]);
}

#[test]
fn what_comes_for_a_call_that_has_ended_is_late() {
    let mut call = Call::begin(terms());
    let now = call.at(10);
    call.collector.end(call.msgid, now);
    assert_eq!(call.answer(1, 20, Ok(NIL)), Fate::Late);
    call.garbage(1, 20);
    assert!(call.is_complete());
    assert_eq!(call.collector.calls(), 0);
}

#[test]
fn of_10_000_replies_1024_are_kept() {
    let mut call = Call::begin(terms());
    let fates: Vec<Fate> = (0..10_000).map(|from| call.answer(from, 1, Ok(NIL))).collect();
    assert!(fates[..1024].iter().all(|fate| *fate == Fate::Kept));
    assert!(fates[1024..].iter().all(|fate| *fate == Fate::OverLimit));
    assert_eq!(call.end().len(), 1024);
}

#[test]
fn of_more_than_16_mib_of_replies_16_mib_are_kept() {
    let mut call = Call::begin(terms());
    let kib = vec![0xc0; 32 << 10];
    for from in 0..512 {
        assert_eq!(call.answer(from, 1, Ok(&kib)), Fate::Kept);
    }
    assert_eq!(call.answer(600, 2, Ok(NIL)), Fate::OverLimit);
    assert_eq!(call.answer(601, 2, Err(NIL)), Fate::OverLimit);
    assert!(call.collector.take(call.msgid).is_some());
    assert_eq!(call.answer(602, 3, Ok(&kib)), Fate::Kept, "there is room again");
    assert_eq!(call.end().len(), 512);
}

#[test]
fn sources_are_remembered_within_the_limit_of_replies() {
    let mut call = Call::begin(Terms { dedup_by_source: true, replies: 2, each: true, ..terms() });
    for from in 1..=2 {
        assert_eq!(call.answer(from, 1, Ok(NIL)), Fate::Kept);
        assert!(call.collector.take(call.msgid).is_some());
    }
    assert_eq!(call.answer(3, 1, Ok(NIL)), Fate::OverLimit);
    assert_eq!(call.answer(1, 1, Ok(NIL)), Fate::Repeated);
}

#[test]
fn a_stream_is_woken_by_each_reply() {
    let mut call = Call::begin(Terms { each: true, ..terms() });
    for woken in 1..=2 {
        assert!(!call.is_complete());
        assert_eq!(call.answer(1, 1, Ok(NIL)), Fate::Kept);
        assert_eq!(call.woken(), woken);
    }
    assert!(!call.is_complete());
    call.garbage(2, 2);
    assert_eq!(call.woken(), 3);
}

#[test]
fn calls_at_once_have_their_own_replies() {
    let (mut collector, now) = (Collector::default(), Instant::now());
    let mut numbers = [1, 1, 2].into_iter();
    let first = collector.begin(terms(), now, || numbers.next().unwrap());
    let second = collector.begin(terms(), now, || numbers.next().unwrap());
    assert_eq!((first.number(), second.number()), (1, 2), "an id in use is drawn again");
    collector.handle_answer(second, peer(1), now, Ok(NIL));
    collector.handle_garbage(peer(2), now, &garbage());
    assert_eq!(collector.end(first, now).len(), 1);
    assert_eq!(collector.end(second, now).len(), 2);
}

#[test]
fn an_id_is_not_used_again_for_a_minute() {
    let (mut collector, begun) = (Collector::default(), Instant::now());
    let draw = |collector: &mut Collector, seconds| {
        let mut numbers = [7, 8].into_iter();
        let now = begun + Duration::from_secs(seconds);
        let msgid = collector.begin(terms(), now, || numbers.next().unwrap());
        collector.end(msgid, now);
        msgid.number()
    };
    assert_eq!(draw(&mut collector, 0), 7);
    assert_eq!(draw(&mut collector, 59), 8);
    assert_eq!(draw(&mut collector, 60), 7);
    assert_eq!(collector.ended.ids.len(), 2);
}

#[test]
fn ids_stay_below_2_to_the_31_and_no_more_than_65_536_are_remembered() {
    let (mut collector, now) = (Collector::default(), Instant::now());
    let mut number = u32::MAX - 70_000;
    for _ in 0..70_000 {
        let msgid = collector.begin(terms(), now, || {
            number += 1;
            number
        });
        assert!(msgid.number() < MsgId::BOUND);
        collector.end(msgid, now);
    }
    assert_eq!(collector.ended.ids.len(), 1 << 16);
    assert_eq!(collector.ended.order.len(), 1 << 16);
}
