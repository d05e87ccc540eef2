//! Servers of one group on one machine, asked by their generated group.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::{join, join_all};
use msgrpc::{BoundServer, CallError, Context, FaultCode, Group, GroupError, Reply, Server, Value};
use tokio::task::JoinHandle;

use crate::member::{Member, address};
use crate::support::{DivideByZero, error, response, until};

const LONG: Duration = Duration::from_secs(30);

/// What the servers of these tests do.
#[msgrpc::service]
trait Office {
    /// Gives it back.
    async fn echo(&self, value: Value) -> Value;
    /// Which server this is.
    async fn number(&self) -> usize;
    /// Fails on the server of this number.
    async fn fails_at(&self, number: usize) -> Result<usize, DivideByZero>;
    /// As many bytes.
    async fn bytes(&self, count: usize) -> Value;
    /// What the server sees: who asks, and where.
    async fn seen(&self, ctx: &Context) -> (String, String);
    /// Keeps it.
    #[msgrpc(notification)]
    async fn note(&self, text: &str);
    /// What was kept.
    async fn notes(&self) -> Vec<String>;
}

#[derive(Default)]
struct Desk {
    number: usize,
    notes: Mutex<Vec<String>>,
}

impl Office for Desk {
    async fn echo(&self, value: Value) -> Value {
        value
    }

    async fn number(&self) -> usize {
        self.number
    }

    async fn fails_at(&self, number: usize) -> Result<usize, DivideByZero> {
        if number == self.number { Err(DivideByZero) } else { Ok(self.number) }
    }

    async fn bytes(&self, count: usize) -> Value {
        Value::Binary(vec![7; count])
    }

    async fn seen(&self, ctx: &Context) -> (String, String) {
        (ctx.peer().to_string(), ctx.local().to_string())
    }

    async fn note(&self, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }

