//! What MCP wants said in headers since 2026-07-28: the method, what it is about, and arguments that a tool's schema
//! marks with `x-mcp-header`.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

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

/// Arguments of tools that are said in headers: their paths and the headers' names, by tool.
pub(super) type ParameterHeaders = HashMap<String, Vec<(Vec<String>, String)>>;

/// Add the headers of this request.
pub(super) fn add(headers: &mut HeaderMap, request: &Value, parameters: &ParameterHeaders) {
    let Some(method) = request.get("method").and_then(Value::as_str) else {
        return;
    };
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&encoded(value))) {
            headers.insert(name, value);
        }
    };
    add("mcp-method", method);
    let params = request.get("params");
    let key = NAMES.iter().find(|(known, _)| *known == method);
    let name = key.and_then(|(_, key)| params?.get(key)?.as_str());
    let Some(name) = name else { return };
    add("mcp-name", name);
    if method != "tools/call" {
        return;
    }
    let arguments = params.and_then(|params| params.get("arguments"));
    for (path, header) in parameters.get(name).into_iter().flatten() {
        let value = path
            .iter()
            .try_fold(arguments, |value, key| Some(value?.get(key)))
            .flatten();
        let text = match value {
            Some(Value::String(text)) => text.clone(),
            Some(plain @ (Value::Bool(_) | Value::Number(_))) => plain.to_string(),
            _ => continue,
        };
        add(&format!("mcp-param-{header}"), &text);
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
pub(super) fn of_tools(list: &Value) -> ParameterHeaders {
    let tools = list.get("tools").and_then(Value::as_array);
    let marked = tools.into_iter().flatten().filter_map(|tool| {
        let mut marks = Vec::new();
        collect(tool.get("inputSchema")?, &mut Vec::new(), &mut marks);
        Some((tool.get("name")?.as_str()?.to_owned(), marks))
    });
    marked.filter(|(_, marks)| !marks.is_empty()).collect()
}

fn collect(schema: &Value, path: &mut Vec<String>, marks: &mut Vec<(Vec<String>, String)>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        path.push(name.clone());
        if let Some(header) = schema.get("x-mcp-header").and_then(Value::as_str) {
            marks.push((path.clone(), header.to_owned()));
        }
        collect(schema, path, marks);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_described_by_its_headers() {
        let list = json!({"tools": [{"name": "t", "inputSchema": {"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "other": {"type": "string"}}}}]});
        let call = json!({"method": "tools/call", "params": {"name": "t",
            "arguments": {"region": "zürich", "deep": {"n": 7}, "other": "x"}}});
        let mut headers = HeaderMap::new();
        add(&mut headers, &call, &of_tools(&list));
        let get = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(get("mcp-method"), "tools/call");
        assert_eq!(get("mcp-name"), "t");
        assert_eq!(get("mcp-param-region"), "=?base64?esO8cmljaA==?=");
        assert_eq!(get("mcp-param-n"), "7");
        assert_eq!(headers.len(), 4);
    }
}
