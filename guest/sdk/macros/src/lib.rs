//! The attributes of `tollgate-guest`, which re-exports and documents them.
//!
//! They read doc comments and signatures, and add items. They never change the author's function or type.

mod data;
mod tool;

use proc_macro::TokenStream;

/// Makes a function a tool. See `tollgate_guest::tool`.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a type usable as a tool's arguments. See `tollgate_guest::arguments`.
#[proc_macro_attribute]
pub fn arguments(options: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(data::Use::Arguments, options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a type usable as a tool's structured result. See `tollgate_guest::output`.
#[proc_macro_attribute]
pub fn output(options: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(data::Use::Output, options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
