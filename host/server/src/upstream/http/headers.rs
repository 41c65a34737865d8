//! What MCP wants said in headers since 2026-07-28: the method, what it is about, and arguments that a tool's schema
//! marks with `x-mcp-header`.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use rmcp::model::RequestId;
use serde_json::Value;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Parameters that say what a request is about, by its method.
const NAMES: &[(&str, &str)] = &[
    ("tools/call", "name"),
    ("prompts/get", "name"),
    ("resources/read", "uri"),
    ("resources/subscribe", "uri"),
    ("resources/unsubscribe", "uri"),
    ("tasks/get", "taskId"),
    ("tasks/update", "taskId"),
    ("tasks/cancel", "taskId"),
];

/// Bytes of a name: of a tool, an argument or a header.
const MAX_NAME: usize = 128;
/// How deep in a tool's arguments one may be that is said in a header.
const MAX_DEPTH: usize = 8;
/// Arguments of one tool that are said in headers.
const MAX_MARKS: usize = 64;
/// Tools of a list that have such arguments.
const MAX_MARKED: usize = 1_024;

/// An argument that is said in a header: its path, and the header.
type Mark = (Vec<Arc<str>>, HeaderName);
type Marks = HashMap<String, Vec<Mark>>;

/// Arguments of tools that are said in headers, as the last list of tools has them.
#[derive(Debug, Default)]
pub(super) struct ParameterHeaders {
    /// Of the pages of the list that have come.
    marks: Marks,
    /// Of the list before, until all pages have come.
    before: Marks,
    /// Lists that were asked for, and whether from the beginning.
    asked: HashMap<RequestId, bool>,
}

impl ParameterHeaders {
    /// A page of the list is asked for.
    pub(super) fn ask(&mut self, id: RequestId, is_first: bool) {
        self.asked.insert(id, is_first);
    }

    /// This request has ended; whether it asked for a page of the list, and then whether for the first one.
    pub(super) fn end(&mut self, id: &RequestId) -> Option<bool> {
        self.asked.remove(id)
    }

    /// Take in a page of the list.
    pub(super) fn take_page(&mut self, page: &Value, is_first: bool) {
        if is_first {
            self.before = std::mem::take(&mut self.marks);
        }
        for (tool, marks) in of_tools(page) {
            if self.marks.len() >= MAX_MARKED {
                break;
            }
            self.marks.insert(tool, marks);
        }
        if !page.get("nextCursor").is_some_and(Value::is_string) {
            self.before.clear();
        }
    }

    fn of(&self, tool: &str) -> &[Mark] {
        let marks = self.marks.get(tool).or_else(|| self.before.get(tool));
        marks.map_or(&[], Vec::as_slice)
    }
}

/// Add the headers of this request.
pub(super) fn add(headers: &mut HeaderMap, request: &Value, parameters: &ParameterHeaders) {
    let Some(method) = request.get("method").and_then(Value::as_str) else {
        return;
    };
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(&encoded(value)) {
            // A map that is full takes no more.
            let _ = headers.try_insert(name, value);
        }
    };
    add(METHOD, method);
    let params = request.get("params");
    let key = NAMES.iter().find(|(known, _)| *known == method);
    let name = key.and_then(|(_, key)| params?.get(key)?.as_str());
    let Some(name) = name else { return };
    add(NAME, name);
    if method != "tools/call" {
        return;
    }
    let arguments = params.and_then(|params| params.get("arguments"));
    for (path, header) in parameters.of(name) {
        let value = path
            .iter()
            .try_fold(arguments, |value, key| Some(value?.get(&**key)))
            .flatten();
        let text = match value {
            Some(Value::String(text)) => text.clone(),
            Some(plain @ (Value::Bool(_) | Value::Number(_))) => plain.to_string(),
            _ => continue,
        };
        add(header.clone(), &text);
    }
}

/// A header's value, in base64 where it could not stand as it is.
fn encoded(value: &str) -> String {
    let plain = value.bytes().all(|b| (0x20..=0x7E).contains(&b)) && value.trim() == value;
    let looks_encoded = value.starts_with("=?base64?") && value.ends_with("?=");
    match plain && !looks_encoded {
        true => value.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(value)),
    }
}

/// The marks in the schemas of a list of tools.
fn of_tools(list: &Value) -> impl Iterator<Item = (String, Vec<Mark>)> {
    let tools = list.get("tools").and_then(Value::as_array);
    let marked = tools.into_iter().flatten().filter_map(|tool| {
        let name = tool.get("name")?.as_str().filter(|n| n.len() <= MAX_NAME)?;
        let mut marks = Vec::new();
        collect(tool.get("inputSchema")?, &mut Vec::new(), &mut marks);
        Some((name.to_owned(), marks))
    });
    marked.filter(|(_, marks)| !marks.is_empty())
}

fn collect(schema: &Value, path: &mut Vec<Arc<str>>, marks: &mut Vec<Mark>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.filter(|_| path.len() < MAX_DEPTH);
    for (name, schema) in properties.into_iter().flatten() {
        if marks.len() >= MAX_MARKS {
            return;
        }
        if name.len() > MAX_NAME {
            continue;
        }
        path.push(name.as_str().into());
        let header = schema.get("x-mcp-header").and_then(Value::as_str);
        if let Some(header) = header.and_then(header_of) {
            marks.push((path.clone(), header));
        }
        collect(schema, path, marks);
        path.pop();
    }
}

fn header_of(mark: &str) -> Option<HeaderName> {
    if mark.len() > MAX_NAME {
        return None;
    }
    HeaderName::from_bytes(format!("mcp-param-{mark}").as_bytes()).ok()
}

#[cfg(test)]
mod tests;
