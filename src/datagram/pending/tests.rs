//! Calls over datagrams, without sockets and without a clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The calls of one client, and the time.
struct Bed {
    pending: Pending,
    now: Instant,
    woken: Vec<Waker>,
}

impl Bed {
    fn new(max_in_flight: usize) -> Self {
        Self { pending: Pending::new(max_in_flight), now: Instant::now(), woken: Vec::new() }
    }

    fn begin_with(
        &mut self,
        number: u32,
        timeout: Option<Duration>,
        retransmit: Retransmit,
    ) -> Turn {
        let deadline = timeout.map(|timeout| self.now + timeout);
        let request = Request { deadline, retransmit, waker: Waker::noop().clone() };
        let datagram = Bytes::copy_from_slice(&number.to_be_bytes());
        self.pending.begin(MsgId::new(number), datagram, request, self.now)
    }

    fn begin(&mut self, number: u32) -> Turn {
        self.begin_with(number, Some(seconds(30)), Retransmit::never())
    }

    fn answer(&mut self, number: u32) -> bool {
        let outcome = Ok(Payload::copy(&[5]));
        self.pending.answer(MsgId::new(number), outcome, self.now, &mut self.woken)
    }

    fn next_unsent(&mut self) -> Option<u32> {
        self.pending.next_unsent(self.now).map(|(msgid, _)| msgid.number())
    }

    /// What has become of a call, in a word.
    fn settled(&mut self, number: u32) -> &'static str {
        match self.pending.poll_settled(MsgId::new(number), Waker::noop()) {
            Poll::Pending => "pending",
            Poll::Ready(Settled::Answered(_)) => "answered",
            Poll::Ready(Settled::TimedOut { sent: true }) => "timed out",
            Poll::Ready(Settled::TimedOut { sent: false }) => "timed out unsent",
            Poll::Ready(Settled::Unreachable(_)) => "unreachable",
            Poll::Ready(Settled::Refused(_)) => "refused",
            Poll::Ready(Settled::Closed { sent: true }) => "closed",
            Poll::Ready(Settled::Closed { sent: false }) => "closed unsent",
        }
    }

    fn pass(&mut self, time: Duration) -> usize {
        self.now += time;
        self.pending.expire(self.now, &mut self.woken).len()
    }

    /// Nothing is left of calls that have ended.
    fn is_empty(&self) -> bool {
        let Pending { calls, line, unsent, in_flight, alarms, .. } = &self.pending;
        calls.is_empty()
            && line.is_empty()
            && unsent.is_empty()
            && *in_flight == 0
            && alarms.is_empty()
    }
}

#[test]
fn an_answer_counts_once() {
    let mut bed = Bed::new(4);
    assert_eq!(bed.begin(1), Turn::Now);
    assert_eq!(bed.settled(1), "pending");
    assert!(bed.answer(1), "the first");
    assert!(!bed.answer(1), "the second");
    assert_eq!((bed.settled(1), bed.woken.len()), ("answered", 1));
    assert!(!bed.answer(1), "one that comes late");
    assert!(!bed.answer(2), "one that nobody waits for");
    assert!(bed.is_empty());
}

#[test]
fn those_beyond_the_limit_wait_their_turn_in_order() {
    let mut bed = Bed::new(2);
    assert_eq!([bed.begin(1), bed.begin(2)], [Turn::Now; 2]);
    assert_eq!([bed.begin(3), bed.begin(4), bed.begin(5)], [Turn::Later; 3]);
    assert_eq!(bed.next_unsent(), None);
    assert!(!bed.answer(3), "it was not asked yet");
    bed.answer(1);
    assert_eq!((bed.next_unsent(), bed.next_unsent()), (Some(3), None));
    bed.pending.forget(MsgId::new(4), bed.now);
    bed.pending.forget(MsgId::new(2), bed.now);
    assert_eq!((bed.next_unsent(), bed.next_unsent()), (Some(5), None), "4 has left the line");
    bed.answer(3);
    bed.answer(5);
    assert_eq!([bed.settled(1), bed.settled(3), bed.settled(5)], ["answered"; 3]);
    assert!(bed.is_empty());
}

