//! A service that tells what was started, what ended and what was dropped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use msgrpc::{Context, Value};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, thiserror::Error)]
#[error("division by zero")]
pub(crate) struct DivideByZero;

#[msgrpc::service]
pub(crate) trait Lab {
    /// Returns `a + b`.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Returns `a / b`.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero>;
    /// Returns its argument.
    async fn echo(&self, value: Value) -> Value;
    /// Returns the number of bytes of its argument.
    async fn measure(&self, data: &[u8]) -> u64;
    /// Returns as many bytes.
    async fn bytes(&self, count: usize) -> Value;
    /// Returns its argument when the gate is opened for one.
    async fn hold(&self, token: u64) -> u64;
    /// Waits at the gate on a thread of its own.
    #[msgrpc(blocking)]
    fn hold_thread(&self, token: u64) -> u64;
    /// Spawns a task that counts when the call is cancelled.
    async fn watch(&self, ctx: &Context);
    /// Panics.
    async fn panics(&self, text: String);
    /// Keeps a number.
    #[msgrpc(notification)]
    async fn note(&self, number: i64);
    /// Keeps a number once the gate is opened for one.
    #[msgrpc(notification)]
    async fn late_note(&self, number: i64);
    /// Panics.
    #[msgrpc(notification)]
    async fn panicking_note(&self, text: String);
    /// The numbers kept, in their order.
    async fn notes(&self) -> Vec<i64>;
    /// The number kept last.
    async fn last_note(&self) -> Option<i64>;
}

/// The service's state, shared by its clones and the test.
#[derive(Clone, Default)]
pub(crate) struct Bench(Arc<State>);

struct State {
    started: AtomicUsize,
    ended: AtomicUsize,
    dropped: AtomicUsize,
    cancelled: AtomicUsize,
    gate: Arc<Semaphore>,
    notes: Mutex<Vec<i64>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            started: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
            gate: Arc::new(Semaphore::new(0)),
            notes: Mutex::new(Vec::new()),
        }
    }
}

impl Bench {
    /// Lets `count` of those through that wait at the gate, now or later.
    pub(crate) fn open(&self, count: usize) {
        self.0.gate.add_permits(count);
    }

    /// How many have come to the gate.
    pub(crate) fn started(&self) -> usize {
        self.0.started.load(Ordering::SeqCst)
    }

    /// How many have passed it.
    pub(crate) fn ended(&self) -> usize {
        self.0.ended.load(Ordering::SeqCst)
    }

    /// How many were dropped while they waited.
    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::SeqCst)
    }

    /// How many spawned tasks have learnt that their call is cancelled.
    pub(crate) fn cancelled(&self) -> usize {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// The numbers kept so far.
    pub(crate) fn kept(&self) -> Vec<i64> {
        self.0.notes.lock().unwrap().clone()
    }

    async fn pass(&self) {
        let mut visit = Visit::begin(&self.0);
        self.0.gate.acquire().await.unwrap().forget();
        visit.passed = true;
    }
}

/// One who waits at the gate: counted when it comes, when it passes, and when it is dropped before.
struct Visit {
    state: Arc<State>,
    passed: bool,
}

impl Visit {
    fn begin(state: &Arc<State>) -> Self {
        state.started.fetch_add(1, Ordering::SeqCst);
        Self { state: Arc::clone(state), passed: false }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let count = if self.passed { &self.state.ended } else { &self.state.dropped };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Lab for Bench {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero> {
        a.checked_div(b).ok_or(DivideByZero)
    }

    async fn echo(&self, value: Value) -> Value {
        value
    }

    async fn measure(&self, data: &[u8]) -> u64 {
        data.len() as u64
    }

    async fn bytes(&self, count: usize) -> Value {
        Value::Binary(vec![7; count])
    }

    async fn hold(&self, token: u64) -> u64 {
        self.pass().await;
        token
    }

    fn hold_thread(&self, token: u64) -> u64 {
        let mut visit = Visit::begin(&self.0);
        futures::executor::block_on(self.0.gate.acquire()).unwrap().forget();
        visit.passed = true;
        token
    }

    async fn watch(&self, ctx: &Context) {
        let (ctx, state) = (ctx.clone(), Arc::clone(&self.0));
        state.started.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            ctx.cancelled().await;
            assert!(ctx.is_cancelled());
            state.cancelled.fetch_add(1, Ordering::SeqCst);
        });
    }

    async fn panics(&self, text: String) {
        panic!("{text}");
    }

    async fn note(&self, number: i64) {
        self.0.notes.lock().unwrap().push(number);
    }

    async fn late_note(&self, number: i64) {
        self.pass().await;
        self.note(number).await;
    }

    async fn panicking_note(&self, text: String) {
        panic!("{text}");
    }

    async fn notes(&self) -> Vec<i64> {
        self.kept()
    }

    async fn last_note(&self) -> Option<i64> {
        self.kept().last().copied()
    }
}
