//! What is generated, as formatted Rust.

use super::{expanded, messages};
use crate::model::source;

/// Written anew when `MSGRPC_UPDATE` is set.
#[test]
fn the_readme_service_expands_as_recorded() {
    let text = expanded("", include_str!("compute_pi.input"));
    if std::env::var_os("MSGRPC_UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/compute_pi.expanded");
        std::fs::write(path, &text).expect("the recorded expansion can be written");
    }
    assert_eq!(text, include_str!("compute_pi.expanded"));
}

#[test]
fn raw_identifiers_lose_their_prefix_on_the_wire() {
    let text = expanded("", "trait Foo { async fn r#type(&self, r#match: u8); }");
    for part in ["::new(\"type\", \"type\", PARAMS)", "\"match\"", "\"type\" =>"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("\"r#"), "{text}");
}

#[test]
fn namespace_and_separator_come_before_every_name() {
    let item = r#"trait Foo { async fn a(&self); #[msgrpc(name = "B")] async fn b(&self); }"#;
    let text = expanded("namespace = \"n\", separator = \"/\"", item);
    assert!(text.contains("\"n/a\" =>") && text.contains("\"n/B\" =>"), "{text}");
}

#[test]
fn the_crate_key_replaces_the_path() {
    let text = expanded("crate = \"crate::rpc\"", "trait Foo { async fn a(&self); }");
    assert!(text.contains("crate::rpc::__private::") && !text.contains("::msgrpc::"), "{text}");
}

#[test]
fn keys_reach_the_descriptor_and_the_style() {
    let item = "trait Foo { #[msgrpc(nil)] #[deprecated(note = \"why\")] async fn a(&self, b: Option<u8>); }";
    let text = expanded("compact, allow_extra_args", item);
    for part in [".extra_args()", ".nil()", ".deprecated(\"why\")", "Style::Compact"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("Style::Named"), "{text}");
}

#[test]
fn cfg_stands_on_everything_that_belongs_to_a_method() {
    let text = expanded("", "trait Foo { #[cfg(x)] async fn a(&self, b: u8) -> Data; }");
    // The trait's method, element and constant of the descriptor, the probe, the arm, the client's method, the group's.
    assert_eq!(text.matches("#[cfg(x)]").count(), 7, "{text}");
}

#[test]
fn expectations_become_permissions_outside_of_the_trait() {
    let text = expanded("", "trait Foo { #[expect(non_snake_case)] async fn aB(&self); }");
    assert_eq!(text.matches("#[expect(non_snake_case)]").count(), 1, "{text}");
    assert_eq!(text.matches("#[allow(non_snake_case)]").count(), 2, "{text}");
}

#[test]
fn a_cfg_attr_is_sorted_by_what_is_in_it() {
    let text = expanded("", "trait Foo { #[cfg_attr(p, cfg(x), deprecated)] async fn a(&self); }");
    assert_eq!(text.matches("#[cfg_attr(p, cfg(x))]").count(), 5, "{text}");
    assert_eq!(text.matches("#[cfg_attr(p, deprecated)]").count(), 2, "{text}");
}

#[test]
fn a_skipped_method_stays_in_the_trait_alone() {
    let item = "trait Foo { #[msgrpc(skip)] fn new<T>(&self, t: T) -> T where Self: Sized { t } }";
    assert!(messages("", item).is_empty());
    let text = expanded("", item);
    assert_eq!(text.matches("fn new<T>").count(), 1, "{text}");
    assert!(!text.contains("\"new\" =>"), "{text}");
}

#[test]
fn constants_are_named_in_screaming_snake_case() {
    for (name, constant) in [
        ("Foo", "FOO"),
        ("ComputePi", "COMPUTE_PI"),
        ("HTTPServer", "HTTP_SERVER"),
        ("A", "A"),
        ("V2Api", "V2_API"),
    ] {
        let text = expanded("", &format!("trait {name} {{}}"));
        assert!(text.contains(&format!("const {constant}: ")), "{text}");
    }
}

#[test]
fn types_are_shown_as_written() {
    for text in [
        "Option<Vec<u8>>",
        "&[u8]",
        "Cow<'_, str>",
        "&'static str",
        "HashMap<String, (u8, [u32; 4])>",
        "Box<dyn Fn(u8) -> u8 + Send>",
        "::std::string::String",
        "()",
    ] {
        let tokens: proc_macro2::TokenStream = text.parse().expect("the test's text is Rust");
        assert_eq!(source(tokens), text);
    }
}
