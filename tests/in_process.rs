//! A service called in process: as over a connection, but for the bytes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use msgrpc::{CallError, CloseReason, Context, FaultCode, InProcess, in_process};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// What is called.
#[msgrpc::service]
pub trait Lab {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Fails with an error of its own.
    async fn fail(&self) -> Result<(), Broken>;
    /// Panics.
    async fn panic(&self, late: bool);
    /// Never returns; tells when it is dropped.
    async fn hang(&self, ctx: &Context);
    /// Its length.
    async fn length(&self, text: &str, more: Option<&[u8]>) -> usize;
    /// Where the borrowed argument lies.
    async fn place(&self, data: &[u8]) -> usize;
    /// Who calls.
    async fn whoami(&self, ctx: &Context) -> String;
    /// Calls back, which nobody answers.
    async fn ask_back(&self, ctx: &Context) -> String;
    /// Runs on a thread for blocking work.
    #[msgrpc(blocking)]
    fn checksum(&self, data: &[u8]) -> u32;
    /// Runs on a task of its own.
    #[msgrpc(spawn)]
    async fn spawned(&self) -> bool;
    /// Keeps a number once `gate` is open, or at once.
    #[msgrpc(notification)]
    async fn note(&self, number: usize, gated: bool);
    /// The numbers kept so far.
    async fn noted(&self) -> Vec<usize>;
}

/// An error of a method's own.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("broken")]
#[non_exhaustive]
pub struct Broken {}

#[derive(Clone, Default)]
struct Bench {
    noted: Arc<Mutex<Vec<usize>>>,
    begun: Arc<AtomicUsize>,
    gate: Arc<Notify>,
    dropped: Arc<AtomicBool>,
    cancelled: Arc<Notify>,
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Lab for Bench {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn fail(&self) -> Result<(), Broken> {
        Err(Broken {})
    }

    async fn panic(&self, late: bool) {
        if late {
            tokio::task::yield_now().await;
        }
        std::panic::resume_unwind(Box::new("on purpose"));
    }

    async fn hang(&self, ctx: &Context) {
        let _dropped = SetOnDrop(Arc::clone(&self.dropped));
        let (ctx, cancelled) = (ctx.clone(), Arc::clone(&self.cancelled));
        tokio::spawn(async move {
            ctx.cancelled().await;
            cancelled.notify_one();
        });
        std::future::pending::<()>().await;
    }

    async fn length(&self, text: &str, more: Option<&[u8]>) -> usize {
        text.len() + more.map_or(0, <[u8]>::len)
    }

    async fn place(&self, data: &[u8]) -> usize {
        data.as_ptr().addr()
    }

    async fn whoami(&self, ctx: &Context) -> String {
        format!("{} at {}", ctx.peer(), ctx.local())
    }

    async fn ask_back(&self, ctx: &Context) -> String {
        match ctx.client().call::<()>("anything", ()).await {
            Err(CallError::Closed(closed)) => {
                assert!(matches!(closed.reason(), CloseReason::InProcess));
                closed.to_string()
            }
            other => format!("{other:?}"),
        }
    }

    fn checksum(&self, data: &[u8]) -> u32 {
        data.iter().map(|byte| u32::from(*byte)).sum()
    }

    async fn spawned(&self) -> bool {
        tokio::task::try_id().is_some()
    }

    async fn note(&self, number: usize, gated: bool) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if gated {
            self.gate.notified().await;
        }
        self.noted.lock().expect("no test panics with it").push(number);
    }

    async fn noted(&self) -> Vec<usize> {
        self.noted.lock().expect("no test panics with it").clone()
    }
}

fn lab() -> (LabClient<InProcess>, Bench, InProcess) {
    let bench = Bench::default();
    let caller = in_process(LabService::new(bench.clone()));
    (LabClient::new(caller.clone()), bench, caller)
}

#[tokio::test]
async fn calls_of_every_kind_are_answered() {
    let (lab, ..) = lab();
    assert_eq!(lab.add(2, 3).await.unwrap(), 5);
    assert!(matches!(lab.fail().await, Err(CallError::Method(Broken {}))));
    assert_eq!(lab.length("four", None).await.unwrap(), 4);
    assert_eq!(lab.length("four", Some(&[1, 2])).await.unwrap(), 6);
    assert_eq!(lab.checksum(&[1, 2, 3]).await.unwrap(), 6);
    assert!(lab.spawned().await.unwrap());
    assert_eq!(lab.whoami().await.unwrap(), "in process at memory://in-process");
    let sums = join_all((0..1000).map(|n| lab.add(n, n))).await;
    assert!(sums.into_iter().zip(0..).all(|(sum, n)| sum.unwrap() == 2 * n));
}

