//! Components that do not know Tollgate: each exported function is a tool.
//!
//! The component's own types define the parameters and the result of a tool. The parameters are an object,
//! the result is structured content, and a returned error is the tool's error. A function with a resource
//! in its signature needs an earlier instance, so it is left out with a reason.

mod docs;
mod schema;
mod shape;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollgate_model::{canonical, text::printable, tool::ToolDefinition};
use wasmtime::{
    AsContextMut,
    component::{
        Component, ComponentExportIndex, Instance, Val,
        types::{ComponentFunc, ComponentItem},
    },
};
use wasmtime_wasi::I32Exit;

use self::{
    docs::Docs,
    schema::Direction,
    shape::{Reader, Shape},
};
use crate::{
    SandboxError,
    bindings::{Tool, ToolError, types::Content},
    definitions, wasm_sections,
};

/// The most functions; a component with more is refused.
const MAX_FUNCTIONS: usize = 1_000;
/// The section with documentation.
const DOCS: &str = "package-docs";
/// The member that holds a result that is not a record.
const RESULT: &str = "result";

/// The exported functions of a component, as tools.
#[derive(Debug)]
pub(crate) struct Functions {
    by_name: BTreeMap<String, Function>,
    /// Checked, by name.
    pub(crate) tools: Vec<ToolDefinition>,
    /// Exports that are not tools, with reasons.
    pub(crate) left_out: Vec<String>,
}

#[derive(Debug)]
struct Function {
    export: ComponentExportIndex,
    /// Its origin, for messages.
    source: String,
    parameters: Vec<(String, Shape)>,
    result: Option<Shape>,
}

/// A function before its checks.
struct FunctionExport {
    interface: Option<String>,
    name: String,
    export: ComponentExportIndex,
    ty: ComponentFunc,
}

impl Functions {
    /// The functions that a component exports. `bytes` are the component's own.
    ///
    /// # Errors
    /// [`SandboxError`] if there are none, or two would have the same name.
    pub(crate) fn of(component: &Component, bytes: &[u8]) -> Result<Self, SandboxError> {
        let docs = wasm_sections::custom(bytes, DOCS)
            .map(Docs::read)
            .unwrap_or_default();
        let mut by_name: BTreeMap<String, Function> = BTreeMap::new();
        let mut tools = Vec::new();
        let mut left_out = Vec::new();
        let exported = functions(component).into_iter();
        for found in exported.filter(|found| !found.is_initializer()) {
            let source = found.source();
            let function = match found.function() {
                Ok(function) => function,
                Err(why) => {
                    left_out.push(format!("`{}`: {why}", printable(&source, 200)));
                    continue;
                }
            };
            let name = found.tool();
            if let Some(other) = by_name.get(&name) {
                return Err(SandboxError::SameName {
                    tool: printable(&name, 80),
                    first: printable(&other.source, 200),
                    second: printable(&source, 200),
                });
            }
            let said = docs.of(found.interface.as_deref().map(short), &found.name);
            // Its name and its types are its own, and cost no other function.
            match definitions::definition(function.tool(&name, said)) {
                Ok(tool) => {
                    tools.push(tool);
                    by_name.insert(name, function);
                }
                Err(why) => left_out.push(format!("`{}`: {why}", printable(&source, 200))),
            }
        }
        if by_name.is_empty() {
            return Err(SandboxError::NoFunctions { left_out });
        }
        definitions::check_count(tools.len())?;
        Ok(Self {
            by_name,
            tools,
            left_out,
        })
    }

    /// Calls a tool: the return value becomes one structured result, or the tool's error.
    pub(crate) async fn call<T: Send>(
        &self,
        instance: Instance,
        mut store: impl AsContextMut<Data = T>,
        tool: &str,
        arguments: &str,
    ) -> wasmtime::Result<Result<Vec<Content>, ToolError>> {
        let Some(function) = self.by_name.get(tool) else {
            return Ok(Err(ToolError::UnknownTool));
        };
        let params = match function.values(arguments) {
            Ok(params) => params,
            Err(why) => return Ok(Err(ToolError::InvalidArguments(why))),
        };
        let func = instance
            .get_func(&mut store, function.export)
            .ok_or_else(|| wasmtime::Error::msg("the function is gone"))?;
        let mut results = vec![Val::Bool(false); usize::from(function.result.is_some())];
        match func.call_async(&mut store, &params, &mut results).await {
            Ok(()) => function.outcome(results.first()),
            // A program may end like this as well, if it has nothing to return.
            Err(error) if function.success().is_none() && exited_well(&error) => Ok(Ok(Vec::new())),
            Err(error) => Err(error),
        }
    }
}

fn exited_well(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(I32Exit(0)))
}

