//! The user's attributes that are carried over from the trait and its methods to what is generated.
//!
//! Used by `parse` and `expand`. `#[cfg]` goes to everything, docs, `#[deprecated]` and lint levels to what the user sees.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaNameValue, Token};

/// The attributes of one trait or method, sorted by where they go.
#[derive(Default)]
pub(crate) struct Carried {
    /// `#[cfg(…)]`: on every generated item, arm and element.
    pub(crate) cfg: Vec<Attribute>,
    /// `#[doc …]`, as written.
    pub(crate) docs: Vec<Attribute>,
    /// `#[deprecated …]`.
    pub(crate) deprecated: Vec<Attribute>,
    /// Lint levels; `#[expect]` has become `#[allow]`, since a copy need not fulfil it.
    pub(crate) lints: Vec<Attribute>,
}

impl Carried {
    /// Sorts `attrs`; leaves out those that belong to the trait alone.
    pub(crate) fn of(attrs: &[Attribute]) -> Self {
        let mut carried = Self::default();
        for attr in attrs.iter().flat_map(flattened) {
            let inner = conditional(&attr).map_or_else(|| attr.meta.clone(), |(_, inner)| inner);
            let Some(name) = inner.path().get_ident() else {
                continue;
            };
            match name.to_string().as_str() {
                "cfg" => carried.cfg.push(attr),
                "doc" => carried.docs.push(attr),
                "deprecated" => carried.deprecated.push(attr),
                "allow" | "warn" | "deny" | "expect" => carried.lints.push(attr),
                _ => {}
            }
        }
        carried.lints.iter_mut().for_each(expect_to_allow);
        carried
    }

    /// The text of the docs, one line per line, without the space that follows `///`.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<String> = self.docs.iter().filter_map(|attr| text_of(&attr.meta)).collect();
        let lines = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// The note of `#[deprecated]`: empty if there is none in it, `None` if it is not deprecated.
    pub(crate) fn deprecation(&self) -> Option<String> {
        let attr = self.deprecated.iter().find(|attr| attr.path().is_ident("deprecated"))?;
        if let Some(note) = text_of(&attr.meta) {
            return Some(note);
        }
        let parts = Punctuated::<Meta, Token![,]>::parse_terminated;
        let parts = attr.parse_args_with(parts).unwrap_or_default();
        let note = parts.iter().find(|part| part.path().is_ident("note"));
        Some(note.and_then(text_of).unwrap_or_default())
    }
}

/// The predicate and the single attribute inside of a `#[cfg_attr(predicate, attribute)]`.
pub(crate) fn conditional(attr: &Attribute) -> Option<(Meta, Meta)> {
    let mut parts = conditional_parts(attr)?.into_iter();
    Some((parts.next()?, parts.next()?))
}

/// The predicate and the attributes inside of a `#[cfg_attr(predicate, …)]`.
pub(crate) fn conditional_parts(attr: &Attribute) -> Option<Vec<Meta>> {
    if !attr.path().is_ident("cfg_attr") {
        return None;
    }
    let parts = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    Some(parts.into_iter().collect())
}

/// Splits `#[cfg_attr(p, a, b)]` into `#[cfg_attr(p, a)]` and `#[cfg_attr(p, b)]`.
fn flattened(attr: &Attribute) -> Vec<Attribute> {
    let Some(parts) = conditional_parts(attr) else {
        return vec![attr.clone()];
    };
    let Some((predicate, inner)) = parts.split_first() else {
        return Vec::new();
    };
    inner.iter().filter_map(|inner| with_condition(attr, predicate, inner)).collect()
}

/// The `#[cfg_attr(…)]` `attr` with other contents.
fn with_condition(attr: &Attribute, predicate: &Meta, inner: &Meta) -> Option<Attribute> {
    let mut attr = attr.clone();
    let Meta::List(list) = &mut attr.meta else {
        return None;
    };
    list.tokens = predicate.to_token_stream();
    <Token![,]>::default().to_tokens(&mut list.tokens);
    inner.to_tokens(&mut list.tokens);
    Some(attr)
}

fn expect_to_allow(attr: &mut Attribute) {
    if let Some((predicate, mut inner)) = conditional(attr) {
        allow(&mut inner);
        if let Some(allowed) = with_condition(attr, &predicate, &inner) {
            *attr = allowed;
        }
    } else {
        allow(&mut attr.meta);
    }
}

fn allow(meta: &mut Meta) {
    if let Meta::List(list) = meta
        && list.path.is_ident("expect")
    {
        list.path = Ident::new("allow", list.path.span()).into();
    }
}

/// The string in `name = "string"`.
fn text_of(meta: &Meta) -> Option<String> {
    let Meta::NameValue(MetaNameValue {
        value: Expr::Lit(ExprLit { lit: Lit::Str(text), .. }),
        ..
    }) = meta
    else {
        return None;
    };
    Some(text.value())
}
