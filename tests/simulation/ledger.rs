//! What is called in the simulation, and the judgement over each call: executions by token, kept outside of the hosts,
//! so that they outlive a crash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use msgrpc::{CallError, FaultCode};
use tokio::time::sleep;

/// Of 128 bits, drawn at random.
pub(crate) type Token = (u64, u64);

/// Notes what is executed.
#[msgrpc::service]
pub(crate) trait Ledger {
    /// Notes `token` and returns it after `millis`; `padding` makes the request large.
    async fn book(&self, token: Token, millis: u64, padding: &[u8]) -> Token;
    /// The same, for callers that do not mind twice.
    #[msgrpc(idempotent)]
    async fn confirm(&self, token: Token, millis: u64, padding: &[u8]) -> Token;
}

/// All that is known of all calls of one simulation.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<HashMap<Token, Entry>>>);

#[derive(Clone, Debug, Default)]
struct Entry {
    idempotent: bool,
    executions: u32,
    fate: Option<Fate>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    Answered,
    /// With an error; `sent`: of which it says that a byte may have left.
    Failed {
        sent: bool,
        text: String,
    },
    /// The server told that it does not run it.
    Refused,
    /// Its caller did not want to know any more.
    Dropped,
}

/// How many calls ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    pub(crate) sent: usize,
    pub(crate) unsent: usize,
    pub(crate) refused: usize,
    pub(crate) dropped: usize,
    /// More executions than one of idempotent calls.
    pub(crate) repeated: usize,
}

impl Tally {
    /// Adds those of another simulation.
    pub(crate) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.repeated += other.repeated;
    }
}

impl Ledger for Book {
    async fn book(&self, token: Token, millis: u64, _: &[u8]) -> Token {
        self.entries().get_mut(&token).expect("a token that was issued").executions += 1;
        sleep(Duration::from_millis(millis)).await;
        token
    }

    async fn confirm(&self, token: Token, millis: u64, padding: &[u8]) -> Token {
        self.book(token, millis, padding).await
    }
}

impl Book {
    /// A call begins.
    pub(crate) fn issue(&self, token: Token, idempotent: bool) {
        let entry = Entry { idempotent, ..Entry::default() };
        assert!(self.entries().insert(token, entry).is_none(), "tokens are unique");
    }

    /// A call has ended, which it does once.
    pub(crate) fn settle(&self, token: Token, outcome: Option<Result<Token, CallError>>) {
        let fate = match outcome {
            Some(Ok(answer)) => {
                assert_eq!(answer, token, "the answer belongs to another call");
                Fate::Answered
            }
            Some(Err(CallError::Fault(fault))) if fault.code() == FaultCode::ShuttingDown => {
                Fate::Refused
            }
            Some(Err(
                error
                @ (CallError::TimedOut(_) | CallError::Closed(_) | CallError::NotConnected(_)),
            )) => Fate::Failed { sent: error.was_sent(), text: error.to_string() },
            Some(Err(error)) => panic!("no fault of the network leads to this: {error:?}"),
            None => Fate::Dropped,
        };
        let mut entries = self.entries();
        let entry = entries.get_mut(&token).unwrap();
        assert_eq!(entry.fate, None, "a call ended twice");
        entry.fate = Some(fate);
    }

    /// Judges all calls, when none can be executed any more.
    pub(crate) fn judge(&self) -> Tally {
        let mut tally = Tally::default();
        for (token, entry) in self.entries().iter() {
            let Entry { idempotent, executions, fate } = entry;
            let most = if *idempotent { u32::MAX } else { 1 };
            let (count, range) = match fate {
                Some(Fate::Answered) => (&mut tally.answered, 1..=most),
                Some(Fate::Failed { sent: true, .. }) => (&mut tally.sent, 0..=most),
                Some(Fate::Failed { sent: false, .. }) => (&mut tally.unsent, 0..=0),
                Some(Fate::Refused) if *idempotent => (&mut tally.refused, 0..=most),
                Some(Fate::Refused) => (&mut tally.refused, 0..=0),
                Some(Fate::Dropped) => (&mut tally.dropped, 0..=most),
                None => panic!("a call was lost in silence: {token:?}"),
            };
            *count += 1;
            assert!(range.contains(executions), "{entry:?}");
            tally.repeated += executions.saturating_sub(1) as usize;
        }
        tally
    }

    /// How many calls were begun.
    pub(crate) fn issued(&self) -> u64 {
        self.entries().len() as u64
    }

    /// How many calls were executed, and the connection ended before they were answered.
    pub(crate) fn cut_off(&self) -> usize {
        let entries = self.entries();
        let lost = |fate: &Option<Fate>| matches!(fate, Some(Fate::Failed { sent: true, .. }));
        entries.values().filter(|entry| entry.executions > 0 && lost(&entry.fate)).count()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Token, Entry>> {
        self.0.lock().unwrap()
    }
}
