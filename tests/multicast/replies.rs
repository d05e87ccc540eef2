//! What a group makes of what its members send: scripted peers, byte by byte.

use std::time::Duration;

use futures::future::{join, join_all};
use msgrpc::{CallError, FaultCode, GroupError, NoError, Reply, Value};

use crate::member::{Member, group, group_with};
use crate::support::{bytes, error, notification, poll_once, request, response, until, value};

/// Longer than anything here takes: whoever waits so long ends by something else.
const LONG: Duration = Duration::from_secs(30);

/// Long enough for the loopback interface, where only the time ends a call.
const SHORT: Duration = Duration::from_millis(50);

fn results<T, E>(replies: Vec<Reply<T, E>>) -> Vec<T>
where
    E: std::fmt::Debug,
{
    replies.into_iter().map(|reply| reply.result.unwrap()).collect()
}

#[tokio::test]
async fn every_member_hears_the_request_and_every_answer_is_kept_in_order() {
    let (group, members) = group(3).await;
    let call = group.call::<u8>("add", (2, 3)).expect(3).wait(LONG);
    let answering = async {
        let mut ports = Vec::new();
        for (number, member) in (0_u8..).zip(&members) {
            let heard = member.heard().await;
            assert_eq!(heard.message, value((0, heard.msgid(), "add", (2, 3))));
            member.send(heard.from, response(heard.msgid(), number)).await;
            ports.push(member.port());
        }
        ports
    };
    let (replies, ports) = join(call, answering).await;
    let replies = replies.unwrap();
    let from: Vec<_> = replies.iter().map(|reply| reply.from.port()).collect();
    assert_eq!(from, ports);
    assert!(replies.windows(2).all(|pair| pair[0].elapsed <= pair[1].elapsed));
    assert_eq!(results(replies), [0, 1, 2]);
}

#[tokio::test]
async fn f1_nobody_answers() {
    let (group, _members) = group(1).await;
    let address = group.address().to_string();
    let text = format!("nobody answered `add` at {address} within 50ms");
    let refused = group.call::<u8>("add", (2, 3)).wait(SHORT).await.unwrap_err();
    assert!(matches!(&refused, GroupError::NoReplies(none) if none.waited() == SHORT));
    assert_eq!(refused.to_string(), text);
    assert!(refused.was_sent());

    let none = group.call::<u8>("add", (2, 3)).wait(SHORT).at_least(0).await.unwrap();
    assert!(none.is_empty());

    let refused = group.call::<u8>("add", (2, 3)).wait(SHORT).at_least(2).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        text,
        "that nobody answered says more than that one is missing"
    );
}

#[tokio::test]
async fn f1_too_few_answers_are_an_error_that_has_them() {
    let (group, members) = group(1).await;
    let call = group.call::<u8>("add", (2, 3)).wait(Duration::from_millis(300)).at_least(2);
    let (refused, ()) = join(call, members[0].answer(5)).await;
    let refused = refused.unwrap_err();
    let address = group.address();
    assert_eq!(
        refused.to_string(),
        format!("1 answered `add` at {address} within 300ms, at least 2 were wanted")
    );
    let GroupError::TooFew(few) = refused else { panic!("{refused:?}") };
    assert_eq!((few.wanted(), few.answers()), (2, 1));
    let replies = few.replies::<u8, NoError>();
    assert_eq!(replies[0].from.port(), members[0].port());
    assert_eq!(results(replies), [5]);
}

#[tokio::test]
async fn f2_a_member_that_answers_twice_is_kept_twice() {
    let (group, members) = group(1).await;
    let call = group.call::<u8>("add", (2, 3)).expect(2).wait(LONG);
    let twice = async {
        let heard = members[0].heard().await;
        members[0].send(heard.from, response(heard.msgid(), 5)).await;
        members[0].send(heard.from, response(heard.msgid(), 6)).await;
    };
    let (replies, ()) = join(call, twice).await;
    let replies = replies.unwrap();
    assert_eq!(replies[0].from, replies[1].from);
    assert_eq!(results(replies), [5, 6]);
}

#[tokio::test]
async fn f2_two_answers_in_one_datagram_are_two() {
    let (group, members) = group(1).await;
    let call = group.call::<u8>("add", (2, 3)).expect(2).wait(LONG);
    let twice = async {
        let heard = members[0].heard().await;
        let both = [response(heard.msgid(), 5), response(heard.msgid(), 6)].concat();
        members[0].send(heard.from, both).await;
    };
    let (replies, ()) = join(call, twice).await;
    assert_eq!(results(replies.unwrap()), [5, 6]);
}

