//! The keys of `#[msgrpc::service(…)]` and of `#[msgrpc(…)]` on methods.
//!
//! Used by `parse`. Knows which keys there are and what value each takes, not which go together: that is `check`'s.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Path, Token, token};

use crate::carried::conditional_parts;
use crate::report::Report;

/// What stands in `#[msgrpc::service(…)]`.
#[derive(Default)]
pub(crate) struct ServiceKeys {
    pub(crate) namespace: Option<LitStr>,
    pub(crate) separator: Option<LitStr>,
    pub(crate) allow_extra_args: Option<Ident>,
    pub(crate) compact: Option<Ident>,
    pub(crate) crate_path: Option<Path>,
}

impl ServiceKeys {
    const NAMES: &[&str] = &["namespace", "separator", "allow_extra_args", "compact", "crate"];

    /// Reads the tokens between the parentheses.
    pub(crate) fn read(tokens: TokenStream, report: &mut Report) -> Self {
        let mut keys = Self::default();
        for key in list(tokens, report) {
            match key.name.to_string().as_str() {
                "namespace" => key.text(&mut keys.namespace, report),
                "separator" => key.text(&mut keys.separator, report),
                "allow_extra_args" => key.flag(&mut keys.allow_extra_args, report),
                "compact" => key.flag(&mut keys.compact, report),
                "crate" => keys.read_crate(key, report),
                _ => key.unknown("a service", Self::NAMES, MethodKeys::NAMES, report),
            }
        }
        keys
    }

    fn read_crate(&mut self, key: Key, report: &mut Report) {
        let mut text = None;
        key.text(&mut text, report);
        let Some(text) = text else { return };
        match text.parse_with(Path::parse_mod_style) {
            Ok(path) => self.crate_path = Some(path),
            Err(_) => report.refuse(
                text,
                "this is not a path: write the place of `msgrpc`, as in `crate = \"my_crate::msgrpc\"`",
            ),
        }
    }
}

/// What stands in the `#[msgrpc(…)]` attributes of one method.
#[derive(Default)]
pub(crate) struct MethodKeys {
    pub(crate) name: Option<LitStr>,
    pub(crate) blocking: Option<Ident>,
    pub(crate) notification: Option<Ident>,
    pub(crate) nil: Option<Ident>,
    pub(crate) skip: Option<Ident>,
    pub(crate) spawn: Option<Ident>,
    pub(crate) idempotent: Option<Ident>,
    /// Keys inside of a `#[cfg_attr(…)]`, which `check` refuses.
    pub(crate) conditional: Vec<Meta>,
    /// Whether a mistake was found among the keys, so that a missing one says nothing.
    pub(crate) unsure: bool,
}

impl MethodKeys {
    const NAMES: &[&str] =
        &["name", "blocking", "notification", "nil", "skip", "spawn", "idempotent"];

    /// Takes the `#[msgrpc(…)]` attributes out of `attrs` and reads them.
    pub(crate) fn take(attrs: &mut Vec<Attribute>, report: &mut Report) -> Self {
        let before = report.count();
        let mut keys = Self::default();
        attrs.retain(|attr| {
            let conditional = conditional_keys(attr);
            let ours = is_ours(attr.path()) || !conditional.is_empty();
            keys.conditional.extend(conditional);
            if is_ours(attr.path()) {
                keys.read_attr(&attr.meta, report);
            }
            !ours
        });
        keys.unsure = report.count() > before || !keys.conditional.is_empty();
        keys
    }

    /// Whether there is anything beside `skip`.
    pub(crate) fn has_more_than_skip(&self) -> bool {
        let flags = [&self.blocking, &self.notification, &self.nil, &self.spawn, &self.idempotent];
        self.name.is_some() || self.unsure || flags.iter().any(|flag| flag.is_some())
    }

    fn read_attr(&mut self, meta: &Meta, report: &mut Report) {
        match meta {
            Meta::List(list) if list.path.is_ident("msgrpc") => {
                self.read(list.tokens.clone(), report);
            }
            meta => report.refuse(
                meta,
                "a method takes its keys in parentheses: write `#[msgrpc(name = \"…\")]`",
            ),
        }
    }

