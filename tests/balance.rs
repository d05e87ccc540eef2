//! Balancers: how calls spread, what happens when servers go and come, and what errors name.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use msgrpc::transport::BoxFuture;
use msgrpc::{Address, Balance, CallError, Client, Discover, DiscoverError, Dns, Endpoint, Server};
use support::{
    Bench, Gate, LabClient, LabService, Running, Script, lab, memory, poll_once, quiet, response,
    until,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Servers of a bench each.
async fn labs(count: usize) -> (Vec<Running>, Vec<Bench>) {
    let mut labs = Vec::new();
    for _ in 0..count {
        labs.push(lab().await);
    }
    labs.into_iter().unzip()
}

fn addresses(servers: &[Running]) -> Vec<String> {
    servers.iter().map(|server| server.address.clone()).collect()
}

/// A balancer over all of them, once all are up.
async fn balance(servers: &[Running]) -> Balance {
    let balance = Client::balance(addresses(servers)).await.unwrap();
    until("all are up", || balance.status().iter().all(|server| server.open == 1)).await;
    balance
}

/// Lets `count` through at each of them.
fn open_all(benches: &[Bench], count: usize) {
    for bench in benches {
        bench.open(count);
    }
}

/// Sends calls that are not answered at once.
fn send_all<F: Future + Unpin>(calls: &mut [F]) {
    for call in calls {
        assert!(poll_once(call).is_pending());
    }
}

/// Servers that a test changes.
struct Listed(watch::Receiver<Vec<String>>);

impl Discover for Listed {
    fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
        Box::pin(async {
            self.0.changed().await.map_err(|error| DiscoverError::new("the list", error))?;
            let list = self.0.borrow_and_update();
            Ok(list.iter().map(|address| Endpoint::new(address.parse().unwrap())).collect())
        })
    }
}

impl Listed {
    fn new(list: Vec<String>) -> (watch::Sender<Vec<String>>, Self) {
        let (sender, mut receiver) = watch::channel(list);
        receiver.mark_changed();
        (sender, Self(receiver))
    }
}

// Spreading.

#[tokio::test]
async fn calls_at_once_are_spread_evenly() {
    let (servers, benches) = labs(4).await;
    let balance = balance(&servers).await;
    let lab = LabClient::new(balance.clone());
    let calls: Vec<_> = (0..400).map(|token| tokio::spawn(lab.hold(token))).collect();
    let started = || benches.iter().map(Bench::started);
    until("all are at work", || started().sum::<usize>() == 400).await;
    for count in started() {
        assert!((85..=115).contains(&count), "{:?}", started().collect::<Vec<_>>());
    }
    let status = balance.status();
    assert!(status.iter().map(|server| server.in_flight).eq(started()));
    assert!(status.iter().map(|server| server.name.clone()).eq(addresses(&servers)));
    open_all(&benches, 400);
    for (token, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), token);
    }
}

#[tokio::test]
async fn calls_one_after_another_are_spread_too() {
    let (servers, benches) = labs(4).await;
    let lab = LabClient::new(balance(&servers).await);
    open_all(&benches, 400);
    for token in 0..400 {
        assert_eq!(lab.hold(token).await.unwrap(), token);
    }
    for bench in &benches {
        assert!((50..=150).contains(&bench.ended()), "{}", bench.ended());
    }
}

#[tokio::test]
async fn a_busy_server_gets_less() {
    let (servers, benches) = labs(2).await;
    let balance = balance(&servers).await;
    let lab = LabClient::new(balance.clone());
    let mut held: Vec<_> = (0..10).map(|token| lab.hold(token)).collect();
    send_all(&mut held);
    until("all are at work", || benches.iter().map(Bench::started).sum::<usize>() == 10).await;
    // Of two servers both are drawn each time: so it is even.
    assert_eq!((benches[0].started(), benches[1].started()), (5, 5));
    benches[1].open(5);
    until("one is idle", || benches[1].ended() == 5).await;
    quiet().await;
    held.retain_mut(|call| poll_once(call).is_pending());
    let mut more: Vec<_> = (0..5).map(|token| lab.hold(token)).collect();
    send_all(&mut more);
    until("all are at work", || benches.iter().map(Bench::started).sum::<usize>() == 15).await;
    assert_eq!((benches[0].started(), benches[1].started()), (5, 10));
}

