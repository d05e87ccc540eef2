//! The caller's side of many servers: `FooGroup`, one method per method of the trait, each asking a multicast group.
//!
//! It calls through a `FooClient`, which encodes, so that little is generated here; and what is generated costs nothing
//! where nobody uses it, since it is compiled where it is called.

use proc_macro2::TokenStream;
use quote::quote;

use super::client::stand_in;
use super::{impl_attrs, private, silenced};
use crate::carried::Carried;
use crate::model::{Method, Reply, Service};

/// `FooGroup` with its `impl`.
pub(super) fn group(service: &Service) -> TokenStream {
    let definition = definition(service);
    let private = private(service);
    let attrs = impl_attrs(service);
    let (vis, client, group) = (&service.item.vis, service.client_ident(), service.group_ident());
    let calls = service.methods.iter().map(|method| call(service, method));
    let stand_ins = service.refused.iter().filter_map(|method| {
        let future = future(service, method);
        stand_in(service, method, &future)
    });
    quote! {
        #definition
        #attrs
        impl #group {
            /// Joins the group at `address`, such as `multicast://239.1.2.3:9000`.
            ///
            /// # Errors
            ///
            /// When the address is wrong, or this machine has no way to the group.
            #[inline]
            #[allow(clippy::missing_errors_doc)] // inside of a user's macro clippy does not see the lines above
            #vis async fn join(
                address: &::core::primitive::str,
            ) -> ::core::result::Result<Self, #private::GroupError> {
                let group = #private::Group::join(address).await?;
                ::core::result::Result::Ok(Self::new(group))
            }

            /// Asks this group.
            #[inline]
            #[must_use]
            #vis fn new(group: #private::Group) -> Self {
                Self { client: #client::new(group) }
            }

            #(#calls)*
            #(#stand_ins)*
        }
    }
}

fn definition(service: &Service) -> TokenStream {
    let private = private(service);
    let Carried { cfg, deprecated, lints, .. } = &service.carried;
    let (vis, client, group) = (&service.item.vis, service.client_ident(), service.group_ident());
    let silenced = silenced(service);
    let docs = format!(
        " Asks all members of a multicast group that serve [`{}`](trait@{0}): one method per method of the \
         trait.\n\n Each collects the replies of those who answer in time. A clone asks the same group.",
        service.item.ident
    );
    quote! {
        #(#cfg)*
        #(#deprecated)*
        #(#lints)*
        #silenced
        #[doc = #docs]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #group {
            client: #client<#private::Group>,
        }
    }
}

/// One method: the client's, whose call becomes one of the group. A notification is one already.
fn call(service: &Service, method: &Method) -> TokenStream {
    let Carried { cfg, docs, deprecated, lints } = &method.carried;
    let fallback = docs.is_empty().then(|| format!(" Calls `{}`.", method.wire_name));
    let fallback = fallback.map(|text| quote!(#[doc = #text]));
    let private = private(service);
    let (vis, client, name) = (&service.item.vis, service.client_ident(), method.ident());
    let params = method.params.iter().map(|param| {
        let (ident, ty) = (&param.ident, &param.ty);
        quote!(#ident: #ty)
    });
    let arguments = method.params.iter().map(|param| &param.ident);
    let called = quote!(#client::#name(&self.client, #(#arguments),*));
    let called = match &method.reply {
        Reply::Nothing => called,
        Reply::Unit | Reply::Value(_) | Reply::Result(..) => {
            quote!(#private::GroupCall::new(#called))
        }
    };
    let output = future(service, method);
    quote! {
        #(#cfg)*
        #(#docs)*
        #fallback
        #(#deprecated)*
        #(#lints)*
        #[inline]
        #vis fn #name(&self, #(#params),*) -> #output {
            #called
        }
    }
}

/// The type of the future that a method returns.
fn future(service: &Service, method: &Method) -> TokenStream {
    let private = private(service);
    match &method.reply {
        Reply::Nothing => quote!(#private::Notify<#private::Group>),
        Reply::Unit => quote!(#private::GroupCall<(), #private::NoError>),
        Reply::Value(value) => quote!(#private::GroupCall<#value, #private::NoError>),
        Reply::Result(value, error) => quote!(#private::GroupCall<#value, #error>),
    }
}
