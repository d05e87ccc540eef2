//! The call map on plain numbers.
#![expect(clippy::disallowed_methods, reason = "a virtual clock starts somewhere")]

use std::time::{Duration, Instant};

use super::{CallMap, Deadline};
use crate::msgid::MsgId;

fn map() -> CallMap<u32> {
    CallMap::starting_at(0)
}

#[test]
fn ids_count_from_zero_and_each_answer_finds_its_call() {
    let mut calls = map();
    let ids: Vec<_> = (0..10_000).map(|n| calls.insert(n, None, 0)).collect();
    assert_eq!(ids[0], MsgId::new(0));
    assert_eq!(ids[9_999], MsgId::new(9_999));
    for (n, id) in ids.iter().enumerate().rev() {
        let value = calls.settle(*id).expect("it is pending");
        *value += 1;
        assert_eq!(calls.collect(*id), Some(u32::try_from(n).expect("small") + 1));
    }
    assert_eq!((calls.pending(), calls.in_flight(), calls.used), (0, 0, 0));
}

#[test]
fn ids_wrap_at_two_to_the_31_and_step_over_pending_calls() {
    let mut calls = CallMap::starting_at(MsgId::BOUND - 2);
    let long = [calls.insert(1, None, 0), calls.insert(2, None, 0), calls.insert(3, None, 0)];
    assert_eq!(long.map(MsgId::number), [MsgId::BOUND - 2, MsgId::BOUND - 1, 0]);
    // A whole turn of ids later the three are still pending.
    calls.next = MsgId::BOUND - 2;
    let next = calls.insert(4, None, 0);
    assert_eq!(next.number(), 1, "pending ids are stepped over");
    for (id, value) in long.into_iter().zip(1..) {
        assert_eq!(calls.settle(id).copied(), Some(value));
    }
}

#[test]
fn an_answer_to_an_id_nobody_waits_for_is_ignored() {
    let mut calls = map();
    assert_eq!(calls.settle(MsgId::new(7)), None, "never sent");
    let id = calls.insert(1, None, 0);
    assert!(calls.settle(MsgId::new(id.number() + 4)).is_none(), "same slot, other id");
    assert!(calls.settle(id).is_some());
    assert!(calls.settle(id).is_none(), "the second answer is ignored");
    assert_eq!(calls.collect(id), Some(1));
    assert!(calls.settle(id).is_none(), "answered long ago");
}

#[test]
fn a_forgotten_call_keeps_its_place_until_its_late_answer() {
    let mut calls = map();
    let id = calls.insert(1, None, 0);
    calls.forget(id, None);
    assert_eq!((calls.pending(), calls.in_flight()), (0, 1));
    assert!(calls.value(id).is_none());
    assert!(calls.settle(id).is_none());
    assert_eq!((calls.in_flight(), calls.used), (0, 0));
}

#[test]
fn a_forgotten_call_is_free_after_its_grace() {
    let mut calls = map();
    let now = Instant::now();
    let id = calls.insert(1, None, 0);
    calls.forget(id, Deadline::after(now, Duration::from_secs(30)));
    let wake = calls.earliest().expect("the grace has an end");
    calls.expire(wake, None, |_, _| panic!("nobody waits"));
    assert_eq!((calls.in_flight(), calls.used, calls.earliest()), (0, 0, None));
}

#[test]
fn deadlines_expire_in_time_and_only_theirs() {
    let mut calls = map();
    let now = Instant::now();
    let soon = calls.insert(1, Deadline::after(now, Duration::from_secs(1)), 11);
    let later = calls.insert(2, Deadline::after(now, Duration::from_secs(9)), 22);
    let never = calls.insert(3, None, 33);
    let grace = Deadline::after(now, Duration::from_secs(60));
    let wake = calls.earliest().expect("two deadlines");
    assert!(wake >= now + Duration::from_secs(1) && wake < now + Duration::from_millis(1017));
    let mut over = Vec::new();
    calls.expire(wake, grace, |offset, value| over.push((offset, *value)));
    assert_eq!(over, [(11, 1)]);
    assert_eq!((calls.pending(), calls.in_flight()), (2, 3), "its answer may still come");
    assert_eq!(calls.collect(soon), Some(1));
    assert_eq!(calls.in_flight(), 3);
    assert!(calls.settle(soon).is_none(), "the late answer frees the id");
    assert_eq!(calls.in_flight(), 2);
    assert!(calls.settle(later).is_some() && calls.settle(never).is_some());
}

#[test]
fn a_timed_out_call_that_is_never_answered_is_free_after_its_grace() {
    let mut calls = map();
    let now = Instant::now();
    let collected = calls.insert(1, Deadline::after(now, Duration::from_secs(1)), 0);
    let waiting = calls.insert(2, Deadline::after(now, Duration::from_secs(1)), 0);
    let at = now + Duration::from_secs(2);
    calls.expire(at, Deadline::after(at, Duration::from_secs(5)), |_, _| {});
    assert_eq!(calls.collect(collected), Some(1));
    calls.expire(at + Duration::from_secs(6), None, |_, _| panic!("settled already"));
    assert_eq!(calls.in_flight(), 0);
    assert_eq!(calls.collect(waiting), Some(2), "its caller still gets the outcome");
    assert_eq!(calls.used, 0);
}

#[test]
fn when_the_connection_is_gone_every_call_is_settled_once() {
    let mut calls = map();
    let answered = calls.insert(1, None, 0);
    let pending = calls.insert(2, None, 40);
    let forgotten = calls.insert(3, None, 80);
    calls.settle(answered);
    calls.forget(forgotten, None);
    let mut failed = Vec::new();
    calls.settle_all(|offset, value| failed.push((offset, *value)));
    assert_eq!(failed, [(40, 2)]);
    assert_eq!(calls.collect(answered), Some(1));
    assert_eq!(calls.collect(pending), Some(2));
    assert_eq!(calls.used, 0);
}
