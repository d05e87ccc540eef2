//! Runtimes of every kind: with one thread, without a clock, and gone in the middle of everything.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use msgrpc::{CallError, Client, CloseReason, Server, ServerHandle};
use support::{Bench, LabClient, LabService, memory, poll_once};
use tokio::runtime::{Builder, Runtime};

/// One at a time: what panics is counted for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What panicked while `run` ran, caught or not.
fn panics(run: impl FnOnce()) -> Vec<String> {
    static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| PANICS.lock().unwrap().push(info.to_string())));
    // One that was not caught was told of like the others.
    drop(catch_unwind(AssertUnwindSafe(run)));
    std::panic::set_hook(usual);
    std::mem::take(&mut PANICS.lock().unwrap())
}

/// A server and a client with everything at work that there is.
async fn in_the_middle(address: &str) -> (Client, Bench, ServerHandle) {
    let bench = Bench::default();
    let server = Server::new(LabService::new(bench.clone())).listen(address).bind().await.unwrap();
    let (address, handle) = (server.addresses()[0].to_string(), server.handle());
    tokio::spawn(server.run());
    let client =
        Client::builder(&address).serve(LabService::new(bench.clone())).connect().await.unwrap();
    let lab = LabClient::new(client.clone());
    for n in 0..10 {
        tokio::spawn(lab.hold(n));
        lab.late_note(1).await.unwrap();
    }
    tokio::spawn(lab.hold_thread(1));
    lab.watch().await.unwrap();
    support::until("all are at work", || bench.started() == 13).await;
    (client, bench, handle)
}

#[test]
fn a_runtime_dropped_in_the_middle_leaves_nobody_waiting_and_panics_nowhere() {
    let _alone = alone();
    let runtimes: [fn() -> Runtime; 2] = [
        || Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
        || Builder::new_current_thread().enable_all().build().unwrap(),
    ];
    let panics = panics(|| {
        for round in 0..20 {
            let address = if round % 4 < 2 { memory() } else { "tcp://127.0.0.1:0".to_owned() };
            let runtime = runtimes[round % 2]();
            let (client, bench, handle) = runtime.block_on(in_the_middle(&address));
            let mut waiting = client.call::<u8>("hold", (1,));
            {
                let _within = runtime.enter();
                assert!(poll_once(&mut waiting).is_pending());
            }
            let opener = bench.clone();
            // The thread of a blocking method would hold the drop of its runtime up.
            let ends = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                opener.open(1);
                opener.open(20);
            });
            drop(runtime);
            ends.join().unwrap();
            assert!(matches!(
                client.closed().as_deref(),
                Some(CloseReason::Local | CloseReason::Peer)
            ));
            let error = futures::executor::block_on(waiting).unwrap_err();
            assert!(matches!(error, CallError::Closed(_)), "{error:?}");
            let error = futures::executor::block_on(client.call::<u8>("add", (1, 2))).unwrap_err();
            assert!(!error.was_sent(), "{error:?}");
            futures::executor::block_on(handle.stopped());
            handle.shutdown();
            drop(client);
        }
    });
    assert!(panics.is_empty(), "{panics:?}");
}

/// What a panic says that `run` must end in.
fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap()
}

#[test]
fn without_a_clock_it_says_so_when_it_is_built() {
    let _alone = alone();
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let expected = "timers are disabled. Call `enable_time` on the runtime builder";
    let server = Server::new(LabService::new(Bench::default())).listen("tcp://127.0.0.1:0");
    let text = panic_of(|| drop(runtime.block_on(server.bind())));
    assert!(text.contains(expected), "{text}");
    let text = panic_of(|| drop(runtime.block_on(Client::connect("tcp://127.0.0.1:1"))));
    assert!(text.contains(expected), "{text}");
    let text = panic_of(|| {
        runtime.block_on(async {
            let (near, _far) = tokio::io::duplex(64);
            let peer = msgrpc::Peer::named("far");
            let stream =
                msgrpc::transport::Stream::new(near, peer, "memory://near".parse().unwrap());
            drop(Client::over(stream));
        });
    });
    assert!(text.contains(expected), "{text}");
}

#[test]
fn without_sockets_or_without_a_runtime_it_says_so() {
    let _alone = alone();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let server = Server::new(LabService::new(Bench::default())).listen("tcp://127.0.0.1:0");
    let text = panic_of(|| drop(runtime.block_on(server.bind())));
    assert!(text.contains("IO is disabled. Call `enable_io` on the runtime builder"), "{text}");
    let text = panic_of(|| {
        drop(futures::executor::block_on(Client::connect("tcp://127.0.0.1:1")));
    });
    assert!(text.contains("must be called from the context of a Tokio 1.x runtime"), "{text}");
    // Within the process no sockets are needed.
    runtime.block_on(async {
        let server = Server::new(LabService::new(Bench::default())).listen(memory().as_str());
        let server = server.bind().await.unwrap();
        let address = server.addresses()[0].to_string();
        tokio::spawn(server.run());
        let lab = LabClient::connect(&address).await.unwrap();
        assert_eq!(lab.add(1, 2).await.unwrap(), 3);
    });
}