#[tokio::test]
async fn f2_the_first_of_each_address_is_kept_if_asked_for() {
    let (group, members) = group_with(2, |builder| builder.dedup_by_source(true)).await;
    let call = group.call::<u8>("add", (2, 3)).expect(2).wait(LONG);
    let answering = async {
        let heard = members[0].heard().await;
        members[0].send(heard.from, response(heard.msgid(), 5)).await;
        members[0].send(heard.from, response(heard.msgid(), 6)).await;
        until("the second answer is there", || group.counts().repeated == 1).await;
        members[1].answer(7).await;
    };
    let (replies, ()) = join(call, answering).await;
    assert_eq!(results(replies.unwrap()), [5, 7]);
}

#[tokio::test]
async fn f3_a_late_answer_is_ignored_and_reaches_no_later_call() {
    let (group, members) = group(1).await;
    let refused = group.call::<u8>("first", ()).wait(SHORT).await;
    assert!(matches!(refused, Err(GroupError::NoReplies(_))));
    let first = members[0].heard().await;

    let second = group.call::<u8>("second", ()).expect(1).wait(LONG);
    let answering = async {
        let heard = members[0].heard().await;
        assert_ne!(heard.msgid(), first.msgid());
        assert_eq!(heard.from, first.from);
        members[0].send(first.from, response(first.msgid(), 1)).await;
        until("the late answer is there", || group.counts().late == 1).await;
        members[0].send(heard.from, response(heard.msgid(), 2)).await;
    };
    let (replies, ()) = join(second, answering).await;
    assert_eq!(results(replies.unwrap()), [2]);
}

#[tokio::test]
async fn f3_ids_are_random_and_below_2_to_the_31() {
    let (group, members) = group(1).await;
    let mut ids = Vec::new();
    for _ in 0..64 {
        let mut call = group.call::<u8>("add", ());
        assert!(poll_once(&mut call).is_pending());
        ids.push(members[0].heard().await.msgid());
    }
    assert!(ids.iter().all(|id| *id < 1 << 31), "{ids:?}");
    // Each bit is one in half of them; in fewer than 8 of 64 once in 10^9 runs.
    for bit in 0..31 {
        let ones = ids.iter().filter(|id| *id >> bit & 1 == 1).count();
        assert!((8..=56).contains(&ones), "bit {bit} of {ids:?}");
    }
}

#[tokio::test]
async fn f4_garbage_of_one_member_is_its_own_error_and_harms_no_other() {
    let garbage: [(Vec<u8>, &str); 6] = [
        (
            b"hello".to_vec(),
            "the peer sent text (\"hello\") instead of MessagePack-RPC messages; check the port",
        ),
        (b"".to_vec(), "the datagram is empty"),
        (vec![0x94, 0x01, 0x00], "the datagram of 3 bytes ends within a message"),
        (vec![0x93, 0x01, 0x00, 0xc0], "a response has 4 elements, this one has 3"),
        (vec![0x94, 0x01, 0xa1, b'x', 0xc0, 0xc0], "a msgid is an integer, found string"),
        (
            vec![0xdd, 0xff, 0xff, 0xff, 0xff],
            "message of at least 4294967300 bytes, more than the limit of 65536",
        ),
    ];
    for (datagram, text) in garbage {
        let (group, members) = group(2).await;
        let call = group.call::<u8>("add", (2, 3)).expect(1).wait(LONG);
        let answering = async {
            let heard = members[0].heard().await;
            members[0].send(heard.from, &datagram).await;
            until("the garbage is there", || group.counts().garbage == 1).await;
            members[1].answer(5).await;
        };
        let (replies, ()) = join(call, answering).await;
        let replies = replies.unwrap();
        assert_eq!(replies.len(), 2, "{text}");
        assert_eq!(replies[0].from.port(), members[0].port());
        let refused = replies[0].result.as_ref().unwrap_err();
        assert!(matches!(refused, CallError::Protocol(_)), "{refused:?}");
        assert_eq!(refused.to_string(), text);
        assert!(matches!(replies[1].result, Ok(5)));
    }
}

#[tokio::test]
async fn f4_garbage_concerns_every_call_under_way() {
    let (group, members) = group(1).await;
    let calls = (0..2).map(|_| group.call::<u8>("add", ()).expect(1).wait(LONG));
    let answering = async {
        let (first, second) = (members[0].heard().await, members[0].heard().await);
        members[0].send(first.from, b"garbage").await;
        until("the garbage is there", || group.counts().garbage == 1).await;
        members[0].send(first.from, response(first.msgid(), 1)).await;
        members[0].send(first.from, response(second.msgid(), 1)).await;
    };
    let (replies, ()) = join(join_all(calls), answering).await;
    for replies in replies {
        let replies = replies.unwrap();
        assert!(matches!(replies[0].result, Err(CallError::Protocol(_))));
        assert!(matches!(replies[1].result, Ok(1)));
    }
}

