//! `PoolBuilder`: the settings of a pool, and why one could not be made.
//!
//! Used by [`Pool::builder`]; it opens the connections, and leaves calling to the pool.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use msgrpc_core::Limits;
use msgrpc_transport::{self as transport, PoolOptions};
use tokio::sync::Notify;

use super::isolated::Isolated;
use super::shared::Shared;
use super::{Handle, Mode, Pool};
use crate::budget::RetryBudget;
use crate::client::{ClientBuilder, ConnectError, Opener};

/// Settings of a [`Pool`], before it opens its connections.
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct PoolBuilder {
    client: ClientBuilder,
    options: PoolOptions,
    isolated: bool,
}

impl PoolBuilder {
    pub(super) fn new(client: ClientBuilder) -> Self {
        Self { client, options: PoolOptions::default(), isolated: false }
    }

    /// Connections, from 1 to 1 024. Default: 8.
    pub fn max_size(mut self, connections: usize) -> Self {
        self.options = self.options.max_size(connections);
        self
    }

    /// Whether each connection carries one call at a time.
    ///
    /// For servers that answer one call of a connection after another, or cannot bear several. Default: no: each
    /// carries many calls, and the least busy one is taken.
    pub fn isolated(mut self, isolated: bool) -> Self {
        self.isolated = isolated;
        self
    }

    /// How long a call waits for a connection. `None`: as long as its own timeout.
    ///
    /// Beyond it: [`CallError::NotConnected`](crate::CallError::NotConnected), with the pool's numbers. Default: 15 s.
    /// See [`PoolOptions::wait_timeout`].
    pub fn wait_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options = self.options.wait_timeout(timeout);
        self
    }

    /// How long opening one connection may take, whatever its transport. Default: 15 s.
    /// See [`PoolOptions::create_timeout`].
    pub fn create_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options = self.options.create_timeout(timeout);
        self
    }

    /// After how long an idle connection is replaced; of an [isolated](Self::isolated) pool, closed, and opened again
    /// when it is needed. `None`: never. Default: 3 minutes. See [`PoolOptions::max_idle`].
    pub fn max_idle(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.options = self.options.max_idle(time);
        self
    }

    /// After how long a connection is replaced, once its calls have ended. `None`: never. Default: 30 minutes.
    /// See [`PoolOptions::max_lifetime`].
    pub fn max_lifetime(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.options = self.options.max_lifetime(time);
        self
    }

    /// All settings of the pool itself, in place of those made so far.
    pub fn options(mut self, options: PoolOptions) -> Self {
        self.options = options;
        self
    }

    /// How many calls of a hundred may be sent again by themselves, if they are
    /// [marked idempotent](crate::Call::idempotent) and were lost with their connection. Default: 20; the first ten are
    /// free, and no more than 200 can be saved up. With 0 nothing is repeated.
    ///
    /// Calls of which no byte has left are not counted: they are always tried on another connection.
    pub fn retry_budget(mut self, percent: u32) -> Self {
        self.client = self.client.retry_budget(percent);
        self
    }

    /// How long calls wait for their answer by default, the wait for a connection included. `None`: for ever.
    /// Default: 30 s.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.client = self.client.timeout(timeout);
        self
    }

    /// The limits of each connection. Default: [`Limits::client`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.client = self.client.limits(limits);
        self
    }

    /// Makes all other settings of the connections: `.client(|client| client.connect_timeout(second))`.
    ///
    /// Those of a client's own reconnecting have no effect, as a pool replaces its connections by itself; but for
    /// [`Reconnect::silent_timeouts`](crate::Reconnect::silent_timeouts), after which a connection counts as ended.
    pub fn client(mut self, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        self.client = set(self.client);
        self
    }

    /// Opens all connections, side by side, and waits until each of them is there or has failed once.
    ///
    /// One that is there is enough; the others are tried for in the background. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BuildPoolError`] when there is none, with the reasons; or what is wrong with the settings.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn build(self) -> Result<Pool, BuildPoolError> {
        let (isolated, size) = (self.isolated, self.options.max_size);
        let (opener, options, budget) = self.parts()?;
        let failed = |errors: Vec<Arc<_>>| BuildPoolError::Open { size, errors };
        if isolated {
            let pool = of(Mode::Isolated(Isolated::start(opener, options)), budget);
            if let Mode::Isolated(isolated) = &pool.handle.mode {
                isolated.open().await.map_err(failed)?;
            }
            return Ok(pool);
        }
        let (shared, first) = Shared::start(opener, options, Arc::new(Notify::new()));
        let pool = of(Mode::Shared(shared), budget);
        let mut errors = Vec::new();
        let mut opened = 0;
        for first in first {
            match first.await {
                Ok(Err(error)) => errors.push(error),
                Ok(Ok(())) => opened += 1,
                // The task is gone with its runtime.
                Err(_gone) => {}
            }
        }
        if opened > 0 { Ok(pool) } else { Err(failed(errors)) }
    }

    /// A pool that opens its connections in the background, an [isolated](Self::isolated) one when they are needed;
    /// calls wait meanwhile.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BuildPoolError`] when something is wrong with the settings. That nobody is there is what calls find out.
    pub fn build_lazy(self) -> Result<Pool, BuildPoolError> {
        let isolated = self.isolated;
        let (opener, options, budget) = self.parts()?;
        let mode = if isolated {
            Mode::Isolated(Isolated::start(opener, options))
        } else {
            Mode::Shared(Shared::start(opener, options, Arc::new(Notify::new())).0)
        };
        Ok(of(mode, budget))
    }

    fn parts(self) -> Result<(Opener, PoolOptions, RetryBudget), BuildPoolError> {
        let opener = self.client.opener()?;
        let budget = opener.budget();
        Ok((opener, self.options, budget))
    }
}

fn of(mode: Mode, budget: RetryBudget) -> Pool {
    Pool { handle: Arc::new(Handle { mode, budget }) }
}

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildPoolError {
    /// The address is not one, or the services of the client's side do not go together.
    #[error(transparent)]
    Settings(#[from] ConnectError),
    /// None of the connections could be opened.
    #[error("none of the {size} connections of the pool could be opened: {}", Distinct(errors))]
    Open {
        /// How many were tried for.
        size: usize,
        /// Why each try failed.
        errors: Vec<Arc<transport::ConnectError>>,
    },
}

/// The errors, those that say the same only once.
struct Distinct<'a>(&'a [Arc<transport::ConnectError>]);

impl fmt::Display for Distinct<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts: Vec<String> = Vec::new();
        for text in self.0.iter().map(ToString::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        f.write_str(&texts.join("; "))
    }
}
