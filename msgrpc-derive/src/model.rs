//! What a service is, once read: the model that `parse` builds, `check` judges and `expand` writes out.
//!
//! Holds names, types and attributes; never generates code.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, ItemTrait, PatType, Path, TraitItemFn, Type};

use crate::attr::MethodKeys;
use crate::carried::Carried;
use crate::report::Report;

/// A service: one trait.
pub(crate) struct Service {
    /// The trait as written, without our attributes.
    pub(crate) item: ItemTrait,
    pub(crate) carried: Carried,
    /// Where `msgrpc` is; `None` for `::msgrpc`.
    pub(crate) crate_path: Option<Path>,
    pub(crate) allow_extra_args: bool,
    pub(crate) compact: bool,
    /// The methods that travel, in the trait's order. After `check`, only those without a mistake.
    pub(crate) methods: Vec<Method>,
    /// After `check`, those with a mistake: the client has stand-ins for them.
    pub(crate) refused: Vec<Method>,
    /// Pairs of methods that may not be there at once.
    pub(crate) clashes: Vec<Clash>,
}

/// Mistakes that are there under these `#[cfg]`s only.
pub(crate) struct Clash {
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) mistakes: Report,
}

impl Service {
    /// `FooService`.
    pub(crate) fn service_ident(&self) -> Ident {
        format_ident!("{}Service", self.item.ident)
    }

    /// `FooClient`.
    pub(crate) fn client_ident(&self) -> Ident {
        format_ident!("{}Client", self.item.ident)
    }

    /// `FooGroup`.
    pub(crate) fn group_ident(&self) -> Ident {
        format_ident!("{}Group", self.item.ident)
    }

    /// `FOO`.
    pub(crate) fn constant_ident(&self) -> Ident {
        format_ident!("{}", screaming(&self.name()), span = self.item.ident.span())
    }

    /// The trait's name, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.item.ident.unraw().to_string()
    }

    /// Whether the trait takes parameters, so that no bound on it can be written.
    pub(crate) fn is_generic(&self) -> bool {
        !self.item.generics.params.is_empty()
    }
}

/// A method that travels.
pub(crate) struct Method {
    /// The method as written, without our attributes.
    pub(crate) item: TraitItemFn,
    pub(crate) carried: Carried,
    pub(crate) keys: MethodKeys,
    /// The name on the wire, with the namespace.
    pub(crate) wire_name: String,
    /// The type of `ctx`, as written, if the method takes the context.
    pub(crate) context: Option<Type>,
    /// The arguments on the wire.
    pub(crate) params: Vec<Param>,
    pub(crate) reply: Reply,
}

impl Method {
    pub(crate) fn ident(&self) -> &Ident {
        &self.item.sig.ident
    }

    /// The name in Rust, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident().unraw().to_string()
    }

    /// What the user wrote that gives the wire name.
    pub(crate) fn wire_name_tokens(&self) -> TokenStream {
        match &self.keys.name {
            Some(name) => name.to_token_stream(),
            None => self.ident().to_token_stream(),
        }
    }

    /// The parameters after `self`, as written.
    pub(crate) fn written_params(&self) -> impl Iterator<Item = &PatType> {
        self.item.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(param) => Some(param),
            FnArg::Receiver(_) => None,
        })
    }

    /// The hidden constant that holds the method's descriptor: `method_add`.
    pub(crate) fn constant_ident(&self) -> Ident {
        format_ident!("method_{}", self.ident().unraw(), span = proc_macro2::Span::call_site())
    }
}

/// One argument on the wire.
pub(crate) struct Param {
    /// The name in Rust. Where a pattern stood, a name of ours: `check` refuses it.
    pub(crate) ident: Ident,
    /// The type as written.
    pub(crate) ty: Type,
    /// Whether `Option<…>` is visibly around what `passing` describes.
    pub(crate) in_option: bool,
    pub(crate) passing: Passing,
}

impl Param {
    /// The name as descriptors show it, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

/// How the server comes from the decoded value to the method's argument.
pub(crate) enum Passing {
    /// The type as written is decoded; it may borrow from the request.
    Whole,
    /// `&T`: a `T` is decoded and lent.
    Lent(Type),
    /// `&[T]`: a `Vec<T>` is decoded and lent.
    Slice(Type),
    /// `Cow<'_, T>`: borrowed from the request, which serde by itself would copy.
    Cow(Type),
}

/// What a method answers.
pub(crate) enum Reply {
    /// A notification: nothing travels back.
    Nothing,
    /// No return type: `()`.
    Unit,
    Value(Box<Type>),
    Result(Box<Type>, Box<Type>),
}

/// Tokens as a person writes them: `Option<Vec<u8>>`, not `Option < Vec < u8 > >`.
pub(crate) fn source(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write_source(tokens.to_token_stream(), &mut text);
    text
}

fn write_source(tokens: TokenStream, text: &mut String) {
    use proc_macro2::{Delimiter, TokenTree};
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_source(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                symbol @ (',' | ';') => text.extend([symbol, ' ']),
                symbol @ ('+' | '=') => text.extend([' ', symbol, ' ']),
                '-' => text.push_str(" -"),
                '>' if text.ends_with('-') => text.push_str("> "),
                symbol => text.push(symbol),
            },
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

/// `ComputePi` → `COMPUTE_PI`, `HTTPServer` → `HTTP_SERVER`.
fn screaming(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let after_lower = i > 0 && !letters[i - 1].is_uppercase() && letters[i - 1] != '_';
        let before_lower = letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        let in_word = i > 0 && letters[i - 1] != '_';
        if letter.is_uppercase() && (after_lower || (in_word && before_lower)) {
            text.push('_');
        }
        text.extend(letter.to_uppercase());
    }
    text
}
