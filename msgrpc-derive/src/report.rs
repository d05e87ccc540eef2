//! Mistakes in a service, collected so that one compile shows them all.
//!
//! Filled by `attr`, `parse` and `check`; written out once, by `expand`.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far, in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    mistakes: Vec<syn::Error>,
}

impl Report {
    /// Records a mistake that stands at the tokens `at`: what is wrong, and what to write instead.
    pub(crate) fn refuse(&mut self, at: impl ToTokens, message: impl Display) {
        self.mistakes.push(syn::Error::new_spanned(at, message));
    }

    /// Records a mistake that `syn` found while parsing.
    pub(crate) fn add(&mut self, mistake: syn::Error) {
        self.mistakes.push(mistake);
    }

    /// How many mistakes were recorded: what is checked between two equal counts is right.
    pub(crate) fn count(&self) -> usize {
        self.mistakes.len()
    }

    /// The mistakes as `compile_error!` invocations at their tokens.
    pub(crate) fn compile_errors(&self) -> TokenStream {
        self.mistakes.iter().map(syn::Error::to_compile_error).collect()
    }

    /// Each mistake by itself, as [`compile_errors`](Self::compile_errors) writes it.
    pub(crate) fn each(&self) -> impl Iterator<Item = TokenStream> {
        self.mistakes.iter().map(syn::Error::to_compile_error)
    }

    /// The messages alone.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.mistakes.iter().map(ToString::to_string).collect()
    }
}