/// Every exported function, of the world itself and of its interfaces.
fn functions(component: &Component) -> Vec<FunctionExport> {
    let engine = component.engine();
    let ty = component.component_type();
    let mut all = Vec::new();
    for (name, item) in ty.exports(engine) {
        let Some(export) = component.get_export_index(None, name) else {
            continue;
        };
        match item.ty {
            ComponentItem::ComponentFunc(ty) => all.push(FunctionExport {
                interface: None,
                name: name.to_owned(),
                export,
                ty,
            }),
            ComponentItem::ComponentInstance(instance) => {
                for (inner, item) in instance.exports(engine) {
                    let index = component.get_export_index(Some(&export), inner);
                    if let (ComponentItem::ComponentFunc(ty), Some(index)) = (item.ty, index) {
                        all.push(FunctionExport {
                            interface: Some(name.to_owned()),
                            name: inner.to_owned(),
                            export: index,
                            ty,
                        });
                    }
                }
            }
            _ => {}
        }
        if all.len() > MAX_FUNCTIONS {
            all.truncate(MAX_FUNCTIONS);
            break;
        }
    }
    all
}

/// An interface's own name: `ops` of `acme:calculator/ops@1.2.0`.
fn short(interface: &str) -> &str {
    let unversioned = interface.split('@').next().unwrap_or(interface);
    unversioned.rsplit('/').next().unwrap_or(unversioned)
}

impl FunctionExport {
    /// The tool's name. It depends only on this function, so it does not change when others are added or
    /// removed. Names in WIT have no `_`, so two pairs never give the same name.
    fn tool(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{}_{}", short(interface), self.name),
            None => self.name.clone(),
        }
    }

    fn source(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.name),
            None => self.name.clone(),
        }
    }

    /// What componentize-py exports to start its interpreter when the component is built.
    fn is_initializer(&self) -> bool {
        self.interface.as_deref() == Some("exports") && self.name == "init"
    }

    fn function(&self) -> Result<Function, &'static str> {
        if self.name.starts_with('[') {
            return Err("it belongs to a resource, and nothing is kept between two calls");
        }
        if self.ty.async_() {
            return Err("it is asynchronous, which this version cannot call");
        }
        let mut reader = Reader::default();
        let mut parameters = Vec::new();
        for (name, ty) in self.ty.params() {
            parameters.push((name.to_owned(), reader.read(&ty, 0)?));
        }
        let results: Vec<_> = self.ty.results().collect();
        let result = match results.as_slice() {
            [] => None,
            [ty] => Some(reader.read(ty, 0)?),
            _ => return Err("it has more than one result"),
        };
        Ok(Function {
            export: self.export,
            source: self.source(),
            parameters,
            result,
        })
    }
}

impl Function {
    fn tool(&self, name: &str, docs: Option<&str>) -> Tool {
        let description = docs.map_or_else(
            || format!("`{}`. Its author says nothing about it.", self.source),
            str::to_owned,
        );
        Tool {
            name: name.to_owned(),
            title: None,
            description,
            input_schema: schema::object(&self.parameters, Direction::In).to_string(),
            output_schema: self.success().map(|shape| output(shape).to_string()),
            annotations: crate::bindings::Annotations {
                read_only: false,
                destructive: true,
                idempotent: false,
                open_world: true,
            },
        }
    }

    /// The type of its successful result.
    fn success(&self) -> Option<&Shape> {
        match self.result.as_ref()? {
            Shape::Result(ok, _) => ok.as_deref(),
            shape => Some(shape),
        }
    }

    fn values(&self, arguments: &str) -> Result<Vec<Val>, String> {
        let arguments = canonical::parse(arguments).map_err(|e| e.to_string())?;
        let members = arguments.as_object().ok_or("they must be an object")?;
        let values = value::fields_of(&self.parameters, members, "").map_err(|e| e.to_string())?;
        Ok(values.into_iter().map(|(_, val)| val).collect())
    }

    fn outcome(&self, val: Option<&Val>) -> wasmtime::Result<Result<Vec<Content>, ToolError>> {
        let (shape, val) = match (&self.result, val) {
            (Some(Shape::Result(_, shape)), Some(Val::Result(Err(val)))) => {
                let message = match (shape, val) {
                    (Some(shape), Some(val)) => match value::to_json(shape, val)? {
                        Value::String(text) => text,
                        value => value.to_string(),
                    },
                    _ => "The tool failed, and does not say why.".into(),
                };
                return Ok(Err(ToolError::Failed(message)));
            }
            (Some(Shape::Result(shape, _)), Some(Val::Result(Ok(val)))) => {
                (shape.as_deref(), val.as_deref())
            }
            (shape, val) => (shape.as_ref(), val),
        };
        let (Some(shape), Some(val)) = (shape, val) else {
            return Ok(Ok(Vec::new()));
        };
        let value = value::to_json(shape, val)?;
        let text = value.as_str().map(str::to_owned);
        let whole = match shape {
            Shape::Record(_) => value,
            _ => json!({ RESULT: value }),
        };
        // Once as text for models, and once as data for programs.
        let json = whole.to_string();
        Ok(Ok(vec![
            Content::Text(text.unwrap_or_else(|| json.clone())),
            Content::Structured(json),
        ]))
    }
}

/// The schema of a structured result, which is always an object.
fn output(shape: &Shape) -> Value {
    match shape {
        Shape::Record(fields) => schema::object(fields, Direction::Out),
        shape => schema::object(&[(RESULT.to_owned(), shape.clone())], Direction::Out),
    }
}