#[test]
fn a_deadline_ends_calls_that_were_sent_and_calls_that_were_not() {
    let mut bed = Bed::new(1);
    bed.begin(1);
    bed.begin_with(2, Some(seconds(10)), Retransmit::never());
    assert_eq!(bed.pass(seconds(9)), 0);
    assert_eq!(bed.settled(2), "pending");
    bed.pass(seconds(1));
    assert_eq!((bed.settled(2), bed.settled(1)), ("timed out unsent", "pending"));
    bed.pass(seconds(20));
    assert_eq!(bed.settled(1), "timed out");
    assert!(!bed.answer(1), "too late");
    assert!(bed.is_empty());
}

#[test]
fn a_call_is_sent_again_until_its_times_are_over_or_it_is() {
    let mut bed = Bed::new(4);
    let retransmit = Retransmit::default().first(seconds(1)).times(2);
    bed.begin_with(1, Some(seconds(30)), retransmit);
    bed.begin_with(2, None, retransmit);
    let mut sent = Vec::new();
    for _ in 0..60 {
        let count = bed.pass(seconds(1));
        sent.push(count);
    }
    assert_eq!(sent.iter().sum::<usize>(), 4, "two calls, twice each: {sent:?}");
    assert_eq!((bed.settled(1), bed.settled(2)), ("timed out", "pending"));
    assert!(bed.answer(2));
    assert_eq!(bed.settled(2), "answered");
    assert!(bed.is_empty());
}

#[test]
fn what_the_kernel_has_no_room_for_is_sent_later() {
    let mut bed = Bed::new(4);
    bed.begin(1);
    bed.pending.postpone(MsgId::new(1), Bytes::from_static(b"request"));
    assert!(bed.pending.has_unsent());
    assert!(!bed.answer(1), "it was not asked yet");
    let (_, datagram) = bed.pending.next_unsent(bed.now).unwrap();
    assert_eq!(datagram, "request");
    bed.begin(2);
    bed.pending.postpone(MsgId::new(2), Bytes::from_static(b"request"));
    bed.pass(seconds(30));
    assert_eq!((bed.settled(1), bed.settled(2)), ("timed out", "timed out unsent"));
    assert!(bed.is_empty());
}

#[test]
fn the_network_ends_what_was_sent_and_nothing_else() {
    let mut bed = Bed::new(2);
    bed.begin(1);
    bed.begin(2);
    bed.begin(3);
    let error = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
    bed.pending.unreachable(&error, Some(MsgId::new(2)), bed.now, &mut bed.woken);
    assert_eq!(
        [bed.settled(1), bed.settled(2), bed.settled(3)],
        ["unreachable", "pending", "pending"]
    );
    assert_eq!(bed.next_unsent(), Some(3));
    bed.pending.refuse(MsgId::new(3), io::ErrorKind::NetworkDown.into(), bed.now, &mut bed.woken);
    assert_eq!(bed.settled(3), "refused");
    bed.begin(4);
    bed.begin(5);
    bed.pending.close(bed.now, &mut bed.woken);
    assert_eq!(
        [bed.settled(2), bed.settled(4), bed.settled(5)],
        ["closed", "closed", "closed unsent"]
    );
    assert!(bed.pending.line.is_empty() && bed.pending.alarms.is_empty());
}

#[test]
fn an_id_is_not_given_again_for_a_minute() {
    let mut bed = Bed::new(4);
    bed.begin(1);
    bed.begin(2);
    bed.answer(1);
    bed.settled(1);
    let draw = |bed: &mut Bed| {
        let mut numbers = 1..;
        let drawn = || MsgId::new(numbers.next().unwrap_or_default());
        bed.pending.free_msgid(bed.now, drawn).number()
    };
    assert_eq!(draw(&mut bed), 3, "1 was used just now, 2 is");
    bed.now += seconds(59);
    assert_eq!(draw(&mut bed), 3);
    bed.now += seconds(1);
    assert_eq!(draw(&mut bed), 1);
}

