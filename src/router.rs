//! Method name → service, for a server of several services.
//!
//! Used by servers, and by clients that serve their server's calls (W14).

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use msgrpc_core::{Fault, FaultCode};

use crate::descriptor::ServiceDescriptor;
use crate::method_timeouts::{Due, MethodTimeouts};
use crate::server::ServeError;
use crate::service::{Outcome, OutcomeFuture, Request, Service};

/// The services of one server.
#[derive(Default)]
pub(crate) struct Router {
    services: Vec<Arc<dyn Service>>,
    /// Which service has which method; empty when there is only one, whose own `match` decides.
    by_name: HashMap<&'static str, usize>,
    /// The service that is asked for names that no other has.
    fallback: Option<usize>,
    timeouts: MethodTimeouts,
}

impl Router {
    /// Routes to these services.
    ///
    /// # Errors
    ///
    /// When two of them have a method of the same name on the wire, or two take any name.
    pub(crate) fn new(services: Vec<Arc<dyn Service>>) -> Result<Self, ServeError> {
        let mut by_name = HashMap::new();
        let mut fallback = None;
        for (index, service) in services.iter().enumerate() {
            let descriptor = service.descriptor();
            let name_of = |index: usize| services[index].descriptor().name();
            if descriptor.methods().is_empty()
                && let Some(first) = fallback.replace(index)
            {
                return Err(ServeError::TwoFallbacks {
                    first: name_of(first),
                    second: descriptor.name(),
                });
            }
            for method in descriptor.methods() {
                if let Some(first) = by_name.insert(method.name(), index) {
                    return Err(ServeError::DuplicateMethod {
                        method: method.name(),
                        first: name_of(first),
                        second: descriptor.name(),
                    });
                }
            }
        }
        if services.len() == 1 {
            by_name.clear();
            fallback = Some(0);
        }
        Ok(Self { services, by_name, fallback, timeouts: MethodTimeouts::default() })
    }

    /// With these timeouts for its methods.
    ///
    /// # Errors
    ///
    /// When one of them is for a method that nobody has.
    pub(crate) fn with_timeouts(mut self, timeouts: MethodTimeouts) -> Result<Self, ServeError> {
        let descriptors = || self.services.iter().map(|service| service.descriptor());
        let takes_any = descriptors().any(|descriptor| descriptor.methods().is_empty());
        for method in timeouts.named().filter(|_| !takes_any) {
            let mut methods = descriptors().flat_map(ServiceDescriptor::methods);
            if !methods.any(|known| known.name() == method) {
                return Err(ServeError::NoSuchMethod { method: method.into() });
            }
        }
        self.timeouts = timeouts;
        Ok(self)
    }

    /// When a request that begins now is due; its name is asked for only if that matters.
    #[inline]
    pub(crate) fn due<'a>(&self, method: impl FnOnce() -> &'a str) -> Option<Due> {
        if self.timeouts.is_none() {
            return None;
        }
        self.timeouts.due(method())
    }

    /// Starts a request at the service that has its method.
    pub(crate) fn call(&self, request: Request) -> OutcomeFuture {
        let index = self.by_name.get(request.method()).copied().or(self.fallback);
        match index {
            Some(index) => self.services[index].call(request),
            None if self.services.is_empty() => {
                let text = format!(
                    "unknown method: {}; this side serves no methods",
                    msgrpc_core::printable(request.method())
                );
                Box::pin(ready(Outcome::from(Fault::new(FaultCode::UnknownMethod, text))))
            }
            None => request.unknown_method(),
        }
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.services.iter().map(|service| service.descriptor().name());
        f.debug_list().entries(names).finish()
    }
}
