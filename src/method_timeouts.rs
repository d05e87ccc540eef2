//! How long methods may take: a server's default, and what single methods have instead.
//!
//! Set on the server, looked up for each request; the connection drops what takes longer.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use msgrpc_core::{Fault, FaultCode, printable};
use tokio::time::{Instant, timeout_at};

use crate::server::Server;
use crate::service::Outcome;
use crate::shutdown::{Tally, add};

/// The timeouts of one server; none by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct MethodTimeouts {
    all: Option<Duration>,
    by_name: HashMap<Box<str>, Option<Duration>>,
}

impl MethodTimeouts {
    /// Whether every method may take as long as it likes.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.all.is_none() && self.by_name.is_empty()
    }

    /// When an invocation of `method` that begins now is due; `None`: whenever it is done.
    pub(crate) fn due(&self, method: &str) -> Option<Due> {
        let after = self.by_name.get(method).copied().unwrap_or(self.all)?;
        let at = Instant::now().checked_add(after)?;
        Some(Due { at, after })
    }

    /// The methods that have a timeout of their own, or none.
    pub(crate) fn named(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(AsRef::as_ref)
    }
}

/// When one invocation is to be done.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    after: Duration,
}

impl Due {
    /// What comes of `running`, or of its being late: then it is dropped and counted, and the caller is told.
    pub(crate) async fn limit(
        self,
        running: impl Future<Output = Outcome>,
        method: &str,
        peer: &str,
        tally: &Tally,
    ) -> Outcome {
        if let Ok(outcome) = timeout_at(self.at, running).await {
            return outcome;
        }
        add(&tally.timed_out, 1);
        let (method, after) = (printable(method), self.after);
        tracing::warn!(peer, method, ?after, "a method timed out");
        let text = format!("`{method}` took longer than {after:?}");
        Fault::new(FaultCode::TimedOut, text).into()
    }
}

impl Server {
    /// How long a method may take, `None` for as long as it likes. Default: `None`, since only who wrote a method knows.
    ///
    /// What takes longer is dropped where it waits, and its caller gets -32002 "timed out"; a notification makes room for
    /// the next one. A method learns of its time from [`Context::deadline`](crate::Context::deadline), and what it has
    /// given to [`Context::spawn`](crate::Context::spawn) runs on. A thread cannot be stopped: a blocking method runs on
    /// too, though its caller is answered. [`Stopped::timed_out`](crate::Stopped::timed_out) counts them.
    ///
    /// ```
    /// # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
    /// # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
    /// use std::time::Duration;
    ///
    /// let server = msgrpc::Server::new(HelloService::new(Hi))
    ///     .method_timeout(Duration::from_secs(10))
    ///     .method_timeout_of("hello", Duration::from_secs(1));
    /// ```
    pub fn method_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeouts.all = timeout.into();
        self
    }

    /// How long the method of this name on the wire may take, instead of [`method_timeout`](Self::method_timeout);
    /// `None` for as long as it likes. A name that no service has fails at [`bind`](Self::bind).
    pub fn method_timeout_of(mut self, method: &str, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeouts.by_name.insert(method.into(), timeout.into());
        self
    }
}
