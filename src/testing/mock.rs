//! A caller that answers by script, and knows in the end what was not called.
//!
//! Used by tests of code that calls, through the generated client. Nothing is sent anywhere.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use msgrpc_core::value::{self, Style, Value};
use msgrpc_core::{Fault, FaultCode, FaultFormat, encode_error};
use msgrpc_core::{Payload, printable};
use serde::Serialize;

use crate::caller::{Answer, Caller, Outgoing};
use crate::client::{CALL_TIMEOUT, encode_params};
use crate::error::{CallError, CloseReason, Closed, NotConnected, TimedOut};

/// A caller for generated clients that answers by script.
///
/// Clones share the script. Calls must come in the order in which they were expected, unless it is
/// [in any order](Self::in_any_order). A call that was not expected is answered with a fault that says so.
///
/// ```
/// use msgrpc::CallError;
/// use msgrpc::testing::MockCaller;
///
/// #[msgrpc::service]
/// pub trait Calculator {
///     async fn add(&self, a: i64, b: i64) -> i64;
///     async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
/// }
///
/// # #[tokio::main] async fn main() {
/// let mock = MockCaller::new();
/// mock.expect("add", (2, 3)).answer(&5);
/// mock.expect("divide", (1, 0)).fail("division by zero");
/// mock.expect_any("add").time_out();
///
/// let calc = CalculatorClient::new(mock.clone());
/// assert_eq!(calc.add(2, 3).await.unwrap(), 5);
/// assert!(matches!(calc.divide(1, 0).await, Err(CallError::Method(_))));
/// assert!(matches!(calc.add(0, 0).await, Err(CallError::TimedOut(_))));
/// mock.verify();
/// # }
/// ```
///
/// # Panics
///
/// When the last clone is dropped and something was not called, or was called unexpectedly: see
/// [`verify`](Self::verify).
#[derive(Clone)]
#[must_use = "a mock without calls is dropped at once, and panics over what it expects"]
pub struct MockCaller {
    script: Arc<Script>,
    in_any_order: bool,
}

impl MockCaller {
    /// A script without calls, in order.
    pub fn new() -> Self {
        Self { script: Arc::default(), in_any_order: false }
    }

    /// Takes calls in whatever order they come. Of expectations that match, the first is used up.
    pub fn in_any_order(mut self) -> Self {
        self.in_any_order = true;
        self
    }

    /// Expects `method`, by its name on the wire, with these `params`: a tuple or a list. What is answered must be said.
    ///
    /// They are compared as they travel; optional ones that are `None` may be left out.
    ///
    /// # Panics
    ///
    /// When `params` do not encode as an array.
    #[track_caller]
    pub fn expect(&self, method: &str, params: impl Serialize) -> Expectation<'_> {
        let params = encode_params(&params).expect("the params of an expectation are encodable");
        self.expectation(method, Some(elements(&params)))
    }

    /// Expects `method` with any params.
    pub fn expect_any(&self, method: &str) -> Expectation<'_> {
        self.expectation(method, None)
    }

    /// All that was called so far, in order, unexpected calls as well.
    pub fn calls(&self) -> Vec<MockCall> {
        self.script.lock().made.clone()
    }

    /// Checks that all that was expected was called, and nothing else.
    ///
    /// # Panics
    ///
    /// When it was not, with a list of what was.
    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test is told")]
    pub fn verify(&self) {
        let complaint = self.script.lock().complaint();
        if let Some(complaint) = complaint {
            panic!("{complaint}");
        }
    }

    fn expectation(&self, method: &str, params: Option<Vec<Value>>) -> Expectation<'_> {
        let expected = Expected { method: method.to_owned(), params, then: Then::Nothing };
        Expectation { mock: self, expected, times: 1 }
    }

    /// What is to be done about a call.
    fn take(&self, call: &Outgoing, is_notification: bool) -> Result<Then, Fault> {
        let params = elements(&call.params);
        let made = MockCall { method: call.method.to_string(), params, is_notification };
        let mut state = self.script.lock();
        let matching = state.expected.iter().position(|expected| expected.fits(&made));
        let found = match matching {
            Some(index) if index == 0 || self.in_any_order => state.expected.remove(index),
            _ => None,
        };
        state.made.push(made.clone());
        if let Some(found) = found {
            return Ok(found.then);
        }
        let instead = match state.expected.front() {
            Some(next) if !self.in_any_order => format!("`{next}` was expected"),
            Some(_) => "nothing like it was expected".to_owned(),
            None => "nothing more was expected".to_owned(),
        };
        state.unexpected.push(format!("{made}, when {instead}"));
        let text = format!("the mock was called with `{made}`, when {instead}");
        Err(Fault::new(FaultCode::Internal, text))
    }
}

