//! `#[arguments]` and `#[output]`: types that cross the boundary as JSON.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Result, parse2};

/// The purpose of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Read from the caller, who must learn of unknown fields.
    Arguments,
    /// Written for the caller. Also read back from files, where an unknown field is not an error.
    Output,
}

pub(crate) fn expand(purpose: Use, options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !options.is_empty() {
        return Err(Error::new_spanned(
            options,
            "this attribute takes no options",
        ));
    }
    let input: DeriveInput = parse2(item)?;
    if let Data::Union(union) = &input.data {
        return Err(Error::new_spanned(
            union.union_token,
            "a union has no JSON form; write a struct or an enum",
        ));
    }
    let strict = (purpose == Use::Arguments).then(|| quote!(, deny_unknown_fields));
    Ok(quote! {
        #[derive(
            ::core::fmt::Debug,
            ::core::clone::Clone,
            ::tollgate_guest::serde::Serialize,
            ::tollgate_guest::serde::Deserialize,
            ::tollgate_guest::schemars::JsonSchema,
        )]
        #[serde(crate = "::tollgate_guest::serde" #strict)]
        #[schemars(crate = "::tollgate_guest::schemars")]
        #input
    })
}
