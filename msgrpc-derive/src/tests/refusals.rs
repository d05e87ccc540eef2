//! Each mistake and its message, word for word; that one mistake is one message.

use super::{expanded, messages};

/// The only message for a trait with this one method.
fn of_method(method: &str) -> String {
    only(messages("", &format!("trait Foo {{ {method} }}")))
}

fn only(messages: Vec<String>) -> String {
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.into_iter().next().expect("there is one")
}

#[test]
fn each_mistake_in_a_method_has_its_message() {
    for (method, message) in METHODS {
        assert_eq!(of_method(method), *message, "for {method}");
    }
}

#[test]
fn each_mistake_in_the_keys_of_a_service_has_its_message() {
    for (keys, message) in KEYS {
        assert_eq!(
            only(messages(keys, "trait Foo { async fn ok(&self); }")),
            *message,
            "for {keys}"
        );
    }
}

#[test]
fn each_mistake_in_a_trait_has_its_message() {
    for (item, message) in TRAITS {
        assert_eq!(only(messages("", item)), *message, "for {item}");
    }
}

#[test]
fn equal_wire_names_are_shown_in_both_places() {
    let item = r#"trait Foo { async fn a(&self); #[msgrpc(name = "a")] async fn b(&self); }"#;
    let expected = [
        "two methods have the wire name `a`: give one of them another, `#[msgrpc(name = \"…\")]`",
        "the wire name `a` is first used here",
    ];
    assert_eq!(messages("", item), expected);
}

#[test]
fn equal_wire_names_under_cfg_are_left_to_the_compiler() {
    let item =
        "trait Foo { #[cfg(a)] async fn a(&self); #[cfg(not(a))] async fn a(&self, b: u8); }";
    assert!(messages("", item).is_empty());
}

#[test]
fn equal_wire_names_of_two_methods_under_cfg_are_refused_where_both_are_there() {
    let item = "trait Foo { #[cfg(a)] async fn a(&self); #[cfg(b)] #[msgrpc(name = \"a\")] async fn b(&self); }";
    assert!(messages("", item).is_empty());
    let text = expanded("", item);
    assert_eq!(text.matches("#[cfg(a)]\n#[cfg(b)]\n::core::compile_error!").count(), 2, "{text}");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let item = "trait Foo<T> { type A; fn a(&self); async fn b(&mut self); }";
    assert_eq!(messages("kompact", item).len(), 5);
}

#[test]
fn a_mistake_leaves_stubs_without_the_wrong_method() {
    let text = expanded("", "trait Foo { async fn wrong(&mut self); async fn right(&self); }");
    assert_eq!(text.matches("compile_error!").count(), 1);
    assert!(
        text.contains("fn wrong(\n        &mut self,\n    ) -> impl")
            || text.contains("fn wrong(&mut self) -> impl"),
        "{text}"
    );
    assert!(text.contains("fn right(&self) -> ::msgrpc::__private::Call<"), "{text}");
    assert!(!text.contains("\"wrong\""), "{text}");
    assert_eq!(text.matches("fn wrong(&self) -> ::msgrpc::__private::Call<").count(), 1, "{text}");
}

#[test]
fn what_is_no_trait_comes_out_as_it_was() {
    let text = expanded("", "struct Foo;");
    assert!(text.contains("struct Foo;") && text.contains("compile_error!"), "{text}");
}

const NO_BODY_MUT: &str = "a method without a body declares no `mut`: write it in the `impl`";
const NOT_ASYNC: &str = "a method of a service is asynchronous: write `async fn`, or `#[msgrpc(blocking)]` for a plain `fn` that runs on a thread of its own";
const GENERIC: &str =
    "a method of a service is not generic: the wire knows no types; write a concrete type";
const NESTED: &str =
    "`Some(None)` and `None` are both nil on the wire: write one `Option<_>`, or an enum";
const TWO: &str = "the error's type is not visible: write `Result<T, E>`";
const CTX: &str = "`ctx` is the context of the call: write `ctx: &Context`, or use another name";
const SELF: &str = "`Self` is the server and does not travel: write a concrete type";
const MANY: &str = "a method of a service is called many times: write `&self`";
const NAME: &str = "`name` takes a string: write `name = \"…\"`";
const REQUIRED: &str = "`b` is required but comes after `a`, which may be missing: put `b` first, or make it an `Option<_>`";

