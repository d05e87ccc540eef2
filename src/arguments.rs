//! A request's arguments on both sides: decoded for a method, encoded for a call.
//!
//! Used by generated code. Counts them first, so that the error texts name the method, the parameter,
//! what was expected and what was found.

use bytes::Bytes;
use msgrpc_core::value::{self, DecodeError, Elements, EncodeError, Style};
use msgrpc_core::{Fault, FaultCode, Payload, PayloadBuffer};
use serde::{Deserialize, Serialize};

use crate::descriptor::{MethodDescriptor, ParamDescriptor};
use crate::service::Request;

/// The arguments of a request, one after another.
#[derive(Debug)]
pub struct Arguments<'r> {
    request: &'r Request,
    elements: Elements<'r>,
    method: &'static MethodDescriptor,
    taken: usize,
}

impl<'r> Arguments<'r> {
    /// Reads the arguments of `request`, as many as `method` takes, with `take`.
    ///
    /// They end here: a future that waits for the method's result has no room for them.
    ///
    /// # Errors
    ///
    /// -32602 when there are too few or too many, or what `take` says.
    #[inline]
    pub fn read<T>(
        request: &'r Request,
        method: &'static MethodDescriptor,
        take: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let elements = match Elements::new(request.params()) {
            Ok(elements) => elements,
            Err(error) => return Err(no_array(method, &error)),
        };
        let given = elements.len() as usize;
        if given < method.required()
            || (given > method.params().len() && !method.allows_extra_args())
        {
            return Err(wrong_arity(method, given));
        }
        take(&mut Self { request, elements, method, taken: 0 })
    }

    /// The next argument; a missing optional one is `None`.
    ///
    /// # Errors
    ///
    /// -32602 when it is of another type.
    #[inline]
    pub fn take<T: Deserialize<'r>>(&mut self) -> Result<T, Fault> {
        let index = self.taken;
        self.taken += 1;
        let decoded =
            if self.elements.is_empty() { value::decode(&[NIL]) } else { self.elements.next() };
        decoded.map_err(|error| wrong_type(self.method, index, &error))
    }

    /// The next argument, which is bytes: large ones are a part of the request's frame.
    ///
    /// # Errors
    ///
    /// -32602 when it is of another type.
    pub(crate) fn take_bytes(&mut self) -> Result<Bytes, Fault> {
        self.take().map(|bytes| self.request.part(bytes))
    }
}

/// The encoding of nil.
const NIL: u8 = 0xc0;

fn invalid_params(text: String) -> Fault {
    Fault::new(FaultCode::InvalidParams, text)
}

#[cold]
fn no_array(method: &MethodDescriptor, error: &DecodeError) -> Fault {
    invalid_params(format!("the params of `{}`: {error}", method.name()))
}

#[cold]
fn wrong_type(method: &MethodDescriptor, index: usize, error: &DecodeError) -> Fault {
    let name = method.params().get(index).map_or("?", ParamDescriptor::name);
    invalid_params(format!("parameter {} `{name}` of `{}`: {error}", index + 1, method.name()))
}

/// ``method `add` takes 2 parameters (a: i64, b: i64), got 3``.
#[cold]
fn wrong_arity(method: &MethodDescriptor, given: usize) -> Fault {
    let params = method.params();
    let list: Vec<_> = params.iter().map(|p| format!("{}: {}", p.name(), p.ty())).collect();
    let count = match (method.required(), params.len()) {
        (0, 0) => "no parameters".to_owned(),
        (1, 1) => "1 parameter".to_owned(),
        (required, most) if required == most => format!("{most} parameters"),
        (required, most) => format!("{required} to {most} parameters"),
    };
    let list = if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
    invalid_params(format!("method `{}` takes {count}{list}, got {given}", method.name()))
}

/// The arguments of a call, encoded one after another as the stub is given them.
#[derive(Debug)]
pub struct Params {
    method: &'static MethodDescriptor,
    style: Style,
    /// One byte for the array's head, then the arguments.
    bytes: PayloadBuffer,
    pushed: usize,
    /// Arguments that are sent, and where they end: trailing `None`s are left out (W3).
    kept: (usize, usize),
    error: Option<EncodeError>,
}

impl Params {
    /// No arguments yet.
    #[inline]
    pub fn new(method: &'static MethodDescriptor, style: Style) -> Self {
        let mut bytes = PayloadBuffer::default();
        bytes.push(&[FIXARRAY]);
        Self { method, style, bytes, pushed: 0, kept: (0, 1), error: None }
    }

    /// Encodes the next argument. An error is kept and becomes the call's.
    #[inline]
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) {
        if self.error.is_some() {
            return;
        }
        let start = self.bytes.len();
        if let Err(error) = value::encode(value, self.style, &mut self.bytes) {
            self.error = Some(error);
            return;
        }
        let param = self.method.params().get(self.pushed);
        self.pushed += 1;
        let left_out = !self.method.sends_nil()
            && param.is_some_and(ParamDescriptor::is_optional)
            && self.bytes[start..] == [NIL];
        if !left_out {
            self.kept = (self.pushed, self.bytes.len());
        }
    }

    /// The method that they are for.
    pub(crate) fn method(&self) -> &'static MethodDescriptor {
        self.method
    }

    /// The whole array.
    pub(crate) fn finish(mut self) -> Result<Payload, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let (count, end) = self.kept;
        self.bytes.truncate(end);
        if let Ok(count @ 0..=15) = u8::try_from(count) {
            self.bytes[0] = FIXARRAY | count;
        } else {
            let head = msgrpc_core::wire::array_head(u32::try_from(count).unwrap_or(u32::MAX));
            let elements = std::mem::take(&mut self.bytes);
            self.bytes.push(head.as_slice());
            self.bytes.push(&elements[1..]);
        }
        Ok(self.bytes.finish())
    }
}

/// The head of an array of up to 15 elements, its low bits their number.
const FIXARRAY: u8 = 0x90;
