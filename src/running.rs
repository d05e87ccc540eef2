//! A handler that runs: its future, whose panics are faults.
//!
//! Used wherever services are called: by connections and in process. It knows neither who asked nor what becomes of
//! the outcome.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use msgrpc_core::{Fault, FaultCode};

use crate::service::{Outcome, OutcomeFuture};

/// A handler that has begun.
pub(crate) enum Started {
    Ready(Outcome),
    Pending(Running),
}

/// A handler's future; a panic in it, also while it is made or dropped, is a fault.
pub(crate) struct Running(Option<OutcomeFuture>);

impl Running {
    /// Makes the future and polls it once. Whoever takes it over polls it again at once, with its own
    /// waker.
    pub(crate) fn start(call: impl FnOnce() -> OutcomeFuture) -> Started {
        let started = catch_unwind(AssertUnwindSafe(|| {
            let mut future = call();
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => Ok(outcome),
                Poll::Pending => Err(future),
            }
        }));
        match started {
            Ok(Ok(outcome)) => Started::Ready(outcome),
            Ok(Err(future)) => Started::Pending(Self(Some(future))),
            Err(panic) => Started::Ready(panicked(&*panic)),
        }
    }

    /// Drops the future, which may panic as well.
    fn discard(&mut self) {
        let future = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            drop(panicked(&*panic));
        }
    }
}

impl Future for Running {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) => panicked(&*panic),
        };
        self.discard();
        Poll::Ready(outcome)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.discard();
        }
    }
}

/// What the peer learns of a panic: that there was one. Its message goes to the log.
fn panicked(panic: &(dyn std::any::Any + Send)) -> Outcome {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    tracing::error!(panic = text, "a method panicked");
    Fault::new(FaultCode::Internal, "internal error").into()
}