    async fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

fn server(number: usize) -> Server {
    Server::new(OfficeService::new(Desk { number, ..Desk::default() }))
}

/// As many servers of one group, and its address.
async fn bound(count: usize, set: impl Fn(Server) -> Server) -> (Vec<BoundServer>, String) {
    let mut address = address();
    let mut servers = Vec::new();
    for number in 0..count {
        let server = set(server(number)).listen(&address).bind().await.unwrap();
        address = server.addresses()[0].to_string();
        servers.push(server);
    }
    (servers, address)
}

/// Servers that run until their tasks are aborted, and whoever asks them.
async fn office(count: usize) -> (OfficeGroup, Vec<JoinHandle<()>>) {
    let (servers, address) = bound(count, |server| server).await;
    let run = |server: BoundServer| tokio::spawn(async move { server.run().await.unwrap() });
    (OfficeGroup::join(&address).await.unwrap(), servers.into_iter().map(run).collect())
}

fn sorted<T: Ord, E: std::fmt::Debug>(replies: Vec<Reply<T, E>>) -> Vec<T> {
    let mut results: Vec<T> = replies.into_iter().map(|reply| reply.result.unwrap()).collect();
    results.sort();
    results
}

fn person() -> Value {
    msgrpc::to_value(&serde_person()).unwrap()
}

/// A record with nested ones, lists, floats, nothing.
fn serde_person() -> impl serde::Serialize {
    (
        ("firstName", "John", "isAlive", true, "age", 25, "height_cm", 167.6),
        [("home", "212 555-1234"), ("office", "646 555-4567")],
        (Vec::<String>::new(), None::<String>),
    )
}

#[tokio::test]
async fn five_servers_of_one_address_all_answer_and_are_told_apart() {
    let (office, _servers) = office(5).await;
    let replies = office.echo(person()).expect(5).wait(LONG).await.unwrap();
    assert_eq!(replies.len(), 5);
    let from: HashSet<_> = replies.iter().map(|reply| reply.from).collect();
    assert_eq!(from.len(), 5, "each has an address of its own");
    for Reply { from, elapsed, result } in replies {
        assert!(from.ip().is_loopback());
        assert!(elapsed > Duration::ZERO && elapsed < LONG, "{elapsed:?}");
        assert_eq!(result.unwrap(), person());
    }
}

#[tokio::test]
async fn without_a_number_the_time_ends_it() {
    let (office, _servers) = office(5).await;
    let wait = Duration::from_secs(1);
    let begun = std::time::Instant::now();
    let replies = office.number().wait(wait).await.unwrap();
    assert!(begun.elapsed() >= wait);
    assert_eq!(sorted(replies), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn the_good_the_wrong_the_late_and_the_doubled_are_told_apart() {
    let (office, mut servers) = office(2).await;
    let address = group_address(&office, &servers).await;
    let scripted: Vec<_> = (0..4).map(|_| Member::join(&address)).collect();
    let [wrong, garbage, late, twice] = &scripted[..] else { panic!("four members") };
    let mut replies = office.number().wait(LONG).expect(5).stream();
    let answering = async {
        let heard = late.heard().await;
        wrong.send(heard.from, error(heard.msgid(), "boom")).await;
        garbage.send(heard.from, b"garbage").await;
        twice.send(heard.from, response(heard.msgid(), 7)).await;
        twice.send(heard.from, response(heard.msgid(), 7)).await;
        heard
    };
    let collecting = async {
        let mut collected = Vec::new();
        while let Some(reply) = replies.next().await {
            collected.push(reply);
        }
        collected
    };
    let (collected, heard) = join(collecting, answering).await;
    late.send(heard.from, response(heard.msgid(), 9)).await;

    let of = |member: &Member| {
        let port = member.port();
        collected.iter().filter(move |reply| reply.from.port() == port).collect::<Vec<_>>()
    };
    assert!(
        matches!(&of(wrong)[0].result, Err(CallError::Remote(text)) if *text == Value::from("boom"))
    );
    assert!(of(garbage).iter().all(|reply| matches!(reply.result, Err(CallError::Protocol(_)))));
    assert!(of(twice).iter().all(|reply| matches!(reply.result, Ok(7))));
    assert_eq!((of(wrong).len(), of(twice).len(), of(late).len()), (1, 2, 0));
    let mut numbers: Vec<_> =
        collected.iter().filter_map(|reply| reply.result.as_ref().ok().copied()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 7, 7]);
    replies.finish().unwrap();
    servers.clear();
}

/// The address that the servers are asked at, as one of them sees it.
async fn group_address(office: &OfficeGroup, servers: &[JoinHandle<()>]) -> String {
    let replies = office.seen().expect(servers.len()).wait(LONG).await.unwrap();
    replies.into_iter().next().unwrap().result.unwrap().1
}

#[tokio::test]
async fn a_methods_own_error_is_typed() {
    let (office, _servers) = office(3).await;
    let replies = office.fails_at(1).expect(3).wait(LONG).await.unwrap();
    let failed =
        |reply: &&Reply<_, _>| matches!(reply.result, Err(CallError::Method(DivideByZero)));
    assert_eq!(replies.iter().filter(failed).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.result.is_ok()).count(), 2);
}

#[tokio::test]
async fn a_method_sees_who_asks_and_the_groups_address() {
    let (servers, address) = bound(1, |server| server).await;
    let _running = servers.into_iter().map(|server| tokio::spawn(server.run())).collect::<Vec<_>>();
    let office = OfficeGroup::join(&address).await.unwrap();
    let replies = office.seen().expect(1).wait(LONG).await.unwrap();
    let (peer, local) = replies.into_iter().next().unwrap().result.unwrap();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    assert_eq!(local, address);
}

#[tokio::test]
async fn a_result_that_does_not_fit_into_a_datagram_is_a_fault() {
    let (office, _servers) = office(1).await;
    let replies = office.bytes(9000).expect(1).wait(LONG).await.unwrap();
    let Err(CallError::Fault(fault)) = &replies[0].result else { panic!("{replies:?}") };
    assert_eq!(fault.code(), FaultCode::TooLarge);
    let replies = office.bytes(8000).expect(1).wait(LONG).await.unwrap();
    assert!(replies[0].result.is_ok());
}

#[tokio::test]
async fn f10_unknown_methods_are_met_with_silence_and_counted() {
    let (mut servers, address) = bound(1, |server| server).await;
    let server = servers.remove(0);
    let counters = server.datagram_counters();
    tokio::spawn(server.run());
    let group = Group::join(&address).await.unwrap();
    let refused = group.call::<u8>("nobody_has_this", ()).wait(Duration::from_millis(300)).await;
    assert!(matches!(refused, Err(GroupError::NoReplies(_))));
    assert_eq!(counters.stats().unanswered, 1);
}

#[tokio::test]
async fn wrong_arguments_are_answered_by_those_who_have_the_method() {
    let (mut servers, address) = bound(1, |server| server).await;
    tokio::spawn(servers.remove(0).run());
    let group = Group::join(&address).await.unwrap();
    let replies = group.call::<u8>("number", (1,)).expect(1).wait(LONG).await.unwrap();
    let Err(CallError::Fault(fault)) = &replies[0].result else { panic!("{replies:?}") };
    assert_eq!(fault.to_string(), "[-32602] method `number` takes no parameters, got 1");
}

#[tokio::test(start_paused = true)]
async fn f11_answers_are_spread_over_the_delay() {
    let delay = Duration::from_secs(4);
    let (servers, address) = bound(20, |server| server.answer_delay(delay)).await;
    let _running = servers.into_iter().map(|server| tokio::spawn(server.run())).collect::<Vec<_>>();
    let office = OfficeGroup::join(&address).await.unwrap();
    let replies = office.number().expect(20).wait(Duration::from_secs(60)).await.unwrap();
    let first = replies.first().unwrap().elapsed;
    let last = replies.last().unwrap().elapsed;
    assert!(last <= delay + Duration::from_millis(10), "{last:?}");
    // Twenty all within one second of four: less than once in 10^9 runs.
    assert!(last.abs_diff(first) > Duration::from_secs(1), "{first:?} to {last:?}");
    assert_eq!(sorted(replies).len(), 20);
}

#[tokio::test]
async fn f12_a_server_that_comes_back_is_heard_again() {
    let (mut servers, address) = bound(2, |server| server).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let leaving = tokio::spawn(servers.remove(1).run_until(stopped));
    tokio::spawn(servers.remove(0).run());
    let office = OfficeGroup::join(&address).await.unwrap();
    assert_eq!(sorted(office.number().expect(2).wait(LONG).await.unwrap()), [0, 1]);

    // It leaves while a call is under way: the call keeps what it has.
    let mut replies = office.number().expect(4).wait(LONG).stream();
    let both = [replies.next().await.unwrap(), replies.next().await.unwrap()];
    assert_ne!(both[0].from, both[1].from);
    stop.send(()).unwrap();
    leaving.await.unwrap().unwrap();
    replies.finish().unwrap();
    let alone = office.number().wait(Duration::from_millis(500)).await.unwrap();
    assert_eq!(sorted(alone), [0]);

    let back = server(7).listen(&address).bind().await.unwrap();
    tokio::spawn(back.run());
    assert_eq!(sorted(office.number().expect(2).wait(LONG).await.unwrap()), [0, 7]);
}

#[tokio::test]
async fn f13_a_notification_runs_once_on_each_server_and_nobody_answers() {
    let (mut servers, address) = bound(3, |server| server).await;
    let counters: Vec<_> = servers.iter().map(BoundServer::datagram_counters).collect();
    let _running = servers.drain(..).map(|server| tokio::spawn(server.run())).collect::<Vec<_>>();
    let group = Group::join(&address).await.unwrap();
    let office = OfficeGroup::new(group.clone());
    office.note("hello").await.unwrap();
    let replies = office.notes().expect(3).wait(LONG).await.unwrap();
    assert!(sorted(replies).iter().all(|notes| *notes == ["hello"]));
    assert_eq!(group.counts(), msgrpc::GroupCounts::default());
    assert!(counters.iter().all(|counters| counters.stats().received == 2));
}

#[tokio::test]
async fn a_request_at_work_is_answered_before_the_server_ends() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let slow = address();
    let bench = crate::support::Bench::default();
    let server = Server::new(crate::support::LabService::new(bench.clone())).listen(&slow);
    let server = server.bind().await.unwrap();
    let group = Group::join(&server.addresses()[0].to_string()).await.unwrap();
    let server = tokio::spawn(server.run_until(stopped));
    let call = group.call::<u64>("hold", (7,)).expect(1).wait(LONG);
    let ending = async {
        until("it is at work", || bench.started() == 1).await;
        stop.send(()).unwrap();
        bench.open(1);
    };
    let (replies, ()) = join(call, ending).await;
    assert_eq!(sorted(replies.unwrap()), [7]);
    assert_eq!(server.await.unwrap().unwrap().aborted, 0);
}