impl Default for MockCaller {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MockCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.script.lock();
        let show = |expected: &Expected| expected.to_string();
        f.debug_struct("MockCaller")
            .field("expected", &state.expected.iter().map(show).collect::<Vec<_>>())
            .field("in_any_order", &self.in_any_order)
            .finish_non_exhaustive()
    }
}

impl Caller for MockCaller {
    type Exchange = Ready<Result<Answer, CallError>>;
    type Posting = Ready<Result<(), CallError>>;

    fn call(self, call: Outgoing) -> Self::Exchange {
        let outcome = match self.take(&call, false) {
            Ok(then) => then.answer(call),
            Err(fault) => Ok(Answer::new(Err(fault.encode(FaultFormat::default())))),
        };
        ready(outcome)
    }

    fn notify(self, notification: Outgoing) -> Self::Posting {
        // An unexpected one is reported in the end: nothing comes back of a notification (W12).
        let outcome = match self.take(&notification, true) {
            Ok(then @ (Then::Close | Then::Refuse)) => then.answer(notification).map(drop),
            _ => Ok(()),
        };
        ready(outcome)
    }
}

/// A call that is expected; what becomes of it is said by one of its methods.
#[derive(Debug)]
#[must_use = "say what is to be answered: `.answer(&value)`, `.fail(&error)`, `.time_out()` …"]
pub struct Expectation<'m> {
    mock: &'m MockCaller,
    expected: Expected,
    times: usize,
}

impl Expectation<'_> {
    /// Expects it this often, each time with the same answer. Default: once.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// The method succeeds with this result.
    ///
    /// # Panics
    ///
    /// When `result` cannot be encoded.
    #[track_caller]
    pub fn answer<T: Serialize + ?Sized>(self, result: &T) {
        let result = Payload::encode(result, Style::Named).expect("the result is encodable");
        self.then(Then::Answer(Ok(result)));
    }

    /// The method fails with an error of its own.
    ///
    /// # Panics
    ///
    /// When `error` cannot be encoded.
    #[track_caller]
    pub fn fail<E: Serialize + ?Sized>(self, error: &E) {
        let error = encode_error(error, Style::Named).expect("the error is encodable");
        self.then(Then::Answer(Err(error)));
    }

    /// The server's framework refuses.
    pub fn fault(self, fault: &Fault) {
        self.then(Then::Answer(Err(fault.encode(FaultFormat::default()))));
    }

    /// No answer comes in time. The call fails at once, as if its timeout were over.
    pub fn time_out(self) {
        self.then(Then::TimeOut);
    }

    /// The connection ends before the answer comes; the call may have been executed.
    pub fn close(self) {
        self.then(Then::Close);
    }

    /// There is no connection; the call is not sent.
    pub fn refuse(self) {
        self.then(Then::Refuse);
    }

    /// It is a notification, which is taken and not answered.
    pub fn notified(self) {
        self.then(Then::Nothing);
    }

    fn then(mut self, then: Then) {
        self.expected.then = then;
        let mut state = self.mock.script.lock();
        state.expected.extend(std::iter::repeat_n(self.expected, self.times));
    }
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct MockCall {
    method: String,
    params: Vec<Value>,
    is_notification: bool,
}

impl MockCall {
    /// The method's name on the wire.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Its arguments, less those at the end that were `None`.
    pub fn params(&self) -> &[Value] {
        &self.params
    }