#[test]
fn what_is_remembered_of_ids_is_bounded() {
    let mut bed = Bed::new(4);
    for number in 0..100_000 {
        bed.begin(number);
        bed.answer(number);
        bed.settled(number);
    }
    let Retired { order, ids } = &bed.pending.retired;
    assert_eq!((order.len(), ids.len()), (MOST_RETIRED, MOST_RETIRED));
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let mut bed = Bed::new(4);
    bed.begin(1);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    assert!(bed.pending.poll_settled(MsgId::new(1), &waker).is_pending());
    bed.answer(1);
    std::mem::take(&mut bed.woken).into_iter().for_each(Waker::wake);
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap_or_default() % bound
    }
}

/// What must hold between any two operations.
fn check(pending: &Pending, known: &[u32]) {
    let count =
        |is: fn(&Stage) -> bool| pending.calls.values().filter(|call| is(&call.stage)).count();
    let sent = count(|stage| matches!(stage, Stage::Sent));
    assert_eq!(pending.line.len(), count(|stage| matches!(stage, Stage::InLine(_))));
    assert_eq!(pending.unsent.len(), count(|stage| matches!(stage, Stage::Unsent(_))));
    assert_eq!(pending.in_flight, sent + pending.unsent.len());
    assert!(pending.in_flight <= pending.max_in_flight);
    assert!(
        pending.line.is_empty() || pending.in_flight == pending.max_in_flight,
        "nobody waits in vain"
    );
    let alarms = pending.calls.iter().filter_map(|(msgid, call)| Some((call.alarm?, *msgid)));
    assert_eq!(pending.alarms, alarms.collect());
    let unsettled = pending.calls.values().filter(|call| !matches!(call.stage, Stage::Settled(_)));
    assert!(unsettled.clone().all(|call| call.alarm.is_some() || call.deadline.is_none()));
    assert_eq!(
        pending.calls.len(),
        known.len(),
        "each call is there until it is collected or forgotten"
    );
}

#[test]
fn whatever_happens_every_call_ends_once_and_nothing_is_left() {
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let mut bed = Bed::new(1 + dice.below(5) as usize);
        // Those that have neither been collected nor forgotten.
        let mut known: Vec<u32> = Vec::new();
        let mut next = 0;
        for _ in 0..300 {
            let some = known.get(dice.below(8) as usize).copied().unwrap_or(next + 7);
            let msgid = MsgId::new(some);
            let error = || io::Error::from(io::ErrorKind::ConnectionRefused);
            match dice.below(9) {
                0..=2 => {
                    let timeout = [None, Some(seconds(5))][dice.below(2) as usize];
                    let retransmit = Retransmit::default().times(dice.below(4));
                    let datagram = Bytes::from_static(b"request");
                    if bed.begin_with(next, timeout, retransmit) == Turn::Now && dice.below(4) == 0
                    {
                        bed.pending.postpone(MsgId::new(next), datagram);
                    }
                    known.push(next);
                    next += 1;
                }
                3 => drop(bed.answer(some)),
                4 => bed.pending.forget(msgid, bed.now),
                5 => drop(bed.next_unsent()),
                6 => drop(bed.pass(Duration::from_millis(dice.below(3_000).into()))),
                7 if dice.below(4) == 0 => {
                    bed.pending.unreachable(
                        &Arc::new(error()),
                        Some(msgid),
                        bed.now,
                        &mut bed.woken,
                    );
                }
                _ => {}
            }
            known.retain(|number| bed.pending.calls.contains_key(&MsgId::new(*number)));
            known.retain(|number| bed.settled(*number) == "pending");
            check(&bed.pending, &known);
        }
        bed.pending.close(bed.now, &mut bed.woken);
        assert!(
            known.iter().all(|number| bed.settled(*number).starts_with("closed")),
            "seed {seed}"
        );
        assert!(bed.is_empty(), "seed {seed}");
    }
}