const METHODS: &[(&str, &str)] = &[
    ("async fn a();", "a method of a service takes `&self`: write it as the first parameter"),
    (
        "async fn a(&mut self);",
        "calls run side by side, so a method takes `&self`: keep what changes in a `Mutex` or an atomic",
    ),
    ("async fn a(self);", MANY),
    ("async fn a(self: Arc<Self>);", MANY),
    ("async fn a(&'static self);", "a method of a service takes `&self`: remove the lifetime"),
    ("async fn a<T>(&self, t: T);", GENERIC),
    ("async fn a<const N: usize>(&self, t: [u8; N]);", GENERIC),
    (
        "async fn a<'a>(&self, t: &'a str);",
        "a method of a service names no lifetimes: leave them out, `&str` or `Name<'_>`",
    ),
    (
        "async fn a(&self) where Self: Sized;",
        "a method of a service has no `where` clause: remove it, or keep the method local with `#[msgrpc(skip)]`",
    ),
    (
        "async fn a(&self, t: impl Copy);",
        "a parameter has a type that can be decoded: write a concrete type instead of `impl`",
    ),
    ("async fn a(&self, t: Vec<Self>);", SELF),
    (
        "async fn a(&self, (b, c): (u8, u8));",
        "a parameter is a name: take patterns apart in the body",
    ),
    (
        "async fn a(&self, _: u8);",
        "callers see the names of parameters: write a name instead of `_`",
    ),
    ("async fn a(&self, mut b: u8);", NO_BODY_MUT),
    (
        "async fn a(&self, #[cfg(x)] b: u8);",
        "parameters have places on the wire and cannot come and go: write the method twice, each with its own `#[cfg(…)]`",
    ),
    (
        "async fn a(&self, #[msgrpc(nil)] b: u8);",
        "a parameter takes no keys: write `#[msgrpc(…)]` above the method",
    ),
    (
        "async fn a(&self, b: &mut u8);",
        "changes to a parameter do not travel back: write `&` without `mut`, and return the result",
    ),
    (
        "async fn a(&self, b: &'static str);",
        "a parameter is borrowed from the request: leave `'static` out",
    ),
    ("async fn a(&self, b: Option<Option<u8>>);", NESTED),
    ("async fn a(&self) -> Option<Option<u8>>;", NESTED),
    ("async fn a(&self) -> Result<u8, Option<Option<u8>>>;", NESTED),
    ("async fn a(&self, a: Option<u8>, b: u8);", REQUIRED),
    ("async fn a(&self, a: Option<u8>, b: &str);", REQUIRED),
    ("async fn a(&self, ctx: Context);", CTX),
    ("async fn a(&self, ctx: &Other);", CTX),
    (
        "async fn a(&self, b: u8, ctx: &Context);",
        "the context is the first parameter after `&self`: move `ctx: &Context` there",
    ),
    ("async fn a(&self) -> io::Result<u8>;", TWO),
    ("async fn a(&self) -> fmt::Result;", TWO),
    (
        "async fn a(&self) -> impl Copy;",
        "a result has a type that can be decoded: write a concrete type instead of `impl`",
    ),
    ("async fn a(&self) -> Self;", SELF),
    (
        "async fn a(&self) -> &str;",
        "a result leaves the server, so it is owned: write `String` or `Vec<_>` instead of `&str`",
    ),
    (
        "async fn a(&self) -> Cow<'_, str>;",
        "a result leaves the server, so it is owned: write `String` or `Vec<_>` instead of `Cow<'_, str>`",
    ),
    (
        "#[msgrpc(notification)] async fn a(&self) -> u8;",
        "a notification is not answered: remove the result, or `notification`",
    ),
    ("fn a(&self);", NOT_ASYNC),
    (
        "#[msgrpc(blocking)] async fn a(&self);",
        "a blocking method is a plain function: write `fn` instead of `async fn`, or remove `blocking`",
    ),
    ("async unsafe fn a(&self);", "any peer can call a method of a service: remove `unsafe`"),
    ("const fn a(&self);", "a method of a service runs when it is called: remove `const`"),
    (
        "async extern \"C\" fn a(&self);",
        "a method of a service is a Rust function: remove `extern`",
    ),
    (
        "async fn a(&self, b: ...);",
        "a method of a service has a fixed number of parameters: write a `Vec<_>`",
    ),
    (
        "async fn new(&self);",
        "`new` makes a client, so no method can have this name: give it another one and write `#[msgrpc(name = \"new\")]`",
    ),
    (
        "async fn connect(&self);",
        "`connect` connects a client, so no method can have this name: give it another one and write `#[msgrpc(name = \"connect\")]`",
    ),
    (
        "async fn join(&self);",
        "`join` joins a group, so no method can have this name: give it another one and write `#[msgrpc(name = \"join\")]`",
    ),
    (
        "#[msgrpc(name = \"\")] async fn a(&self);",
        "the name on the wire is empty: write one, or remove `name`",
    ),
    ("#[msgrpc(name = 1)] async fn a(&self);", NAME),
    ("#[msgrpc(name \"x\")] async fn a(&self);", "a value stands behind `=`: write `name = \"…\"`"),
    (
        "#[msgrpc(name(\"x\"))] async fn a(&self);",
        "a value stands behind `=`: write `name = \"…\"`",
    ),
    (
        "#[msgrpc(name = )] async fn a(&self);",
        "there is nothing behind the `=`: write `name = \"…\"`",
    ),
    ("#[msgrpc(nil spawn)] async fn a(&self);", "there is a comma missing: write `nil, …`"),
    ("#[msgrpc(\"x\")] async fn a(&self);", "a key is a word: write `key` or `key = \"…\"`"),
    ("#[msgrpc(name)] async fn a(&self);", NAME),
    ("#[msgrpc(nil = true)] async fn a(&self);", "`nil` takes no value: write `nil` alone"),
    ("#[msgrpc(nil, nil)] async fn a(&self);", "`nil` is given twice: remove one"),
    (
        "#[msgrpc(blockin)] fn a(&self);",
        "`blockin` is not a key of a method: did you mean `blocking`?",
    ),
    (
        "#[msgrpc(compact)] async fn a(&self);",
        "`compact` is not a key of a method: it goes on the trait: `#[msgrpc::service(…)]`",
    ),
    (
        "#[msgrpc(zebra)] async fn a(&self);",
        "`zebra` is not a key of a method: the keys of a method are `name`, `blocking`, `notification`, `nil`, `skip`, `spawn`, `idempotent`",
    ),
    (
        "#[msgrpc] async fn a(&self);",
        "a method takes its keys in parentheses: write `#[msgrpc(name = \"…\")]`",
    ),
    (
        "#[msgrpc(skip, nil)] async fn a(&self);",
        "a skipped method does not travel: remove `skip`, or the other keys",
    ),
    (
        "#[msgrpc(blocking, spawn)] fn a(&self);",
        "a blocking method has a thread of its own: remove `spawn`, or `blocking`",
    ),
    (
        "#[msgrpc(notification, idempotent)] async fn a(&self);",
        "a notification is sent once and not answered: remove `idempotent`, or `notification`",
    ),
    (
        "#[cfg_attr(x, msgrpc(blocking))] fn a(&self);",
        "keys cannot depend on `cfg_attr`: write the method twice, each with its own `#[cfg(…)]`",
    ),
    ("type A;", "a service has no associated types: write concrete types in the methods"),
    (
        "const A: u8;",
        "a service has no associated constants: write a method, or a constant beside the trait",
    ),
    ("a!();", "the methods inside of a macro cannot be seen from here: write them out"),
];

