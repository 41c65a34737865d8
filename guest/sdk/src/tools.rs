//! From typed functions to the exports of the component.
//!
//! Independent of single tools and interfaces: it describes, parses, calls, and returns.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::exports::tollgate::adapter::tools as wit;
use crate::{Annotations, Content, Outcome, ToolError, log, schema};

/// A tool. Implemented by [`tool`](crate::tool), never by hand.
pub trait Tool {
    /// The tool's own name.
    const NAME: &'static str;

    /// Its definition for the host.
    fn definition() -> Definition;

    /// Calls it with a JSON object.
    ///
    /// # Errors
    /// If the arguments do not match, or the tool failed.
    fn call(arguments: &str) -> Result<Vec<Content>, ToolError>;
}

/// A tool's definition for the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The tool's own name.
    pub name: &'static str,
    /// A name for people.
    pub title: Option<&'static str>,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// The schema of its arguments.
    pub input_schema: Value,
    /// The schema of its structured result, if it has one.
    pub output_schema: Option<Value>,
    /// Hints about its behaviour.
    pub annotations: Annotations,
}

/// The arguments of a tool without arguments.
#[crate::arguments]
pub struct NoArguments {}

/// A tool as a value.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    name: &'static str,
    definition: fn() -> Definition,
    call: fn(&str) -> Result<Vec<Content>, ToolError>,
}

impl Entry {
    /// The entry of a tool.
    #[must_use]
    pub const fn of<T: Tool>() -> Self {
        Self {
            name: T::NAME,
            definition: T::definition,
            call: T::call,
        }
    }
}

/// The tools of a component, as [`adapter!`](crate::adapter) lists them.
#[derive(Clone, Copy, Debug)]
pub struct Adapter {
    entries: &'static [Entry],
}

impl Adapter {
    /// An adapter with these tools.
    ///
    /// # Panics
    /// If two have the same name; in a `static`, this is a compile error.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "constant evaluation has no iterators; the bounds are the loops'"
    )]
    pub const fn new(entries: &'static [Entry]) -> Self {
        let mut i = 0;
        while i < entries.len() {
            let mut j = i + 1;
            while j < entries.len() {
                assert!(
                    !same(entries[i].name, entries[j].name),
                    "two tools of this adapter have the same name"
                );
                j += 1;
            }
            i += 1;
        }
        Self { entries }
    }

    /// The definitions of the tools, in the order in which they are listed.
    #[must_use]
    pub fn definitions(&self) -> Vec<Definition> {
        self.entries
            .iter()
            .map(|entry| (entry.definition)())
            .collect()
    }

    /// Calls a tool as the host would. `None` if there is no such tool.
    fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Calls a tool with a JSON object, as the host would; for tests.
    ///
    /// # Errors
    /// If there is no such tool, the arguments do not match, or the tool failed.
    pub fn call(&self, name: &str, arguments: &str) -> Result<Vec<Content>, ToolError> {
        match self.find(name) {
            Some(entry) => (entry.call)(arguments),
            None => Err(ToolError::invalid(format!("no tool is called `{name}`"))),
        }
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "constant evaluation has no iterators; the lengths are equal"
)]
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Describes a tool by its function's types.
pub fn define<A: JsonSchema, R: Outcome>(
    _function: impl Fn(A) -> R,
    name: &'static str,
    title: Option<&'static str>,
    description: &str,
    annotations: Annotations,
) -> Definition {
    Definition {
        name,
        title,
        description: schema::unwrapped(description),
        input_schema: schema::input::<A>(),
        output_schema: R::schema(),
        annotations,
    }
}

/// Calls a tool's function with JSON.
///
/// # Errors
/// If the arguments do not match, or the function failed.
pub fn invoke<A: DeserializeOwned, R: Outcome>(
    function: impl Fn(A) -> R,
    arguments: &str,
) -> Result<Vec<Content>, ToolError> {
    match serde_json::from_str(arguments) {
        Ok(arguments) => function(arguments).outcome(),
        Err(error) => Err(ToolError::invalid(error)),
    }
}

/// The export `list-tools`.
#[must_use]
pub fn list(adapter: &Adapter) -> Vec<wit::Tool> {
    report_panics();
    let tool = |definition: Definition| wit::Tool {
        name: definition.name.to_owned(),
        title: definition.title.map(str::to_owned),
        description: definition.description,
        input_schema: definition.input_schema.to_string(),
        output_schema: definition.output_schema.map(|schema| schema.to_string()),
        annotations: definition.annotations,
    };
    adapter.definitions().into_iter().map(tool).collect()
}

/// The export `call-tool`.
///
/// # Errors
/// If there is no such tool, the arguments do not match, or the tool failed.
pub fn call(
    adapter: &Adapter,
    name: &str,
    arguments: &str,
) -> Result<Vec<Content>, wit::ToolError> {
    report_panics();
    let entry = adapter.find(name).ok_or(wit::ToolError::UnknownTool)?;
    (entry.call)(arguments).map_err(|error| match error {
        ToolError::InvalidArguments(text) => wit::ToolError::InvalidArguments(text),
        ToolError::Failed(text) => wit::ToolError::Failed(text),
        ToolError::Denied(text) => wit::ToolError::Denied(text),
    })
}

/// A trap has no message, so the panic's message goes to the operator's log first.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
}

#[cfg(test)]
mod tests;