    fn read(&mut self, tokens: TokenStream, report: &mut Report) {
        for key in list(tokens, report) {
            match key.name.to_string().as_str() {
                "name" => key.text(&mut self.name, report),
                "blocking" => key.flag(&mut self.blocking, report),
                "notification" => key.flag(&mut self.notification, report),
                "nil" => key.flag(&mut self.nil, report),
                "skip" => key.flag(&mut self.skip, report),
                "spawn" => key.flag(&mut self.spawn, report),
                "idempotent" => key.flag(&mut self.idempotent, report),
                _ => key.unknown("a method", Self::NAMES, ServiceKeys::NAMES, report),
            }
        }
    }
}

/// Whether an attribute's path is `msgrpc` or begins with it.
pub(crate) fn is_ours(path: &Path) -> bool {
    path.segments.first().is_some_and(|segment| segment.ident == "msgrpc")
}

/// Our attributes inside of a `#[cfg_attr(…)]`.
fn conditional_keys(attr: &Attribute) -> Vec<Meta> {
    let parts = conditional_parts(attr).unwrap_or_default();
    parts.into_iter().skip(1).filter(|meta| is_ours(meta.path())).collect()
}

/// One `key` or `key = value`.
struct Key {
    name: Ident,
    value: Option<Expr>,
}

impl Key {
    /// A key without a value.
    fn flag(self, slot: &mut Option<Ident>, report: &mut Report) {
        if let Some(value) = &self.value {
            let message = format!("`{0}` takes no value: write `{0}` alone", self.name);
            report.refuse(value, message);
        } else if slot.is_some() {
            self.twice(report);
        } else {
            *slot = Some(self.name);
        }
    }

    /// A key whose value is a string.
    fn text(self, slot: &mut Option<LitStr>, report: &mut Report) {
        if slot.is_some() {
            return self.twice(report);
        }
        match self.value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => *slot = Some(text),
            Some(value) => {
                report
                    .refuse(value, format!("`{0}` takes a string: write `{0} = \"…\"`", self.name));
            }
            None => {
                let message = format!("`{0}` takes a string: write `{0} = \"…\"`", self.name);
                report.refuse(self.name, message);
            }
        }
    }

    fn twice(&self, report: &mut Report) {
        report.refuse(&self.name, format!("`{}` is given twice: remove one", self.name));
    }

    fn unknown(&self, place: &str, known: &[&str], elsewhere: &[&str], report: &mut Report) {
        let name = self.name.to_string();
        let hint = if elsewhere.contains(&name.as_str()) {
            let other = if place == "a method" {
                "the trait: `#[msgrpc::service(…)]`"
            } else {
                "a method: `#[msgrpc(…)]`"
            };
            format!("it goes on {other}")
        } else if let Some(near) = nearest(&name, known) {
            format!("did you mean `{near}`?")
        } else {
            format!("the keys of {place} are `{}`", known.join("`, `"))
        };
        report.refuse(&self.name, format!("`{name}` is not a key of {place}: {hint}"));
    }
}

impl Parse for Key {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("a key is a word: write `key` or `key = \"…\"`"));
        }
        let name = input.call(Ident::parse_any)?;
        if input.peek(Token![=]) {
            let equals: Token![=] = input.parse()?;
            let Ok(value) = input.parse() else {
                let message = format!("there is nothing behind the `=`: write `{name} = \"…\"`");
                return Err(syn::Error::new_spanned(equals, message));
            };
            return Ok(Self { name, value: Some(value) });
        }
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Self { name, value: None });
        }
        let value = input.peek(Lit) || input.peek(token::Paren);
        Err(input.error(if value {
            format!("a value stands behind `=`: write `{name} = \"…\"`")
        } else {
            format!("there is a comma missing: write `{name}, …`")
        }))
    }
}

/// The keys in `tokens`; none if they are not a list of keys.
fn list(tokens: TokenStream, report: &mut Report) -> Punctuated<Key, Token![,]> {
    Punctuated::parse_terminated.parse2(tokens).unwrap_or_else(|mistake| {
        report.add(mistake);
        Punctuated::new()
    })
}

/// The known name that `name` is probably a misspelling of.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
