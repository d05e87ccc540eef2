//! What generated code runs: handlers from arguments to outcome, probes of types, borrowed arguments.
//!
//! Named by `#[msgrpc::service]` only, through `__private`.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem::replace;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use msgrpc_core::{Fault, FaultCode, value};

use crate::arguments::Arguments;
use crate::call::Call;
use crate::caller::Caller;
use crate::service::{Outcome, OutcomeFuture, Request};
use crate::travel::Argument;

/// The future of a method, which decodes its arguments, runs it and encodes its outcome.
#[inline]
pub fn run<F>(method: F) -> OutcomeFuture
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Box::pin(method)
}

/// Moves a method to a task of its own, for one that computes long before it first waits.
///
/// It is not ready at the first poll, which the connection does; the task that then takes the method over
/// polls again at once.
pub async fn moved_to_a_task() {
    let mut polled = false;
    poll_fn(|_| if replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Runs a plain function on tokio's pool for blocking work. It owns the frame that its arguments lie in.
pub fn run_blocking<F>(request: Request, method: F) -> OutcomeFuture
where
    F: FnOnce(&Request) -> Outcome + Send + 'static,
{
    Box::pin(async move {
        let places = Arc::clone(request.context().blocking());
        let Ok(place) = places.try_acquire_owned() else {
            return Fault::new(FaultCode::Overloaded, "too many blocking methods are at work")
                .into();
        };
        let tasks = request.context().tasks().clone();
        let task = tasks.spawn_blocking(move || {
            let outcome = method(&request);
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

impl Probe<Bytes> {
    /// Takes an argument: large bytes are a part of the request's frame.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take`].
    pub fn take(arguments: &mut Arguments<'_>) -> Result<Bytes, Fault> {
        arguments.take_bytes()
    }

    /// Reads a call's result: large bytes are a part of the answer's frame.
    pub fn read<E, C: Caller>(call: Call<Bytes, E, C>) -> Call<Bytes, E, C> {
        call.reading(|result| value::decode(result).map(|bytes| result.part(bytes)))
    }
}

/// What a type that is not [`Bytes`] does, whatever it is called.
pub trait Decoded {
    /// The type.
    type Type;

    /// Takes an argument.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take`].
    fn take<'r>(arguments: &mut Arguments<'r>) -> Result<Self::Type, Fault>
    where
        Self::Type: Argument<'r>,
    {
        Argument::take(arguments)
    }

    /// Reads a call's result.
    fn read<E, C: Caller>(call: Call<Self::Type, E, C>) -> Call<Self::Type, E, C>
    where
        Self::Type: Sized,
    {
        call
    }
}

impl<T> Decoded for Probe<T> {
    type Type = T;
}

/// The answers for any other type.
pub trait Fallback {
    /// It is no `Option`.
    const OPTIONAL: bool = false;
    /// It is no `Result`.
    const RESULT: bool = false;
}

impl<T: ?Sized> Fallback for Probe<T> {}