#[tokio::test]
async fn f4_only_garbage_is_shown_as_it_is() {
    let (group, members) = group(1).await;
    let call = group.call::<u8>("add", ()).wait(Duration::from_millis(300));
    let answering = async {
        let heard = members[0].heard().await;
        members[0].send(heard.from, b"garbage").await;
    };
    let (replies, ()) = join(call, answering).await;
    let replies = replies.unwrap();
    assert_eq!(replies.len(), 1);
    assert!(matches!(replies[0].result, Err(CallError::Protocol(_))));
}

#[tokio::test]
async fn f4_an_answer_of_another_type_is_its_own_error() {
    let (group, members) = group(2).await;
    let call = group.call::<u8>("add", ()).expect(2).wait(LONG);
    let answering = async {
        members[0].answer("five").await;
        members[1].answer(5).await;
    };
    let (replies, ()) = join(call, answering).await;
    let replies = replies.unwrap();
    let refused = replies[0].result.as_ref().unwrap_err();
    assert!(matches!(refused, CallError::Decode(_)));
    assert!(refused.to_string().starts_with("the answer to `add` could not be decoded: "));
    assert!(matches!(replies[1].result, Ok(5)));
}

#[tokio::test]
async fn f5_an_error_that_was_answered_is_one_of_the_replies() {
    let (group, members) = group(3).await;
    let call = group.call::<u8>("add", ()).expect(3).wait(LONG);
    let answering = async {
        let heard = members[0].heard().await;
        let fault = "[-32601] unknown method: add";
        members[0].send(heard.from, error(heard.msgid(), fault)).await;
        members[1].send(heard.from, error(heard.msgid(), ("Error", 7))).await;
        members[2].send(heard.from, response(heard.msgid(), 5)).await;
    };
    let (replies, ()) = join(call, answering).await;
    let [fault, remote, five] = &replies.unwrap()[..] else { panic!("three replies") };
    let Err(CallError::Fault(fault)) = &fault.result else { panic!("{fault:?}") };
    assert_eq!(fault.code(), FaultCode::UnknownMethod);
    let Err(CallError::Remote(remote)) = &remote.result else { panic!("{remote:?}") };
    assert_eq!(*remote, value(("Error", 7)));
    assert!(matches!(five.result, Ok(5)));
}

