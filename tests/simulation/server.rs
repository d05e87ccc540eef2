//! A server on a host of its own that is told from outside how to end, and how a simulation is run.

use std::cell::Cell;
use std::panic;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use msgrpc::{Server, Stopped};
use tokio::sync::watch;
use turmoil::Sim;

use super::ledger::{Book, LedgerService};
use super::load::tasks;
use super::network::listen;

/// The strings to a server: what it is to do, and how it ended.
#[derive(Clone)]
pub(crate) struct Strings {
    pub(crate) order: watch::Sender<Order>,
    pub(crate) stopped: Arc<Mutex<Option<Stopped>>>,
    /// Grace of its shutdown.
    pub(crate) grace: Duration,
}

/// What a server is to do.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    Run,
    /// Its process ends at once, while its host stays up: connections are refused.
    Die,
    /// End in order.
    Shutdown,
}

impl Strings {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { order: watch::Sender::new(Order::Run), stopped: Arc::default(), grace }
    }

    /// Runs on its host until it is crashed. After each order it waits for the next one.
    pub(crate) async fn serve(self, book: Book) -> turmoil::Result {
        let mut orders = self.order.subscribe();
        let before = tasks();
        loop {
            drop(orders.wait_for(|order| *order == Order::Run).await);
            let server = Server::new(LedgerService::new(book.clone()))
                .listener(listen().await)
                .shutdown_grace(self.grace)
                .bind()
                .await?;
            let mut dying = self.order.subscribe();
            let mut ending = self.order.subscribe();
            let ended = async {
                drop(ending.wait_for(|order| *order == Order::Shutdown).await);
            };
            tokio::select! {
                biased;
                _ = dying.wait_for(|order| *order == Order::Die) => {}
                stopped = server.run_until(ended) => {
                    assert_eq!(tasks(), before, "tasks of the server are left");
                    *self.stopped.lock().unwrap() = Some(stopped?);
                }
            }
            // Whatever was told meanwhile.
            drop(orders.wait_for(|order| *order != Order::Shutdown).await);
        }
    }
}

/// A host of a server that these strings move.
pub(crate) fn host(sim: &mut Sim<'_>, name: &str, strings: &Strings, book: &Book) {
    let (strings, book) = (strings.clone(), book.clone());
    sim.host(name, move || strings.clone().serve(book.clone()));
}

/// Runs `each` with every seed of `0..count`, or only that of `MSGRPC_SEED`; which one failed is printed.
pub(crate) fn seeds(count: u64, mut each: impl FnMut(u64)) {
    let only = std::env::var("MSGRPC_SEED").ok().map(|seed| seed.parse().unwrap());
    watch_panics();
    for seed in only.map_or(0..count, |seed: u64| seed..seed + 1) {
        let _named = Named(seed);
        let before = PANICS.get();
        each(seed);
        assert_eq!(PANICS.get(), before, "something panicked in a task");
    }
}

/// Prints the seed if its simulation fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat it: MSGRPC_SEED={}", self.0);
        }
    }
}

thread_local! {
    /// A simulation runs on one thread.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Counts panics, also those that end nothing but a task.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            next(info);
        }));
    });
}

/// Steps until all clients have ended; `act` is asked before each step.
pub(crate) fn run(sim: &mut Sim<'_>, mut act: impl FnMut(&mut Sim<'_>)) {
    loop {
        act(sim);
        if sim.step().unwrap() {
            return;
        }
    }
}

/// Ends a server in order once no client is left, and sees that nothing of it is.
pub(crate) fn finish(sim: &mut Sim<'_>, host: &'static str, strings: &Strings) {
    strings.order.send_replace(Order::Shutdown);
    let end = sim.elapsed() + strings.grace + Duration::from_secs(1);
    while strings.stopped.lock().unwrap().is_none() {
        assert!(sim.elapsed() <= end, "{host} does not end");
        sim.step().unwrap();
    }
}
