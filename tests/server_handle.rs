//! Ending a server by its handle: from outside, from its own methods, several times, at any moment; and the counts.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, Client, Context, Reconnect, Server, ServerHandle, Stopped};
use support::{Running, Wire, memory, notification, quiet, request, value};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

#[msgrpc::service]
trait Admin {
    /// Answers after a while.
    async fn nap(&self, millis: u64) -> u64;
    /// Ends the server and says goodbye.
    async fn stop(&self, ctx: &Context) -> String;
    /// Ends the server and waits for its end, which waits for this.
    async fn stop_and_wait(&self, ctx: &Context) -> u8;
    #[msgrpc(notification)]
    async fn stop_silently(&self, ctx: &Context);
    #[msgrpc(blocking)]
    fn stop_from_a_thread(&self, ctx: &Context) -> u8;
    /// Takes a while, and counts when it is through.
    #[msgrpc(notification)]
    async fn note(&self, millis: u64);
    /// Naps on a task that outlives its caller.
    async fn detached(&self, ctx: &Context, millis: u64) -> bool;
}

/// How often something ran to its end.
#[derive(Clone, Debug, Default)]
struct Done(Arc<AtomicUsize>);

impl Done {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Default)]
struct Desk(Done);

impl Admin for Desk {
    async fn nap(&self, millis: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    }

    async fn stop(&self, ctx: &Context) -> String {
        let server = ctx.server().unwrap();
        server.shutdown();
        assert!(server.is_stopping());
        tokio::task::yield_now().await;
        "goodbye".to_owned()
    }

    async fn stop_and_wait(&self, ctx: &Context) -> u8 {
        let server = ctx.server().unwrap();
        server.shutdown();
        server.stopped().await;
        1
    }

    async fn stop_silently(&self, ctx: &Context) {
        ctx.server().unwrap().shutdown();
    }

    fn stop_from_a_thread(&self, ctx: &Context) -> u8 {
        ctx.server().unwrap().shutdown();
        7
    }

    async fn note(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.0.add();
    }

    async fn detached(&self, ctx: &Context, millis: u64) -> bool {
        let done = self.0.clone();
        let work = async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            done.add();
        };
        ctx.spawn(work).await.unwrap().is_some()
    }
}

/// A server that ends within a second, and what its notifications and spawned tasks count.
struct Office {
    address: String,
    handle: ServerHandle,
    task: JoinHandle<Stopped>,
    done: Done,
}

impl Office {
    async fn open() -> Self {
        let done = Done::default();
        let server = Server::new(AdminService::new(Desk(done.clone())))
            .shutdown_grace(Duration::from_secs(1))
            .listen(memory().as_str())
            .bind()
            .await
            .unwrap();
        let (address, handle) = (server.addresses()[0].to_string(), server.handle());
        let task = tokio::spawn(async move { server.run_until(pending()).await.unwrap() });
        Self { address, handle, task, done }
    }

    async fn client(&self) -> AdminClient {
        AdminClient::connect(&self.address).await.unwrap()
    }

    /// The end, which comes within five seconds.
    async fn ended(self) -> Stopped {
        let begun = Instant::now();
        let told = within(self.handle.stopped()).await;
        assert_eq!(within(self.task).await.unwrap(), told, "the handle tells the same");
        assert!(begun.elapsed() <= Duration::from_secs(2), "took {:?}", begun.elapsed());
        told
    }
}

fn pending() -> std::future::Pending<()> {
    std::future::pending()
}

/// The watchdog.
async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(5), future).await.expect("it takes more than five seconds")
}

