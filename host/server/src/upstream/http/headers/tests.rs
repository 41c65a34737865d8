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
    let mut parameters = ParameterHeaders::default();
    parameters.take_page(&list, true);
    add(&mut headers, &call, &parameters);
    let get = |name: &str| headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(get("mcp-method"), "tools/call");
    assert_eq!(get("mcp-name"), "t");
    assert_eq!(get("mcp-param-region"), "=?base64?esO8cmljaA==?=");
    assert_eq!(get("mcp-param-n"), "7");
    assert_eq!(headers.len(), 4);
}

#[test]
fn marks_are_those_of_the_last_list() {
    let page = |name: &str, next: Value| {
        json!({"nextCursor": next, "tools": [{"name": name, "inputSchema":
            {"properties": {"a": {"x-mcp-header": "A"}}}}]})
    };
    let mut parameters = ParameterHeaders::default();
    let known =
        |parameters: &ParameterHeaders| ["a", "b", "c"].map(|tool| !parameters.of(tool).is_empty());
    parameters.take_page(&page("a", json!("2")), true);
    parameters.take_page(&page("b", Value::Null), false);
    assert_eq!(known(&parameters), [true, true, false]);
    parameters.take_page(&page("c", json!("2")), true);
    assert_eq!(known(&parameters), [true, true, true]);
    parameters.take_page(&page("b", Value::Null), false);
    assert_eq!(known(&parameters), [false, true, true]);
}

#[test]
fn marks_are_bounded() {
    let many: serde_json::Map<String, Value> = (0..40_000)
        .map(|n| (format!("p{n}"), json!({"x-mcp-header": format!("H{n}")})))
        .collect();
    let mut deep = json!({"x-mcp-header": "Deep"});
    for _ in 0..=MAX_DEPTH {
        deep = json!({"properties": {"d": deep}});
    }
    let long = "x".repeat(MAX_NAME + 1);
    let list = json!({"tools": [
        {"name": "many", "inputSchema": {"properties": many}},
        {"name": "deep", "inputSchema": deep},
        {"name": "long", "inputSchema": {"properties": {"a": {"x-mcp-header": long},
            long.clone(): {"x-mcp-header": "A"}, "b": {"x-mcp-header": "a b"}}}},
    ]});
    let mut parameters = ParameterHeaders::default();
    parameters.take_page(&list, true);
    assert_eq!(parameters.of("many").len(), MAX_MARKS);
    assert!(parameters.of("deep").is_empty() && parameters.of("long").is_empty());
}
