//! A generated client over a group: whoever answers first answers for all.

use std::time::Duration;

use futures::future::join;
use msgrpc::CallError;

use crate::member::{group, group_with};
use crate::support::{DivideByZero, LabClient, error, poll_once, response, until, value};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_first_answer_counts_and_the_others_are_late() {
    let (group, members) = group(2).await;
    let lab = LabClient::new(group.clone());
    let answering = async {
        let heard = members[0].heard().await;
        members[0].send(heard.from, b"garbage").await;
        members[1].send(heard.from, response(heard.msgid(), 5)).await;
        members[0].send(heard.from, response(heard.msgid(), 6)).await;
    };
    let (sum, ()) = join(lab.add(2, 3).timeout(LONG), answering).await;
    assert_eq!(sum.unwrap(), 5);
    until("the other is late", || group.counts().late == 1).await;
}

#[tokio::test]
async fn an_error_is_an_answer_as_well() {
    let (group, members) = group(1).await;
    let lab = LabClient::new(group);
    let answering = async {
        let heard = members[0].heard().await;
        members[0].send(heard.from, error(heard.msgid(), DivideByZero)).await;
    };
    let (refused, ()) = join(lab.divide(2, 0).timeout(LONG), answering).await;
    assert!(matches!(refused, Err(CallError::Method(DivideByZero))));
}

#[tokio::test]
async fn that_nobody_answers_is_a_timeout_of_the_groups_time_or_the_calls() {
    let (group, _members) = group_with(1, |builder| builder.wait(Duration::from_millis(50))).await;
    let address = group.address().to_string();
    let lab = LabClient::new(group);
    let refused = lab.add(2, 3).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("{address} has not answered `add` within 50ms"));
    assert!(refused.was_sent());
    let refused = lab.add(2, 3).timeout(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("{address} has not answered `add` within 20ms"));
    let mut patient = lab.add(2, 3).timeout(None);
    assert!(poll_once(&mut patient).is_pending());
}

#[tokio::test]
async fn what_cannot_be_sent_says_why() {
    let (group, _members) =
        group_with(1, |builder| builder.max_in_flight(0).max_datagram(20)).await;
    let lab = LabClient::new(group);
    let refused = lab.add(2, 3).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`add` was not sent: 0 calls are under way in the group, which is its `max_in_flight`"
    );
    assert!(!refused.was_sent());
    lab.note(1).await.unwrap();
    let (group, _members) = group_with(1, |builder| builder.max_datagram(20)).await;
    let lab = LabClient::new(group);
    let refused = lab.measure(&[0; 20]).await.unwrap_err();
    assert!(matches!(refused, CallError::TooLarge(_)));
    assert!(!refused.was_sent());
}

#[tokio::test]
async fn a_notification_goes_to_all() {
    let (group, members) = group(2).await;
    LabClient::new(group).note(7).await.unwrap();
    for member in members {
        assert_eq!(member.heard().await.message, value((2, "note", (7,))));
    }
}