#[tokio::test]
async fn f6_replies_beyond_the_limit_are_counted_and_dropped() {
    let (group, members) = group_with(1, |builder| builder.max_replies(8)).await;
    let mut call = group.call::<u8>("add", ()).wait(Duration::from_millis(500));
    assert!(poll_once(&mut call).is_pending());
    let heard = members[0].heard().await;
    for number in 0..100_u8 {
        members[0].send(heard.from, response(heard.msgid(), number)).await;
    }
    until("the others are counted", || group.counts().over_limit == 92).await;
    assert_eq!(results(call.await.unwrap()), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn f6_bytes_beyond_the_limit_are_dropped() {
    let (group, members) = group_with(1, |builder| builder.max_reply_bytes(100)).await;
    let mut call = group.call::<Value>("add", ()).expect(2).wait(LONG);
    assert!(poll_once(&mut call).is_pending());
    let heard = members[0].heard().await;
    for len in [60, 60, 30] {
        members[0].send(heard.from, response(heard.msgid(), "x".repeat(len))).await;
    }
    assert_eq!(results(call.await.unwrap()), [value("x".repeat(60)), value("x".repeat(30))]);
    assert_eq!(group.counts().over_limit, 1);
}

#[tokio::test]
async fn f6_a_flood_keeps_1024_and_ends_at_the_deadline() {
    let (group, members) = group(1).await;
    let mut call = group.call::<u8>("add", ()).wait(Duration::from_secs(2));
    assert!(poll_once(&mut call).is_pending());
    let heard = members[0].heard().await;
    let answer = response(heard.msgid(), 5);
    let flood = async {
        // As many as are lost on the way have to be sent again.
        while group.counts().over_limit < 10_000 {
            for _ in 0..50 {
                members[0].send(heard.from, &answer).await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (replies, _) = join(call, tokio::time::timeout(LONG, flood)).await;
    assert_eq!(replies.unwrap().len(), 1024);
}

#[tokio::test]
async fn f7_replies_from_outside_of_the_subnet_are_refused() {
    let here = |builder: msgrpc::GroupBuilder| builder.accept_from("127.0.0.0/8");
    let (near, members) = group_with(1, here).await;
    let call = near.call::<u8>("add", ()).expect(1).wait(LONG);
    let (replies, ()) = join(call, members[0].answer(5)).await;
    assert_eq!(results(replies.unwrap()), [5]);

    let elsewhere =
        |builder: msgrpc::GroupBuilder| builder.accept_from("10.0.0.0/8").accept_from("fd00::/8");
    let (far, members) = group_with(1, elsewhere).await;
    let call = far.call::<u8>("add", ()).wait(Duration::from_millis(300));
    let answering = async {
        let heard = members[0].heard().await;
        members[0].send(heard.from, response(heard.msgid(), 5)).await;
        members[0].send(heard.from, b"garbage").await;
    };
    let (refused, ()) = join(call, answering).await;
    assert!(matches!(refused, Err(GroupError::NoReplies(_))));
    assert_eq!((far.counts().refused, far.counts().garbage), (2, 0));
}

#[tokio::test]
async fn f8_a_call_ends_as_soon_as_as_many_have_answered_as_it_expects() {
    let (group, members) = group(3).await;
    let call = group.call::<u8>("add", ()).expect(2).wait(LONG);
    let begun = std::time::Instant::now();
    let answering = async {
        for (number, member) in (0_u8..).zip(&members) {
            member.answer(number).await;
        }
    };
    let (replies, ()) = join(call, answering).await;
    assert!(begun.elapsed() < LONG);
    assert_eq!(results(replies.unwrap()), [0, 1]);
    until("the third is late", || group.counts().late == 1).await;
}

#[tokio::test]
async fn f8_what_has_come_is_given_when_fewer_answer_than_expected() {
    let (group, members) = group(1).await;
    let call = group.call::<u8>("add", ()).expect(2).wait(Duration::from_millis(300));
    let (replies, ()) = join(call, members[0].answer(5)).await;
    assert_eq!(results(replies.unwrap()), [5]);
}

#[tokio::test]
async fn f13_a_notification_is_sent_once_to_all() {
    let (group, members) = group(2).await;
    group.notify("log", ("hello",)).await.unwrap();
    for member in &members {
        assert_eq!(member.heard().await.message, value((2, "log", ("hello",))));
    }
    group.notify("log", ("again",)).await.unwrap();
    for member in &members {
        assert_eq!(member.heard().await.message, value((2, "log", ("again",))), "each once");
    }
}

#[tokio::test]
async fn a_stream_gives_each_reply_as_it_comes() {
    let (group, members) = group(3).await;
    let mut replies = group.call::<u8>("add", ()).expect(3).wait(LONG).stream();
    assert!(poll_once(&mut Box::pin(replies.next())).is_pending());
    for (number, member) in (0_u8..).zip(&members) {
        member.answer(number).await;
        let reply = replies.next().await.unwrap();
        assert_eq!(reply.from.port(), member.port());
        assert_eq!(reply.result.unwrap(), number);
    }
    assert!(replies.next().await.is_none());
    assert!(replies.next().await.is_none());
    replies.finish().unwrap();
}

#[tokio::test]
async fn a_stream_ends_at_the_deadline_and_says_what_was_wrong() {
    let (group, members) = group(1).await;
    let mut replies = group.call::<u8>("add", ()).wait(SHORT).stream();
    assert!(replies.next().await.is_none());
    assert!(matches!(replies.finish(), Err(GroupError::NoReplies(_))));
    members[0].heard().await;

    let mut replies =
        group.call::<u8>("add", ()).wait(Duration::from_millis(300)).at_least(2).stream();
    let (first, ()) = join(replies.next(), members[0].answer(5)).await;
    assert_eq!(first.unwrap().result.unwrap(), 5);
    assert!(replies.next().await.is_none());
    let Err(GroupError::TooFew(few)) = replies.finish() else { panic!("too few") };
    assert_eq!((few.wanted(), few.answers()), (2, 1));
    assert!(few.replies::<u8, NoError>().is_empty());
}

#[tokio::test]
async fn a_stream_can_be_finished_before_its_end() {
    let (group, members) = group(1).await;
    let mut replies = group.call::<u8>("add", ()).wait(LONG).stream();
    let (first, ()) = join(replies.next(), members[0].answer(5)).await;
    assert!(first.is_some());
    replies.finish().unwrap();
}

#[tokio::test]
async fn dropping_a_call_forgets_it() {
    let (group, members) = group(1).await;
    let mut call = group.call::<u8>("add", ()).wait(LONG);
    assert!(poll_once(&mut call).is_pending());
    let heard = members[0].heard().await;
    drop(call);
    members[0].send(heard.from, response(heard.msgid(), 5)).await;
    until("the answer is late", || group.counts().late == 1).await;
}

#[tokio::test]
async fn a_call_that_is_never_polled_is_never_sent() {
    let (group, members) = group(1).await;
    drop(group.call::<u8>("never", ()));
    group.notify("log", (1,)).await.unwrap();
    assert_eq!(members[0].heard().await.message, value((2, "log", (1,))));
}

#[tokio::test]
async fn many_calls_at_once_get_their_own_replies() {
    let (group, members) = group(2).await;
    let calls =
        (0..100_u32).map(|number| group.call::<u32>("echo", (number,)).expect(2).wait(LONG));
    let answering = |member: Member| async move {
        for _ in 0..100 {
            let heard = member.heard().await;
            let params = heard.message.as_array().unwrap()[3].clone();
            let (number,): (u32,) = msgrpc::from_value(params).unwrap();
            member.send(heard.from, response(heard.msgid(), number)).await;
        }
        member
    };
    let answering = join_all(members.into_iter().map(answering));
    let (replies, _members) = join(join_all(calls), answering).await;
    for (number, replies) in (0..).zip(replies) {
        assert_eq!(results(replies.unwrap()), [number, number]);
    }
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused() {
    let (group, _members) = group_with(1, |builder| builder.max_in_flight(1)).await;
    let mut first = group.call::<u8>("add", ()).wait(LONG);
    assert!(poll_once(&mut first).is_pending());
    let refused = group.call::<u8>("add", ()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`add` was not sent: 1 calls are under way in the group, which is its `max_in_flight`"
    );
    assert!(!refused.was_sent());
    drop(first);
    let mut second = group.call::<u8>("add", ()).wait(LONG);
    assert!(poll_once(&mut second).is_pending());
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_not_sent() {
    let (group, members) = group(1).await;
    // 94 00 ce….. a4 echo 91 c5…: at most 17 bytes around the text.
    let text = "x".repeat(8192);
    let refused = group.call::<u8>("echo", (&text,)).await.unwrap_err();
    let GroupError::TooLarge { bytes, limit, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(limit, 8192);
    assert!((8192..8192 + 20).contains(&bytes));
    assert!(
        refused.to_string().ends_with("more than the 8192 of `max_datagram`; nothing was sent")
    );

    let notified = group.notify("echo", (&text,)).await.unwrap_err();
    assert!(matches!(notified, CallError::TooLarge(_)));
    assert!(!notified.was_sent());

    group.notify("echo", ("fits",)).await.unwrap();
    assert_eq!(members[0].heard().await.message, value((2, "echo", ("fits",))));
}

#[tokio::test]
async fn an_argument_that_does_not_encode_is_an_error_of_its_call() {
    let (group, _members) = group(1).await;
    let refused = group.call::<u8>("add", 5).await.unwrap_err();
    assert!(matches!(refused, GroupError::Encode(_)));
    assert!(!refused.was_sent());
    assert_eq!(
        refused.to_string(),
        "an argument of `add` could not be encoded: the params of a call are a tuple or a list; for \
         one argument write `(argument,)`"
    );
}

#[tokio::test]
async fn requests_and_notifications_to_the_group_client_are_ignored() {
    let (group, members) = group(1).await;
    let call = group.call::<u8>("add", ()).expect(1).wait(LONG);
    let answering = async {
        let heard = members[0].heard().await;
        members[0].send(heard.from, request(heard.msgid(), "add", ())).await;
        members[0].send(heard.from, notification("log", ())).await;
        members[0].send(heard.from, response(heard.msgid(), 5)).await;
    };
    let (replies, ()) = join(call, answering).await;
    assert_eq!(results(replies.unwrap()), [5]);
    assert_eq!(group.counts().unasked, 2);
}

#[tokio::test]
async fn a_group_that_was_left_has_no_task() {
    let (group, members) = group(1).await;
    let other = group.clone();
    group.leave().await;
    members[0].send("127.0.0.1:9".parse().unwrap(), bytes(())).await;
    let refused = other.call::<u8>("add", ()).wait(SHORT).await;
    assert!(matches!(refused, Err(GroupError::NoReplies(_))));
}