#[tokio::test]
async fn notifications_reach_a_server_each() {
    let (servers, benches) = labs(3).await;
    let balance = balance(&servers).await;
    let lab = LabClient::new(balance.clone());
    join_all((0..60).map(|n| lab.note(n))).await.into_iter().for_each(Result::unwrap);
    let kept = || benches.iter().flat_map(Bench::kept).collect::<Vec<_>>();
    until("all have arrived", || kept().len() == 60).await;
    let mut kept = kept();
    kept.sort_unstable();
    assert!(kept.into_iter().eq(0..60));
    balance.notify("note", (60,)).await.unwrap();
    let sum: i64 = balance.call("add", (40, 2)).await.unwrap();
    assert_eq!(sum, 42);
}

// Losing servers.

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_passed_over_and_taken_again_when_it_is_back() {
    let (mut servers, benches) = labs(2).await;
    let balance = balance(&servers).await;
    let lab = LabClient::new(balance.clone());
    let lost = servers.remove(1);
    let address = lost.address.clone();
    lost.stop().await;
    benches[0].open(1000);
    for token in 0..100 {
        assert_eq!(lab.hold(token).await.unwrap(), token, "nothing was sent to the other one");
    }
    assert_eq!(benches[0].ended(), 100);
    let status = balance.status();
    assert_eq!((status[0].open, status[1].open), (1, 0));
    sleep(5 * SECOND).await;
    assert_eq!(
        balance.status()[1].last_error.as_deref(),
        Some(&*format!(
            "could not connect to {address}: nobody listens there. Is the server running?"
        ))
    );
    let back = Bench::default();
    let _server = Running::start_at(Server::new(LabService::new(back.clone())), &address).await;
    back.open(1000);
    sleep(13 * SECOND).await;
    for token in 0..100 {
        lab.hold(token).await.unwrap();
    }
    assert!((20..=80).contains(&back.ended()), "{}", back.ended());
    assert_eq!(balance.status()[1].last_error, None);
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_left_go_to_another_server() {
    let mut script = Script::listen().await;
    let (other, _bench) = lab().await;
    let gate = Gate::new(&other.address);
    gate.bar(true);
    let endpoints = [Endpoint::new(script.address.parse().unwrap()), Endpoint::with(gate.clone())];
    let one_at_a_time =
        Balance::discover(Once(Some(endpoints.into()))).client(|client| client.max_in_flight(1));
    let balance = one_at_a_time.build().await.unwrap();
    let mut wire = script.accept().await;
    let lab = LabClient::new(balance.clone());
    let sent = tokio::spawn(lab.add(1, 2));
    wire.message().await;
    let unsent: Vec<_> = (0..10).map(|n| tokio::spawn(lab.add(n, 3))).collect();
    assert!(wire.is_silent().await, "they wait in line");
    gate.bar(false);
    drop((wire, script));
    assert!(sent.await.unwrap().unwrap_err().was_sent());
    for (n, call) in (0..).zip(unsent) {
        assert_eq!(call.await.unwrap().unwrap(), n + 3);
    }
}

/// A list that stays.
struct Once(Option<Vec<Endpoint>>);

impl Discover for Once {
    fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
        let list = self.0.take();
        Box::pin(async {
            match list {
                Some(list) => Ok(list),
                None => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_idempotent_goes_to_another_server_when_its_answer_is_lost() {
    let (mut one, mut two) = (Script::listen().await, Script::listen().await);
    let balance = Client::balance([&one.address, &two.address]).await.unwrap();
    let mut wires = [one.accept().await, two.accept().await];
    quiet().await;
    let call = tokio::spawn(balance.call::<u32>("x", ()).idempotent(true));
    quiet().await;
    let first = usize::from(wires[0].is_silent().await);
    if first == 1 {
        wires.reverse();
    }
    let [mut a, mut b] = wires;
    a.message().await;
    drop((a, one, two));
    b.message().await;
    b.send(response(0, 7)).await;
    assert_eq!(call.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_loses_nothing_that_may_be_sent_again() {
    let (mut servers, _benches) = labs(3).await;
    let balance = balance(&servers).await;
    let lab = LabClient::new(balance.clone());
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move {
                for n in 0..300 {
                    assert_eq!(lab.add(n, 1).idempotent(true).await.unwrap(), n + 1);
                    sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    for round in 0..6 {
        sleep(SECOND / 4).await;
        let server = servers.remove(0);
        let address = server.address.clone();
        server.stop().await;
        sleep(SECOND / 10 * (round % 3)).await;
        let server = Server::new(LabService::new(Bench::default()));
        servers.push(Running::start_at(server, &address).await);
    }
    join_all(callers).await.into_iter().for_each(Result::unwrap);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_down_the_error_names_each_and_why() {
    let (server, _bench) = lab().await;
    let (one, two) = (Gate::new(&server.address), memory());
    one.bar(true);
    let endpoints = vec![Endpoint::with(one.clone()), Endpoint::new(two.parse().unwrap())];
    let balance = Balance::discover(Once(Some(endpoints))).build_lazy().unwrap();
    let lab = LabClient::new(balance);
    let begun = Instant::now();
    let error = lab.add(2, 3).await.unwrap_err();
    assert_eq!(begun.elapsed(), 15 * SECOND);
    let CallError::NotConnected(error) = &error else { panic!("{error:?}") };
    assert_eq!(
        error.to_string(),
        format!(
            "`add` was not sent, no connection after {} tries: all 2 servers were down for 15s (wait_timeout), \
             waiting 1: could not connect to {}: the gate is barred; could not connect to {two}: nobody listens \
             there. Is the server running?",
            error.tries(),
            server.address
        )
    );
    assert!(error.tries() >= 2);
    one.bar(false);
    assert_eq!(lab.add(2, 3).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_balancer_without_any_server_is_refused_with_the_reasons() {
    let (one, two) = (memory(), memory());
    let down = Client::balance([&one, &two]).await.unwrap_err();
    assert_eq!(
        down.to_string(),
        format!(
            "none of the servers could be reached: could not connect to {one}: nobody listens there. Is the server \
             running?; could not connect to {two}: nobody listens there. Is the server running?"
        )
    );
    let nobody = Client::balance(Vec::<String>::new()).await.unwrap_err();
    assert_eq!(
        nobody.to_string(),
        "there is no server to balance between: name one, such as tcp://127.0.0.1:8000"
    );
    let bad = Client::balance(["tcp://127.0.0.1:8000", "127.0.0.1"]).await.unwrap_err();
    assert!(bad.to_string().contains("127.0.0.1"), "{bad}");
    let unknown = Dns::new("unix:///run/calc.sock").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "cannot discover the servers of unix:///run/calc.sock: only a name of TCP is looked up, such as \
         tcp://calc.internal:8000"
    );
}

// Discovering servers.

#[tokio::test(start_paused = true)]
async fn servers_come_and_go_and_calls_under_way_are_finished() {
    let (servers, benches) = labs(3).await;
    let all = addresses(&servers);
    let (list, listed) = Listed::new(vec![all[0].clone(), all[1].clone()]);
    let balance = Balance::discover(listed).build().await.unwrap();
    until("both are up", || balance.status().iter().all(|server| server.open == 1)).await;
    let lab = LabClient::new(balance.clone());
    let held: Vec<_> = (0..10).map(|token| tokio::spawn(lab.hold(token))).collect();
    until("all are at work", || benches[0].started() + benches[1].started() == 10).await;
    list.send(vec![all[2].clone(), all[1].clone(), all[1].clone()]).unwrap();
    sleep(SECOND).await;
    let names: Vec<_> = balance.status().into_iter().map(|server| server.name).collect();
    assert_eq!(names, [all[2].clone(), all[1].clone()], "in the order of the list, each once");
    for token in 10..20 {
        benches[1].open(1);
        benches[2].open(1);
        assert_eq!(lab.hold(token).await.unwrap(), token);
    }
    assert_eq!(benches[0].started(), 5, "no call goes to the one that has left");
    open_all(&benches, 20);
    for (token, call) in (0..).zip(held) {
        assert_eq!(call.await.unwrap().unwrap(), token, "calls under way are finished");
    }
    // Nobody is left: calls wait until somebody comes.
    list.send(Vec::new()).unwrap();
    sleep(SECOND).await;
    let error = lab.add(2, 3).timeout(SECOND).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`add` was not sent: no server was known for 1s (the timeout of the call), waiting 1"
    );
    let call = tokio::spawn(lab.add(2, 3));
    sleep(SECOND).await;
    list.send(vec![all[0].clone()]).unwrap();
    assert_eq!(call.await.unwrap().unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_left_is_let_go_when_its_calls_are_over() {
    let mut script = Script::listen().await;
    let (other, _bench) = lab().await;
    let (list, listed) = Listed::new(vec![script.address.clone()]);
    let balance = Balance::discover(listed).build().await.unwrap();
    let mut wire = script.accept().await;
    let call = tokio::spawn(balance.call::<u32>("x", ()).timeout(None));
    wire.message().await;
    list.send(vec![other.address.clone()]).unwrap();
    sleep(60 * SECOND).await;
    assert!(wire.is_silent().await);
    wire.send(response(0, 7)).await;
    assert_eq!(call.await.unwrap().unwrap(), 7);
    assert!(wire.rest().await.is_empty(), "it was closed");
}

/// Answers of a name server, one after another; the last one stays.
type Answers = Arc<Mutex<Vec<Result<Vec<SocketAddr>, io::ErrorKind>>>>;

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_again_and_an_error_leaves_the_servers_as_they_were() {
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let answers: Answers = Arc::new(Mutex::new(vec![
        Ok(vec![at(1), at(2)]),
        Err(io::ErrorKind::TimedOut),
        Ok(vec![at(2), at(3)]),
    ]));
    let asked = Arc::new(AtomicUsize::new(0));
    let resolver = {
        let asked = Arc::clone(&asked);
        move |host: msgrpc::transport::HostPort| {
            assert_eq!((host.host(), host.port()), ("calc.internal", 8000));
            let n = asked.fetch_add(1, Ordering::SeqCst);
            let answers = answers.lock().unwrap();
            let answer = answers[n.min(answers.len() - 1)].clone();
            async move { answer.map_err(io::Error::from) }
        }
    };
    let dns = Dns::new("tcp://calc.internal:8000").unwrap().ttl(60 * SECOND).resolver(resolver);
    let balance = Balance::discover(dns).build_lazy().unwrap();
    let names = || {
        let status = balance.status();
        status.into_iter().map(|server| server.name).collect::<Vec<_>>()
    };
    sleep(SECOND).await;
    assert_eq!(names(), ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"]);
    sleep(58 * SECOND).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    sleep(2 * SECOND).await;
    assert_eq!((names().len(), asked.load(Ordering::SeqCst)), (2, 2), "an error changes nothing");
    sleep(3 * SECOND).await;
    assert_eq!(names(), ["tcp://127.0.0.1:2", "tcp://127.0.0.1:3"]);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "and is followed by another try");
}

#[tokio::test]
async fn the_system_is_asked_for_names() {
    let server = Server::new(LabService::new(Bench::default()));
    let server = Running::start_at(server, "tcp://127.0.0.1:0").await;
    let port = server.address.parse::<Address>().unwrap().port().unwrap();
    let dns = Dns::new(&format!("tcp://localhost:{port}")).unwrap();
    let balance = Balance::discover(dns).build().await.unwrap();
    assert_eq!(LabClient::new(balance).add(2, 3).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_discovery_that_fails_is_reported_and_not_asked_hot() {
    struct Broken(Arc<AtomicUsize>);
    impl Discover for Broken {
        fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Err(DiscoverError::new("the registry", "it is on fire")) })
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let error = Balance::discover(Broken(Arc::clone(&asked))).build().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot discover the servers of the registry: it is on fire");
    let balance = Balance::discover(Broken(Arc::clone(&asked))).build_lazy().unwrap();
    let error = LabClient::new(balance).add(2, 3).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`add` was not sent: no server was known for 15s (wait_timeout), waiting 1: cannot discover the servers \
         of the registry: it is on fire"
    );
    assert!(asked.load(Ordering::SeqCst) < 10);
}

#[tokio::test(start_paused = true)]
async fn a_discovery_that_repeats_itself_does_not_burn_the_processor() {
    struct Hasty(Arc<AtomicUsize>, Endpoint);
    impl Discover for Hasty {
        fn discover(&mut self) -> BoxFuture<'_, Result<Vec<Endpoint>, DiscoverError>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(vec![self.1.clone(); 3]) })
        }
    }
    let (server, _bench) = lab().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let endpoint = Endpoint::new(server.address.parse().unwrap()).named("the lab");
    let balance = Balance::discover(Hasty(Arc::clone(&asked), endpoint)).build().await.unwrap();
    sleep(10 * SECOND).await;
    assert!(asked.load(Ordering::SeqCst) <= 101);
    let status = balance.status();
    assert_eq!((status.len(), &*status[0].name, status[0].open), (1, "the lab", 1));
}

// Closing.

#[tokio::test]
async fn closing_ends_calls_connections_and_tasks() {
    let (servers, benches) = labs(2).await;
    for server in &servers {
        server.serves_others().await;
    }
    quiet().await;
    let tasks = tokio::runtime::Handle::current().metrics();
    until("the connections of others are gone", || tasks.num_alive_tasks() <= 4).await;
    let before = tasks.num_alive_tasks();
    let balance = balance(&servers).await;
    let lab = LabClient::new(balance.clone());
    let calls: Vec<_> = (0..6).map(|token| tokio::spawn(lab.hold(token))).collect();
    until("they are at work", || benches.iter().map(Bench::started).sum::<usize>() == 6).await;
    balance.clone().close().await;
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(error.was_sent() && error.to_string().ends_with("it was closed on this side"));
    }
    let error = lab.add(2, 3).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`add` was not sent, as the connection to any server had ended: it was closed on this side"
    );
    open_all(&benches, 6);
    until("no task is left", || tasks.num_alive_tasks() <= before).await;
}

#[tokio::test]
async fn the_last_handle_closes_the_connections_when_its_calls_are_over() {
    let (servers, benches) = labs(2).await;
    for server in &servers {
        server.serves_others().await;
    }
    quiet().await;
    let tasks = tokio::runtime::Handle::current().metrics();
    until("the connections of others are gone", || tasks.num_alive_tasks() <= 4).await;
    let before = tasks.num_alive_tasks();
    let lab = LabClient::new(balance(&servers).await);
    let call = tokio::spawn(lab.hold(1));
    drop(lab);
    until("it is at work", || benches.iter().any(|bench| bench.started() == 1)).await;
    quiet().await;
    open_all(&benches, 1);
    assert_eq!(call.await.unwrap().unwrap(), 1);
    until("no task is left", || tasks.num_alive_tasks() <= before).await;
}
