//! The task that keeps one connection of a shared pool: opens it, puts another in its place when it ends or gets old.
//!
//! One for each connection, all in the pool's tracker; it holds nothing but its pool, and ends with it.

use std::sync::Arc;

use msgrpc_transport::{ConnectError, Loan, PoolError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::member::Member;
use super::shared::{Shared, until};
use crate::client::Opener;

/// Keeps one connection.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    /// Whom to tell how the first try ended.
    first: Option<oneshot::Sender<Result<(), Arc<ConnectError>>>>,
    /// An old connection, in use until a new one is there.
    old: Option<Arc<Member>>,
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Ended,
    /// Its peer is shutting down.
    Refused,
    /// It is too old, or was idle for too long.
    Over,
    Leaving,
}

impl Keeper {
    pub(super) fn new(
        shared: &Arc<Shared>,
        first: oneshot::Sender<Result<(), Arc<ConnectError>>>,
    ) -> Self {
        Self { shared: Arc::clone(shared), first: Some(first), old: None }
    }

    /// Runs until the pool is left.
    pub(super) async fn run(mut self) {
        let leaving = self.shared.leaving().clone();
        while let Some(Some(loan)) = leaving.run_until_cancelled(self.open()).await {
            let member = Member::new(&loan);
            self.shared.join(Arc::clone(&member), self.old.take());
            self.tell(Ok(()));
            match self.watch(&member, &loan).await {
                Fate::Ended => self.shared.lose(&member),
                Fate::Refused => {
                    loan.reject("the server is shutting down");
                    self.shared.turn_away(member);
                }
                Fate::Over => {
                    // Its place goes to the new one; the old one serves until that is there.
                    loan.discard();
                    self.old = Some(member);
                }
                Fate::Leaving => {
                    loan.discard();
                    self.shared.retire(member);
                }
            }
        }
        if let Some(old) = self.old.take() {
            self.shared.retire(old);
        }
    }

    /// A new connection, after as many tries as it takes. `None`: there will be none.
    async fn open(&mut self) -> Option<Loan<Opener>> {
        loop {
            match self.shared.stock().get_once().await {
                Ok(loan) => return Some(loan),
                Err(PoolError::Open(error)) => {
                    self.shared.failed(&error);
                    self.tell(Err(error));
                }
                Err(_closed) => return None,
            }
        }
    }

    /// Says how the first try ended; whoever asked may not want to know any more.
    fn tell(&mut self, first_try: Result<(), Arc<ConnectError>>) {
        if let Some(first) = self.first.take() {
            drop(first.send(first_try));
        }
    }

    /// Waits until something is to be done with `member`.
    async fn watch(&self, member: &Member, loan: &Loan<Opener>) -> Fate {
        let gone = member.gone();
        loop {
            let idle = loan.max_idle().and_then(|max_idle| member.idles_until(max_idle));
            let due = [idle, loan.expires()].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = self.shared.leaving().cancelled() => return Fate::Leaving,
                () = gone.cancelled() => return Fate::Ended,
                () = member.changed() => {}
                // Calls that came meanwhile have moved the time.
                _ = until(due) => {}
            }
            let now = Instant::now();
            let idle = loan.max_idle().and_then(|max_idle| member.idles_until(max_idle));
            if member.is_closed() {
                return Fate::Ended;
            }
            if member.refuses() {
                return Fate::Refused;
            }
            if [idle, loan.expires()].into_iter().flatten().any(|due| due <= now) {
                return Fate::Over;
            }
        }
    }
}
