//! `--jq`: results as a jq program selects them, by jaq.

use jaq_core::{
    Compiler, Ctx, Vars, data,
    load::{Arena, Error, File, Loader},
    unwrap_valr,
};
use jaq_json::{Val, read};

use crate::error::Failure;

const UNFIT: &str = "the program ends with an error for this result";

type Values = data::JustLut<Val>;

/// A jq program that compiles. It is kept as text: compiled, it is not shared between threads.
pub(crate) struct Filter(String);

impl Filter {
    /// # Errors
    /// `code` is not a jq program; the part that is wrong is named.
    pub(crate) fn new(code: String) -> Result<Self, Failure> {
        match compile(&code) {
            Ok(_) => Ok(Self(code)),
            Err(part) => {
                let message = format!(
                    "`--jq {code}` is not a jq program: `{part}` is unknown or out of place"
                );
                Err(Failure::usage(message).help("the language is jq's, as in --jq '.runs[].run'"))
            }
        }
    }

    /// What the program gives for the JSON text `result`: a line each, strings without quotes.
    ///
    /// # Errors
    /// The program ends with an error for this result.
    pub(crate) fn lines(&self, result: &str) -> Result<String, String> {
        let program = compile(&self.0)?;
        let value = read::parse_single(result.as_bytes()).map_err(|_| UNFIT.to_owned())?;
        let context = Ctx::<Values>::new(&program.lut, Vars::new([]));
        let mut lines = String::new();
        for value in program.id.run((context, value)).map(unwrap_valr) {
            // jaq's message has the value.
            match value.map_err(|_| UNFIT.to_owned())? {
                Val::TStr(text) | Val::BStr(text) => lines += &String::from_utf8_lossy(&text),
                value => lines += &value.to_string(),
            }
            lines.push('\n');
        }
        Ok(lines)
    }
}

/// On error, the part of `code` that is wrong.
fn compile(code: &str) -> Result<jaq_core::Filter<Values>, String> {
    let definitions = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let functions = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let arena = Arena::default();
    let program = Loader::new(definitions)
        .load(&arena, File { code, path: () })
        .map_err(|errors| {
            errors
                .iter()
                .find_map(|(_, error)| unread(error))
                .unwrap_or_else(|| code.to_owned())
        })?;
    Compiler::default()
        .with_funs(functions)
        .compile(program)
        .map_err(|errors| {
            let mut names = errors
                .iter()
                .flat_map(|(_, errors)| errors)
                .map(|(name, _)| *name);
            names.next().unwrap_or(code).to_owned()
        })
}

/// Where reading a program stopped.
fn unread(error: &Error<&str>) -> Option<String> {
    let rest = match error {
        Error::Io(files) => files.first().map(|(name, _)| *name),
        Error::Lex(parts) => parts.first().map(|(_, rest)| *rest),
        Error::Parse(parts) => parts.first().map(|(_, rest)| *rest),
    };
    rest.filter(|rest| !rest.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
