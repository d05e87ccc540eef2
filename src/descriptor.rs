//! What a service offers, as constants: names, parameters, results and docs.
//!
//! Written by `#[msgrpc::service]`; read by the generated code for its error texts, by routers, and by
//! tools that list a server's methods. Nothing here runs.

/// A service: its methods as they are called on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceDescriptor {
    name: &'static str,
    methods: &'static [MethodDescriptor],
    docs: &'static str,
}

/// One method of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodDescriptor {
    name: &'static str,
    rust_name: &'static str,
    params: &'static [ParamDescriptor],
    /// How many of `params` must be given, counted once: every request is compared with it.
    required: usize,
    result: &'static str,
    error: Option<&'static str>,
    docs: &'static str,
    deprecated: Option<&'static str>,
    notification: bool,
    blocking: bool,
    extra_args: bool,
    nil: bool,
    idempotent: bool,
}

/// One parameter of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamDescriptor {
    name: &'static str,
    ty: &'static str,
    optional: bool,
}

impl ServiceDescriptor {
    /// The service `name` with these methods.
    pub const fn new(name: &'static str, methods: &'static [MethodDescriptor]) -> Self {
        Self { name, methods, docs: "" }
    }

    /// With this documentation.
    #[must_use]
    pub const fn docs(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// The trait's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The methods, in the order of the trait.
    pub const fn methods(&self) -> &'static [MethodDescriptor] {
        self.methods
    }

    /// The trait's documentation.
    pub const fn documentation(&self) -> &'static str {
        self.docs
    }
}

impl MethodDescriptor {
    /// The method `rust_name`, called `name` on the wire, which returns nothing.
    pub const fn new(
        name: &'static str,
        rust_name: &'static str,
        params: &'static [ParamDescriptor],
    ) -> Self {
        Self {
            name,
            rust_name,
            params,
            required: required(params),
            result: "()",
            error: None,
            docs: "",
            deprecated: None,
            notification: false,
            blocking: false,
            extra_args: false,
            nil: false,
            idempotent: false,
        }
    }

    /// Returning this type.
    #[must_use]
    pub const fn returns(mut self, result: &'static str) -> Self {
        self.result = result;
        self
    }

    /// Failing with this type.
    #[must_use]
    pub const fn fails(mut self, error: &'static str) -> Self {
        self.error = Some(error);
        self
    }

    /// With this documentation.
    #[must_use]
    pub const fn docs(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// Deprecated, with this note.
    #[must_use]
    pub const fn deprecated(mut self, note: &'static str) -> Self {
        self.deprecated = Some(note);
        self
    }

    /// A notification: nothing is sent back.
    #[must_use]
    pub const fn notification(mut self) -> Self {
        self.notification = true;
        self
    }

    /// Run on the pool for blocking work.
    #[must_use]
    pub const fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }

    /// Arguments beyond the last parameter are ignored.
    #[must_use]
    pub const fn extra_args(mut self) -> Self {
        self.extra_args = true;
        self
    }

    /// Optional arguments are sent as `nil` instead of being left out.
    #[must_use]
    pub const fn nil(mut self) -> Self {
        self.nil = true;
        self
    }

    /// Executing it twice does the same as executing it once, so a call of it may be sent again.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The name on the wire.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The name in the trait.
    pub const fn rust_name(&self) -> &'static str {
        self.rust_name
    }

    /// The parameters, without the context.
    pub const fn params(&self) -> &'static [ParamDescriptor] {
        self.params
    }

    /// The type of its result, as written.
    pub const fn result(&self) -> &'static str {
        self.result
    }

    /// The type of its own errors, as written.
    pub const fn error(&self) -> Option<&'static str> {
        self.error
    }

    /// Its documentation.
    pub const fn documentation(&self) -> &'static str {
        self.docs
    }

    /// The note of its deprecation.
    pub const fn deprecation(&self) -> Option<&'static str> {
        self.deprecated
    }

    /// Whether it is a notification.
    pub const fn is_notification(&self) -> bool {
        self.notification
    }

    /// Whether it runs on the pool for blocking work.
    pub const fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// Whether arguments beyond the last parameter are ignored.
    pub const fn allows_extra_args(&self) -> bool {
        self.extra_args
    }

    /// Whether optional arguments are sent as `nil` instead of being left out.
    pub const fn sends_nil(&self) -> bool {
        self.nil
    }

    /// Whether executing it twice does the same as executing it once.
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Parameters that must be given: all before the trailing optional ones.
    pub const fn required(&self) -> usize {
        self.required
    }
}

const fn required(params: &[ParamDescriptor]) -> usize {
    let mut required = params.len();
    while required > 0 && params[required - 1].optional {
        required -= 1;
    }
    required
}

impl ParamDescriptor {
    /// The parameter `name` of type `ty`; a trailing optional one may be missing in a request.
    pub const fn new(name: &'static str, ty: &'static str, optional: bool) -> Self {
        Self { name, ty, optional }
    }

    /// Its name in the trait.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its type, as written.
    pub const fn ty(&self) -> &'static str {
        self.ty
    }

    /// Whether its type is an `Option`.
    pub const fn is_optional(&self) -> bool {
        self.optional
    }
}
