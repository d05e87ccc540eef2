//! From tokens to the model: reads a trait and its attributes, and judges neither.
//!
//! Used once per service. Where a trait is written wrongly the model is the nearest thing to it, and `check` refuses.

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;
use syn::ext::IdentExt;
use syn::{
    FnArg, GenericArgument, Item, ItemTrait, Pat, PatType, PathArguments, ReturnType, TraitItem,
    TraitItemFn, Type,
};

use crate::attr::{MethodKeys, ServiceKeys};
use crate::carried::Carried;
use crate::model::{Method, Param, Passing, Reply, Service};
use crate::report::Report;
use crate::types::{is_context, last_segment, option_of, parameters_of, peeled};

/// Reads a service; `None`, with the mistake reported, if `item` is no trait.
pub(crate) fn service(
    keys: TokenStream,
    item: TokenStream,
    report: &mut Report,
) -> Option<Service> {
    let keys = ServiceKeys::read(keys, report);
    let mut item = trait_in(item, report)?;
    let mut methods = Vec::new();
    for member in &mut item.items {
        let TraitItem::Fn(function) = member else {
            continue;
        };
        let method_keys = MethodKeys::take(&mut function.attrs, report);
        if method_keys.skip.is_none() || method_keys.has_more_than_skip() {
            methods.push(method(function.clone(), method_keys, &keys));
        }
        strip_param_attrs(function);
    }
    Some(Service {
        carried: Carried::of(&item.attrs),
        item,
        crate_path: keys.crate_path,
        allow_extra_args: keys.allow_extra_args.is_some(),
        compact: keys.compact.is_some(),
        methods,
        refused: Vec::new(),
        clashes: Vec::new(),
    })
}

fn trait_in(item: TokenStream, report: &mut Report) -> Option<ItemTrait> {
    match syn::parse2(item) {
        Ok(Item::Trait(item)) => Some(item),
        Ok(_) => {
            let message = "this goes on a trait: write `#[msgrpc::service] trait Name { … }`";
            report.add(syn::Error::new(Span::call_site(), message));
            None
        }
        Err(mistake) => {
            report.add(mistake);
            None
        }
    }
}

/// Our attributes on parameters are refused; the compiler need not complain about them as well.
fn strip_param_attrs(function: &mut TraitItemFn) {
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(param) = input {
            param.attrs.retain(|attr| !crate::attr::is_ours(attr.path()));
        }
    }
}

fn method(item: TraitItemFn, keys: MethodKeys, service: &ServiceKeys) -> Method {
    let typed = item.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    });
    let mut typed = typed.peekable();
    let context = typed.next_if(|first| is_context(&first.ty)).map(|first| (*first.ty).clone());
    let params = typed.enumerate().map(|(i, typed)| param(i, typed)).collect();
    Method {
        carried: Carried::of(&item.attrs),
        wire_name: wire_name(&item.sig.ident, &keys, service),
        context,
        params,
        reply: reply(&item.sig.output, &keys),
        item,
        keys,
    }
}

fn wire_name(ident: &Ident, keys: &MethodKeys, service: &ServiceKeys) -> String {
    let name = keys.name.as_ref().map_or_else(|| ident.unraw().to_string(), syn::LitStr::value);
    let Some(namespace) = &service.namespace else {
        return name;
    };
    let separator = service.separator.as_ref().map_or_else(|| ".".to_owned(), syn::LitStr::value);
    format!("{}{separator}{name}", namespace.value())
}

fn param(index: usize, typed: &PatType) -> Param {
    let ident = match &*typed.pat {
        Pat::Ident(pat) => pat.ident.clone(),
        _ => format_ident!("argument_{index}"),
    };
    let inner = option_of(&typed.ty);
    Param {
        ident,
        ty: (*typed.ty).clone(),
        in_option: inner.is_some(),
        passing: passing(inner.unwrap_or(&typed.ty)),
    }
}

fn passing(ty: &Type) -> Passing {
    if let Some([borrowed]) = parameters_of(ty, "Cow").as_deref() {
        return if is_static_cow(ty) || !is_str_or_bytes(borrowed) {
            Passing::Whole
        } else {
            Passing::Cow((*borrowed).clone())
        };
    }
    let Type::Reference(reference) = peeled(ty) else {
        return Passing::Whole;
    };
    let lent = peeled(&reference.elem);
    match lent {
        _ if is_str_or_bytes(lent) => Passing::Whole,
        Type::Slice(slice) => Passing::Slice((*slice.elem).clone()),
        // `&Path` is the other unsized type that serde borrows.
        _ if last_segment(lent).is_some_and(|segment| segment.ident == "Path") => Passing::Whole,
        _ => Passing::Lent(lent.clone()),
    }
}

fn is_str_or_bytes(ty: &Type) -> bool {
    let is = |ty: &Type, name: &str| last_segment(ty).is_some_and(|segment| segment.ident == name);
    match peeled(ty) {
        Type::Slice(slice) => is(&slice.elem, "u8"),
        other => is(other, "str"),
    }
}

fn is_static_cow(ty: &Type) -> bool {
    let Some(PathArguments::AngleBracketed(arguments)) =
        last_segment(ty).map(|segment| &segment.arguments)
    else {
        return false;
    };
    let mut arguments = arguments.args.iter();
    arguments.any(
        |argument| matches!(argument, GenericArgument::Lifetime(name) if name.ident == "static"),
    )
}

fn reply(output: &ReturnType, keys: &MethodKeys) -> Reply {
    let ReturnType::Type(_, ty) = output else {
        return if keys.notification.is_some() { Reply::Nothing } else { Reply::Unit };
    };
    if keys.notification.is_some() {
        return Reply::Nothing;
    }
    match parameters_of(ty, "Result").as_deref() {
        Some([value, error]) => {
            Reply::Result(Box::new((*value).clone()), Box::new((*error).clone()))
        }
        _ => Reply::Value(ty.clone()),
    }
}