#[tokio::test(start_paused = true)]
async fn of_a_hundred_calls_each_is_answered_or_closed_and_the_counts_are_right() {
    let office = Office::open().await;
    let mut calls = Vec::new();
    for n in 1..=100 {
        calls.push(tokio::spawn(office.client().await.nap(50 * n)));
    }
    quiet().await;
    office.handle.shutdown();
    let stopped = office.ended().await;
    let ended = join_all(calls).await.into_iter().map(Result::unwrap);
    let (answered, closed): (Vec<_>, Vec<_>) = ended.partition(Result::is_ok);
    assert!(closed.iter().all(|call| matches!(call, Err(CallError::Closed(_)))), "{closed:?}");
    assert!((19..=20).contains(&answered.len()), "{} within a second", answered.len());
    assert_eq!((stopped.answered, stopped.aborted), (answered.len(), closed.len()));
    // The twentieth may be answered at the very end, when its connection cannot be closed in order any more.
    assert!((19..=answered.len()).contains(&stopped.connections_closed), "{stopped}");
    assert_eq!(stopped.connections_closed + stopped.connections_aborted, 100);
    assert_eq!((stopped.refused, stopped.blocking, stopped.tasks_aborted), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn several_orders_end_it_once_and_only_ever_sooner() {
    type Orders = fn(&ServerHandle);
    let cases: [(&str, Orders, u64); 7] = [
        ("twice", |h| [(); 2].iter().for_each(|()| h.shutdown()), 1000),
        ("a longer grace of its own", |h| h.shutdown_within(Duration::from_secs(2)), 2000),
        ("a shorter one", |h| h.shutdown_within(Duration::from_millis(500)), 500),
        (
            "later is never",
            |h| {
                h.shutdown();
                h.shutdown_within(Duration::MAX);
            },
            1000,
        ),
        (
            "sooner counts",
            |h| {
                h.shutdown_within(Duration::MAX);
                h.shutdown();
                h.shutdown_within(Duration::from_millis(300));
            },
            300,
        ),
        ("at once", ServerHandle::abort, 0),
        (
            "at once after all",
            |h| {
                h.shutdown();
                h.abort();
                h.shutdown();
            },
            0,
        ),
    ];
    for (name, orders, expected) in cases {
        let office = Office::open().await;
        let call = tokio::spawn(office.client().await.nap(10_000));
        quiet().await;
        let begun = Instant::now();
        orders(&office.handle);
        let stopped = within(office.task).await.unwrap();
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
        assert!((expected..=expected + 2).contains(&took), "{name}: {took} ms");
        assert_eq!((stopped.answered, stopped.aborted), (0, 1), "{name}");
        assert!(matches!(call.await.unwrap(), Err(CallError::Closed(_))), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_while_it_is_ending_brings_the_end_forward() {
    let office = Office::open().await;
    let call = tokio::spawn(office.client().await.nap(10_000));
    quiet().await;
    let begun = Instant::now();
    office.handle.shutdown();
    tokio::time::sleep(Duration::from_millis(100)).await;
    office.handle.shutdown_within(Duration::from_millis(100));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!office.task.is_finished());
    office.handle.abort();
    assert_eq!(office.ended().await.aborted, 1);
    assert!(begun.elapsed() < Duration::from_millis(160), "{:?}", begun.elapsed());
    assert!(call.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_method_ends_its_own_server_and_is_answered() {
    let office = Office::open().await;
    let client = office.client().await;
    assert_eq!(within(client.stop()).await.unwrap(), "goodbye");
    let stopped = office.ended().await;
    assert_eq!((stopped.answered, stopped.aborted, stopped.connections_closed), (1, 0, 1));

    let office = Office::open().await;
    office.client().await.stop_silently().await.unwrap();
    assert_eq!(office.ended().await.aborted, 0);
}

#[tokio::test]
async fn a_blocking_method_ends_its_own_server_and_is_answered() {
    let office = Office::open().await;
    let client = office.client().await;
    assert_eq!(within(client.stop_from_a_thread()).await.unwrap(), 7);
    let stopped = office.ended().await;
    assert_eq!((stopped.answered, stopped.aborted, stopped.blocking), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_method_that_waits_for_the_end_of_its_server_is_dropped_with_the_grace() {
    let office = Office::open().await;
    let client = office.client().await;
    assert!(matches!(within(client.stop_and_wait()).await, Err(CallError::Closed(_))));
    assert_eq!(office.ended().await.aborted, 1);
}

#[tokio::test(start_paused = true)]
async fn clients_that_are_connecting_get_an_answer_or_an_error() {
    for turns in 0..40 {
        let office = Office::open().await;
        let address: Arc<str> = office.address.clone().into();
        let clients: Vec<_> = (0..20)
            .map(|n| {
                let address = Arc::clone(&address);
                tokio::spawn(async move {
                    for _ in 0..n {
                        tokio::task::yield_now().await;
                    }
                    let once = Client::builder(&address).reconnect(Reconnect::never());
                    match once.connect().await.map(AdminClient::new) {
                        Ok(client) => client.nap(n).await.map_err(|error| error.to_string()),
                        Err(error) => Err(error.to_string()),
                    }
                })
            })
            .collect();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        office.handle.shutdown();
        office.ended().await;
        for client in clients {
            drop(within(client).await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_before_it_runs_counts_and_a_server_that_never_runs_has_ended() {
    let server = Server::new(AdminService::new(Desk::default())).listen(memory().as_str());
    let handle = server.handle();
    handle.shutdown();
    let stopped = within(server.run_until(pending())).await.unwrap();
    assert_eq!((stopped, within(handle.stopped()).await), (Stopped::default(), stopped));

    let server = Server::new(AdminService::new(Desk::default())).listen(memory().as_str());
    let handle = server.handle();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.stopped().await }
    });
    let bound = server.bind().await.unwrap();
    quiet().await;
    assert!(!waiting.is_finished() && !handle.is_stopping());
    drop(bound);
    assert_eq!(within(waiting).await.unwrap(), Stopped::default());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_servers_future_is_an_end_as_well() {
    let office = Office::open().await;
    let call = tokio::spawn(office.client().await.nap(10_000));
    quiet().await;
    office.task.abort();
    within(office.handle.stopped()).await;
    assert!(matches!(within(call).await.unwrap(), Err(CallError::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn notifications_that_were_read_run_and_those_that_come_later_are_counted() {
    let office = Office::open().await;
    let mut wire = Wire::connect(&office.address).await;
    wire.send([notification("note", (100,)), notification("note", (100,))].concat()).await;
    quiet().await;
    // The connection reads these when it learns of the end.
    office.handle.shutdown();
    wire.send([notification("note", (1,)), request(1, "nap", (1,))].concat()).await;
    quiet().await;
    wire.send([notification("note", (1,)), request(2, "nap", (1,))].concat()).await;
    let refused = "[-32003] the server is shutting down";
    let expected = [value((1, 1, refused, ())), value((1, 2, refused, ()))];
    assert_eq!(wire.rest().await, expected);
    let done = office.done.clone();
    let stopped = office.ended().await;
    assert_eq!((stopped.answered, stopped.aborted, stopped.refused), (3, 0, 3));
    assert_eq!(done.count(), 3);
    assert_eq!(
        stopped.to_string(),
        "3 answered, 0 aborted, 3 refused; 1 connections closed, 0 aborted"
    );
}

#[tokio::test(start_paused = true)]
async fn notifications_that_wait_when_the_grace_is_over_are_counted_as_aborted() {
    let office = Office::open().await;
    let client = office.client().await;
    for _ in 0..5 {
        client.note(300).await.unwrap();
    }
    quiet().await;
    office.handle.shutdown();
    let done = office.done.clone();
    let stopped = office.ended().await;
    assert_eq!((stopped.answered, stopped.aborted), (3, 2));
    assert_eq!((stopped.connections_closed, stopped.connections_aborted), (0, 1));
    assert_eq!(done.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_method_spawned_outlives_its_caller_and_is_waited_for() {
    let office = Office::open().await;
    let client = office.client().await;
    assert!(client.detached(5).await.unwrap());
    // Its caller goes away at once: the reset of a connection in memory is the drop of its wire.
    let mut wire = Wire::connect(&office.address).await;
    wire.send(request(1, "detached", (800,))).await;
    quiet().await;
    drop(wire);
    quiet().await;
    office.handle.shutdown();
    let done = office.done.clone();
    let stopped = office.ended().await;
    assert_eq!((stopped.tasks_aborted, done.count()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_method_spawned_is_dropped_with_the_grace() {
    let office = Office::open().await;
    let call = tokio::spawn(office.client().await.detached(5_000));
    quiet().await;
    office.handle.shutdown();
    let done = office.done.clone();
    let stopped = office.ended().await;
    assert_eq!((stopped.tasks_aborted, stopped.aborted, done.count()), (1, 1, 0));
    assert!(matches!(call.await.unwrap(), Err(CallError::Closed(_))));
    assert!(stopped.to_string().ends_with("; 1 spawned tasks aborted"), "{stopped}");
}

#[tokio::test]
async fn a_handle_works_from_a_thread_without_a_runtime() {
    let office = Office::open().await;
    let handle = office.handle.clone();
    std::thread::spawn(move || handle.shutdown()).join().unwrap();
    office.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_has_no_server_to_end() {
    struct Nobody;
    #[msgrpc::service]
    trait Asked {
        async fn has_server(&self, ctx: &Context) -> bool;
    }
    impl Asked for Nobody {
        async fn has_server(&self, ctx: &Context) -> bool {
            ctx.server().is_some()
        }
    }
    #[msgrpc::service]
    trait Asking {
        async fn ask(&self, ctx: &Context) -> bool;
    }
    impl Asking for Nobody {
        async fn ask(&self, ctx: &Context) -> bool {
            ctx.server().is_some() && AskedClient::new(ctx.client()).has_server().await.unwrap()
        }
    }
    let server = Running::start(Server::new(AskingService::new(Nobody))).await;
    let client = server.builder().serve(AskedService::new(Nobody)).connect().await.unwrap();
    assert!(!AskingClient::new(client).ask().await.unwrap());
    let local = AskedClient::new(msgrpc::in_process(AskedService::new(Nobody)));
    assert!(!local.has_server().await.unwrap());
}
