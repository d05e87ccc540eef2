//! What generated code runs: handlers from arguments to outcome, probes of types, borrowed arguments.
//!
//! Named by `#[msgrpc::service]` only, through `__private`.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::FutureExt as _;
use msgrpc_core::{Fault, FaultCode};

use crate::service::{Outcome, OutcomeFuture, Request};

/// Runs a method: a fault of its arguments is its outcome.
pub fn run<F>(method: F) -> OutcomeFuture
where
    F: Future<Output = Result<Outcome, Fault>> + Send + 'static,
{
    Box::pin(method.map(|outcome| outcome.unwrap_or_else(Outcome::from)))
}

/// Runs a method on a task of its own from the start, for one that computes long before it first waits.
pub fn run_spawned<F>(method: F) -> OutcomeFuture
where
    F: Future<Output = Result<Outcome, Fault>> + Send + 'static,
{
    Box::pin(async move {
        // Not ready at the first poll, which the connection does; the task that then takes it over
        // polls again at once.
        let mut polled = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut polled, true) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        method.await.unwrap_or_else(Outcome::from)
    })
}

/// Runs a plain function on tokio's pool for blocking work. It owns the frame that its arguments lie in.
pub fn run_blocking<F>(request: Request, method: F) -> OutcomeFuture
where
    F: FnOnce(&Request) -> Result<Outcome, Fault> + Send + 'static,
{
    Box::pin(async move {
        let places = Arc::clone(request.context().blocking());
        let Ok(place) = places.try_acquire_owned() else {
            return Fault::new(FaultCode::Overloaded, "too many blocking methods are at work")
                .into();
        };
        let tasks = request.context().tasks().clone();
        let task = tasks.spawn_blocking(move || {
            let outcome = method(&request).unwrap_or_else(Outcome::from);
            drop(place);
            outcome
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Fault::new(FaultCode::ShuttingDown, "the server is shutting down").into(),
            },
        }
    })
}

/// Asks a type, at compile time, whether it is an `Option` or a `Result`: an inherent constant comes
/// before that of a blanket trait, and aliases and lifetimes do not hide it.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T> Probe<Option<T>> {
    /// It is an `Option`.
    pub const OPTIONAL: bool = true;
}

impl<T, E> Probe<Result<T, E>> {
    /// It is a `Result`.
    pub const RESULT: bool = true;
}

/// The answers for any other type.
pub trait Fallback {
    /// It is no `Option`.
    const OPTIONAL: bool = false;
    /// It is no `Result`.
    const RESULT: bool = false;
}

impl<T: ?Sized> Fallback for Probe<T> {}