#[tokio::test]
async fn a_method_that_panics_is_a_fault_and_the_service_lives() {
    let (lab, ..) = lab();
    for late in [false, true] {
        match lab.panic(late).await {
            Err(CallError::Fault(fault)) => assert_eq!(fault.code(), FaultCode::Internal),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lab.add(1, 1).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_times_out_and_drops_its_method() {
    let (lab, bench, caller) = lab();
    let error = lab.hang().timeout(Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "in process has not answered `hang` within 2s");
    bench.cancelled.notified().await;
    caller.idle().await;
    assert!(bench.dropped.load(Ordering::SeqCst));

    let start = tokio::time::Instant::now();
    let hasty = LabClient::new(caller.timeout(Duration::from_millis(10)));
    assert!(matches!(hasty.hang().await, Err(CallError::TimedOut(_))));
    assert_eq!(start.elapsed().as_millis(), 10);
}

#[tokio::test]
async fn a_call_that_is_dropped_drops_its_method_and_tells_what_it_spawned() {
    let (lab, bench, caller) = lab();
    let call = tokio::spawn(lab.hang());
    tokio::task::yield_now().await;
    call.abort();
    bench.cancelled.notified().await;
    caller.idle().await;
    assert!(bench.dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_call_that_was_answered_does_not_cancel_what_it_spawned() {
    let contexts = Arc::new(Mutex::new(None::<Context>));
    let keeper = KeepClient::new(in_process(KeepService::new(Kept(Arc::clone(&contexts)))));
    keeper.keep().await.unwrap();
    let context = contexts.lock().unwrap().take().unwrap();
    assert!(!context.is_cancelled());
    drop(keeper);
    assert!(context.is_cancelled(), "nobody is left to be answered");
}

/// Keeps its context.
#[msgrpc::service]
pub trait Keep {
    /// Keeps it.
    async fn keep(&self, ctx: &Context);
}

struct Kept(Arc<Mutex<Option<Context>>>);

impl Keep for Kept {
    async fn keep(&self, ctx: &Context) {
        *self.0.lock().expect("no test panics with it") = Some(ctx.clone());
    }
}

#[tokio::test]
async fn calling_back_says_that_nobody_serves() {
    let (lab, ..) = lab();
    assert_eq!(
        lab.ask_back().await.unwrap(),
        "`anything` was not sent, as the connection to in process had ended: \
         whoever calls in process serves no methods"
    );
}

#[tokio::test]
async fn notifications_run_in_order_and_a_request_starts_after_them() {
    let (lab, bench, caller) = lab();
    lab.note(1, false).await.unwrap();
    assert_eq!(lab.noted().await.unwrap(), [1], "W15: it was begun before");
    lab.note(2, true).await.unwrap();
    for number in 3..10 {
        lab.note(number, number == 5).await.unwrap();
    }
    assert_eq!(lab.noted().await.unwrap(), [1], "they wait for the second");
    assert_eq!(bench.begun.load(Ordering::SeqCst), 2);
    bench.gate.notify_one();
    while bench.begun.load(Ordering::SeqCst) < 5 {
        tokio::task::yield_now().await;
    }
    bench.gate.notify_one();
    caller.idle().await;
    assert_eq!(lab.noted().await.unwrap(), (1..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn notifications_of_many_tasks_all_run() {
    let (lab, bench, caller) = lab();
    let senders = (0..8).map(|sender| {
        let lab = lab.clone();
        tokio::spawn(async move {
            for number in 0..500 {
                lab.note(sender * 1000 + number, false).await.unwrap();
            }
        })
    });
    join_all(senders.collect::<Vec<_>>()).await;
    caller.idle().await;
    let mut noted = bench.noted.lock().unwrap().clone();
    assert_eq!(noted.len(), 4000);
    noted.sort_by_key(|number| number / 1000);
    assert!(noted.is_sorted(), "each sender's came in its order");
}

#[tokio::test]
async fn a_notification_beyond_1024_waits_for_room() {
    let (lab, bench, caller) = lab();
    for number in 0..1024 {
        lab.note(number, number == 0).await.unwrap();
    }
    let mut beyond = lab.note(1024, false);
    assert!(futures::poll!(&mut beyond).is_pending());
    bench.gate.notify_one();
    beyond.await.unwrap();
    caller.idle().await;
    assert_eq!(*bench.noted.lock().unwrap(), (0..1025).collect::<Vec<_>>());
}

#[tokio::test]
async fn queued_notifications_outlive_the_last_handle() {
    let (lab, bench, caller) = lab();
    lab.note(1, true).await.unwrap();
    lab.note(2, false).await.unwrap();
    drop((lab, caller));
    bench.gate.notify_one();
    let both = async {
        while bench.noted.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
}

/// Its arguments are not copied between the client's encoding and the method.
#[tokio::test]
async fn a_large_argument_lies_where_the_client_encoded_it() {
    use msgrpc::{Caller, Outgoing, Timeout};
    let (_, _, caller) = lab();
    let head = [0x91, 0xc6, 0, 1, 0x86, 0xa0];
    let data = bytes::Bytes::from([&head[..], &vec![7; 100_000]].concat());
    let outgoing = Outgoing::new("place".into(), data.clone().into(), Timeout::Default);
    let answer = caller.call(outgoing).await.unwrap();
    let place: usize = msgrpc_core::value::decode(answer.outcome().unwrap()).unwrap();
    assert_eq!(place, data.as_ptr().addr() + 6);
}