#[tokio::test]
async fn what_is_sent_to_the_port_itself_is_not_heard() {
    let (mut servers, address) = bound(1, |server| server).await;
    let server = servers.remove(0);
    let counters = server.datagram_counters();
    let port = server.addresses()[0].port().unwrap();
    tokio::spawn(server.run());
    let member = Member::join(&address);
    let direct = format!("127.0.0.1:{port}").parse().unwrap();
    member.send(direct, crate::support::request(1, "number", ())).await;
    let office = OfficeGroup::join(&address).await.unwrap();
    assert_eq!(sorted(office.number().expect(1).wait(LONG).await.unwrap()), [0]);
    assert_eq!(counters.stats().received, 1, "the group's request alone");
}

#[tokio::test]
async fn one_server_serves_streams_and_a_group() {
    let server = server(3).listen(address()).listen("tcp://127.0.0.1:0").bind().await.unwrap();
    let addresses: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
    tokio::spawn(server.run());
    let one = OfficeClient::connect(&addresses[1]).await.unwrap();
    let all = OfficeGroup::join(&addresses[0]).await.unwrap();
    assert_eq!(one.number().await.unwrap(), 3);
    assert_eq!(sorted(all.number().expect(1).wait(LONG).await.unwrap()), [3]);
}

#[tokio::test]
async fn many_groups_and_calls_do_not_meet() {
    let offices = join_all((0..4).map(|_| office(3))).await;
    let calls = offices.iter().flat_map(|(office, _)| {
        (0..25_u64).map(|number| {
            let call = office.echo(Value::from(number)).expect(3).wait(LONG);
            async move { (number, call.await.unwrap()) }
        })
    });
    for (number, replies) in join_all(calls).await {
        assert_eq!(replies.len(), 3);
        assert!(replies.iter().all(|reply| *reply.result.as_ref().unwrap() == Value::from(number)));
    }
}
