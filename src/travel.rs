//! Types that can travel: as an argument, as a result, as a method's own error.
//!
//! Named by generated code only, through `__private`, so that a type that cannot travel is one error with our words at
//! the place where the user wrote it. Both stubs name an argument's type in the same way: the compiler shows equal
//! errors once.

use msgrpc_core::Fault;
use msgrpc_core::value::Style;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::arguments::{Arguments, Params};
use crate::context::Context;
use crate::descriptor::MethodDescriptor;
use crate::service::{Outcome, Request};

/// An argument: the client encodes it, the server decodes it and hands it to the method.
///
/// What stands around the type in the method's signature, `Option<…>` or `&[…]`, is in the name of the method here.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a service's method",
    label = "an argument implements `Serialize` and `Deserialize`, and is `Send`",
    note = "for a type of your own: `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait Argument<'de>: Sized {
    /// Decodes a `T`.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take`].
    fn take(arguments: &mut Arguments<'de>) -> Result<Self, Fault>;

    /// Decodes an `Option<T>`.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take`].
    fn take_option(arguments: &mut Arguments<'de>) -> Result<Option<Self>, Fault>;

    /// Decodes a `Vec<T>`.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take`].
    fn take_list(arguments: &mut Arguments<'de>) -> Result<Vec<Self>, Fault>;

    /// Decodes an `Option<Vec<T>>`.
    ///
    /// # Errors
    ///
    /// As [`Arguments::take`].
    fn take_option_list(arguments: &mut Arguments<'de>) -> Result<Option<Vec<Self>>, Fault>;

    /// Encodes a `&T`.
    fn push(&self, params: &mut Params);

    /// Encodes an `Option<&T>`.
    fn push_option(argument: Option<&Self>, params: &mut Params);

    /// Encodes a `&[T]`.
    fn push_list(argument: &[Self], params: &mut Params);

    /// Encodes an `Option<&[T]>`.
    fn push_option_list(argument: Option<&[Self]>, params: &mut Params);
}

// No supertraits: the compiler would name those that are missing, each by itself.
#[diagnostic::do_not_recommend]
impl<'de, T: Serialize + Deserialize<'de> + Send> Argument<'de> for T {
    #[inline]
    fn take(arguments: &mut Arguments<'de>) -> Result<Self, Fault> {
        arguments.take()
    }

    #[inline]
    fn take_option(arguments: &mut Arguments<'de>) -> Result<Option<Self>, Fault> {
        arguments.take()
    }

    #[inline]
    fn take_list(arguments: &mut Arguments<'de>) -> Result<Vec<Self>, Fault> {
        arguments.take()
    }

    #[inline]
    fn take_option_list(arguments: &mut Arguments<'de>) -> Result<Option<Vec<Self>>, Fault> {
        arguments.take()
    }

    #[inline]
    fn push(&self, params: &mut Params) {
        params.push(self);
    }

    #[inline]
    fn push_option(argument: Option<&Self>, params: &mut Params) {
        params.push(&argument);
    }

    #[inline]
    fn push_list(argument: &[Self], params: &mut Params) {
        params.push(argument);
    }

    #[inline]
    fn push_option_list(argument: Option<&[Self]>, params: &mut Params) {
        params.push(&argument);
    }
}

/// A result: the server encodes it, the client decodes it when the request is gone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a service's method",
    label = "a result implements `Serialize` and `DeserializeOwned`",
    note = "for a type of your own: `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait MethodResult {
    /// The outcome of a method that succeeded.
    fn outcome(&self, style: Style) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> MethodResult for T {
    #[inline]
    fn outcome(&self, style: Style) -> Outcome {
        Outcome::result(self, style)
    }
}

/// A method's own error, which travels as a result does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a service's method",
    label = "an error implements `Serialize` and `DeserializeOwned`",
    note = "for a type of your own: `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait MethodError {
    /// The outcome of a method that failed.
    fn outcome(&self, method: &'static MethodDescriptor, style: Style) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> MethodError for T {
    #[inline]
    fn outcome(&self, method: &'static MethodDescriptor, style: Style) -> Outcome {
        Outcome::error_of(method.name(), self, style)
    }
}

/// The context of a call, which has a type of its own to be sure: any type may be called `Context`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the context of a call",
    label = "another type of this name",
    note = "the context is `msgrpc::Context`; a parameter that travels has another type and another name"
)]
pub trait CallContext {
    /// The context of this request.
    fn of(request: &Request) -> &Self;
}

#[diagnostic::do_not_recommend]
impl CallContext for Context {
    #[inline]
    fn of(request: &Request) -> &Self {
        request.context()
    }
}
