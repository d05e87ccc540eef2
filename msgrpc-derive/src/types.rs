//! Questions about types as they are written: what is visibly an `Option`, a context, a borrow.
//!
//! Used by `parse`, `check` and `expand`. An alias shows nothing here: that is left to the generated probes.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, PathSegment, Type};

/// A type without the invisible delimiters and parentheses around it.
pub(crate) fn peeled(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peeled(&group.elem),
        Type::Paren(paren) => peeled(&paren.elem),
        _ => ty,
    }
}

/// The last segment of a type that is a path: `Option<u8>` of `std::option::Option<u8>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match peeled(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

/// The type parameters of `name<…>`, if `ty` is visibly that.
pub(crate) fn parameters_of<'a>(ty: &'a Type, name: &str) -> Option<Vec<&'a Type>> {
    let segment = last_segment(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Some(Vec::new());
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

/// The `T` of an `Option<T>`.
pub(crate) fn option_of(ty: &Type) -> Option<&Type> {
    parameters_of(ty, "Option").and_then(|parameters| parameters.first().copied())
}

/// Whether `ty` may be the crate bytes' `Bytes`: by its name, of which a probe then makes sure.
pub(crate) fn may_be_bytes(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "Bytes")
}

/// The `T` of a `&T`.
pub(crate) fn referent(ty: &Type) -> &Type {
    match peeled(ty) {
        Type::Reference(reference) => peeled(&reference.elem),
        other => other,
    }
}

/// Whether `ty` is `&Context`, under any path.
pub(crate) fn is_context(ty: &Type) -> bool {
    let Type::Reference(reference) = peeled(ty) else {
        return false;
    };
    reference.mutability.is_none()
        && last_segment(&reference.elem).is_some_and(|segment| segment.ident == "Context")
}

/// The first identifier `word` in a type.
pub(crate) fn keyword_in(ty: &Type, word: &str) -> Option<Ident> {
    fn find(tokens: TokenStream, word: &str) -> Option<Ident> {
        tokens.into_iter().find_map(|token| match token {
            TokenTree::Ident(ident) if ident == word => Some(ident),
            TokenTree::Group(group) => find(group.stream(), word),
            _ => None,
        })
    }
    find(ty.to_token_stream(), word)
}

/// The first reference or lifetime in a result, `'static` in a path excepted (`Cow<'static, str>` can be decoded).
pub(crate) fn borrow_in(ty: &Type) -> Option<TokenTree> {
    fn find(tokens: TokenStream) -> Option<TokenTree> {
        let mut tokens = tokens.into_iter();
        while let Some(token) = tokens.next() {
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == '&' => return Some(token),
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    let name = tokens.next()?;
                    if !matches!(&name, TokenTree::Ident(ident) if ident == "static") {
                        return Some(name);
                    }
                }
                TokenTree::Group(group) => {
                    if let Some(found) = find(group.stream()) {
                        return Some(found);
                    }
                }
                _ => {}
            }
        }
        None
    }
    find(ty.to_token_stream())
}

/// Whether a type is one of the language's own, which no alias can be.
pub(crate) fn is_builtin(ty: &Type) -> bool {
    const NAMES: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
        "u32", "u64", "u128", "usize", "String", "Vec",
    ];
    last_segment(ty).is_some_and(|segment| NAMES.iter().any(|name| segment.ident == name))
}
