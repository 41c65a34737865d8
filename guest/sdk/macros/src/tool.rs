//! `#[tool]`: a function, its signature and its doc comment.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Error, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, Result, parse2};

/// The longest name that the WIT allows.
const LONGEST_NAME: usize = 64;

/// The options of the attribute.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    title: Option<LitStr>,
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

impl Options {
    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(ident) = meta.path.get_ident() else {
            return Err(meta.error("an option is one word"));
        };
        match ident.to_string().as_str() {
            "name" => self.name = Some(meta.value()?.parse()?),
            "title" => self.title = Some(meta.value()?.parse()?),
            "read_only" => self.read_only = true,
            "destructive" => self.destructive = true,
            "idempotent" => self.idempotent = true,
            "open_world" => self.open_world = true,
            other => {
                return Err(meta.error(format!(
                    "unknown option `{other}`; there are name = \"..\", title = \"..\", read_only, \
                     destructive, idempotent and open_world"
                )));
            }
        }
        if self.read_only && self.destructive {
            return Err(meta.error("a tool cannot be both read_only and destructive"));
        }
        Ok(())
    }
}

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut parsed = Options::default();
    syn::meta::parser(|meta| parsed.read(&meta)).parse2(options)?;
    let function: ItemFn = parse2(item)?;
    refuse_unsupported(&function)?;

    let description = description(&function);
    if description.is_empty() {
        return Err(Error::new_spanned(
            &function.sig.ident,
            "a tool needs a doc comment: it is the description that the model reads",
        ));
    }
    let ident = &function.sig.ident;
    let name = match &parsed.name {
        Some(name) => name.clone(),
        None => LitStr::new(&ident.unraw().to_string(), ident.span()),
    };
    check_name(&name)?;
    let title = match &parsed.title {
        Some(title) => quote!(::core::option::Option::Some(#title)),
        None => quote!(::core::option::Option::None),
    };
    let call = if function.sig.inputs.is_empty() {
        quote!(|_: ::tollgate_guest::NoArguments| #ident())
    } else {
        quote!(#ident)
    };
    let visibility = &function.vis;
    let Options {
        read_only,
        destructive,
        idempotent,
        open_world,
        ..
    } = parsed;

    // A struct with braces is in the type namespace, where the function's name is still free.
    Ok(quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, reason = "it carries the function's name, so that `adapter!` finds both")]
        #visibility struct #ident {}

        impl ::tollgate_guest::Tool for #ident {
            const NAME: &'static str = #name;

            fn definition() -> ::tollgate_guest::Definition {
                ::tollgate_guest::__private::define(
                    #call,
                    #name,
                    #title,
                    #description,
                    ::tollgate_guest::Annotations {
                        read_only: #read_only,
                        destructive: #destructive,
                        idempotent: #idempotent,
                        open_world: #open_world,
                    },
                )
            }

            fn call(
                arguments: &str,
            ) -> ::core::result::Result<::std::vec::Vec<::tollgate_guest::Content>, ::tollgate_guest::ToolError> {
                ::tollgate_guest::__private::invoke(#call, arguments)
            }
        }
    })
}

/// One argument struct or none: other parameters have no names for a schema.
fn refuse_unsupported(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        return Err(Error::new_spanned(
            token,
            "a tool is synchronous: the host runs each call in an instance of its own",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a tool has no type parameters: its schema is made from one type",
        ));
    }
    if let Some(receiver) = signature
        .inputs
        .iter()
        .find(|input| matches!(input, FnArg::Receiver(_)))
    {
        return Err(Error::new_spanned(
            receiver,
            "a tool is a free function: nothing is kept between calls",
        ));
    }
    if signature.inputs.len() > 1 {
        return Err(Error::new_spanned(
            &signature.inputs,
            "a tool takes one argument: a struct marked #[arguments], with a field for each thing that it needs",
        ));
    }
    Ok(())
}

/// The doc comment's lines, without the space after `///`.
fn description(function: &ItemFn) -> String {
    let mut text = String::new();
    for attribute in &function.attrs {
        let Meta::NameValue(pair) = &attribute.meta else {
            continue;
        };
        if !pair.path.is_ident("doc") {
            continue;
        }
        if let Expr::Lit(ExprLit {
            lit: Lit::Str(line),
            ..
        }) = &pair.value
        {
            let line = line.value();
            text.push_str(line.strip_prefix(' ').unwrap_or(&line));
            text.push('\n');
        }
    }
    text.trim().to_owned()
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let fits = (1..=LONGEST_NAME).contains(&text.len());
    if fits
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        return Ok(());
    }
    Err(Error::new_spanned(
        name,
        format!(
            "`{text}` is not a tool name: 1 to {LONGEST_NAME} of A-Z, a-z, 0-9, `_` and `-`, or give one with name = \"..\""
        ),
    ))
}

#[cfg(test)]
mod tests;