const KEYS: &[(&str, &str)] = &[
    ("namespac = \"x\"", "`namespac` is not a key of a service: did you mean `namespace`?"),
    ("blocking", "`blocking` is not a key of a service: it goes on a method: `#[msgrpc(…)]`"),
    ("separator", "`separator` takes a string: write `separator = \"…\"`"),
    ("compact = 1", "`compact` takes no value: write `compact` alone"),
    ("compact, compact", "`compact` is given twice: remove one"),
    (
        "crate = \"1\"",
        "this is not a path: write the place of `msgrpc`, as in `crate = \"my_crate::msgrpc\"`",
    ),
];

const TRAITS: &[(&str, &str)] = &[
    (
        "trait Foo<T> {}",
        "a service has no parameters: the wire knows no types; write concrete types in the methods",
    ),
    (
        "trait Foo where Self: Sized {}",
        "a service has no `where` clause: write bounds as supertraits, `trait Name: Bound`",
    ),
    ("unsafe trait Foo {}", "a service is a safe trait: remove `unsafe`"),
    ("auto trait Foo {}", "a service is no auto trait: remove `auto`"),
    (
        "#[msgrpc(compact)] trait Foo {}",
        "the keys of a service go into its attribute: write `#[msgrpc::service(…)]`",
    ),
    (
        "#[msgrpc::service(compact)] trait Foo {}",
        "a trait becomes a service once: put all keys into one `#[msgrpc::service(…)]`",
    ),
    ("struct Foo;", "this goes on a trait: write `#[msgrpc::service] trait Name { … }`"),
];