    /// Whether it was a notification.
    pub fn is_notification(&self) -> bool {
        self.is_notification
    }
}

impl fmt::Display for MockCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, &self.method, Some(&self.params), self.is_notification)
    }
}

/// What all clones of a mock share.
#[derive(Default)]
struct Script {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    expected: VecDeque<Expected>,
    made: Vec<MockCall>,
    unexpected: Vec<String>,
}

impl Script {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics while it looks at the script has no use for a second panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Script {
    #[expect(clippy::panic, reason = "this is how a test is told")]
    fn drop(&mut self) {
        let complaint = self.lock().complaint();
        if let Some(complaint) = complaint.filter(|_| !thread::panicking()) {
            panic!("{complaint}");
        }
    }
}

impl State {
    /// What is wrong, told once.
    fn complaint(&mut self) -> Option<String> {
        if self.expected.is_empty() && self.unexpected.is_empty() {
            return None;
        }
        let mut text = "the mock was not called as expected:".to_owned();
        for call in self.unexpected.drain(..) {
            write!(text, "\n  unexpected: {call}").ok()?;
        }
        for expected in self.expected.drain(..) {
            write!(text, "\n  not called: {expected}").ok()?;
        }
        text.push_str("\ncalls that were made:");
        for call in &self.made {
            write!(text, "\n  {call}").ok()?;
        }
        if self.made.is_empty() {
            text.push_str(" none");
        }
        Some(text)
    }
}

#[derive(Clone, Debug)]
struct Expected {
    method: String,
    /// `None`: any.
    params: Option<Vec<Value>>,
    then: Then,
}

impl Expected {
    fn fits(&self, made: &MockCall) -> bool {
        let is_for_it = match self.then {
            Then::Nothing => made.is_notification,
            Then::Answer(_) | Then::TimeOut => !made.is_notification,
            Then::Close | Then::Refuse => true,
        };
        let are_its = self.params.as_ref().is_none_or(|params| *params == made.params);
        is_for_it && self.method == made.method && are_its
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_notification = matches!(self.then, Then::Nothing);
        show(f, &self.method, self.params.as_deref(), is_notification)
    }
}

/// What becomes of a call.
#[derive(Clone, Debug)]
enum Then {
    Answer(Result<Payload, Payload>),
    TimeOut,
    Close,
    Refuse,
    /// It is a notification.
    Nothing,
}

impl Then {
    fn answer(self, call: Outgoing) -> Result<Answer, CallError> {
        let Outgoing { method, timeout, .. } = call;
        let peer = "the mock".into();
        Err(match self {
            Self::Answer(outcome) => return Ok(Answer::new(outcome)),
            Self::TimeOut => {
                let after = timeout.or(Some(CALL_TIMEOUT)).unwrap_or_default();
                CallError::TimedOut(TimedOut { method, peer, after, sent: true })
            }
            Self::Close => {
                let reason = Arc::new(CloseReason::Peer);
                CallError::Closed(Closed { method, peer, reason, sent: true })
            }
            Self::Refuse | Self::Nothing => {
                CallError::NotConnected(NotConnected::new(method, "the mock refuses", 1))
            }
        })
    }
}

/// The arguments one by one, less the nils at the end: optional ones may be left out (W3).
fn elements(params: &[u8]) -> Vec<Value> {
    let mut elements = match value::decode(params) {
        Ok(Value::Array(elements)) => elements,
        _ => Vec::new(),
    };
    while elements.last() == Some(&Value::Nil) {
        elements.pop();
    }
    elements
}

/// `add(1, 2)`, or `add(…)` for any params.
fn show(
    f: &mut fmt::Formatter<'_>,
    method: &str,
    params: Option<&[Value]>,
    is_notification: bool,
) -> fmt::Result {
    write!(f, "{}(", printable(method))?;
    match params {
        Some(params) => {
            for (index, param) in params.iter().enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{param}")?;
            }
        }
        None => f.write_str("…")?,
    }
    f.write_str(if is_notification { ") as a notification" } else { ")" })
}
