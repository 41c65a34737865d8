//! Tools as servers describe them: each stands for itself, and what can be understood is used.

use serde_json::{Value, json};

use crate::gate::{Gate, text};

fn tool(name: &str, schema: &Value) -> Value {
    json!({"name": name, "description": format!("Does {name}."), "inputSchema": schema})
}

fn object(properties: &Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// What the gate does with a tool of this schema: it offers it (the call has these arguments), or leaves it out with
/// this message.
enum Fate {
    Used(&'static str),
    LeftOut(&'static str),
}

use Fate::{LeftOut, Used};

/// Tools as servers describe them, and what the gate does with them.
const ODD: &[(&str, &str, Fate)] = &[
    // No type, or none that is an object's alone.
    ("anything", r#"{}"#, Used("{}")),
    (
        "dialect",
        r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#,
        Used("{}"),
    ),
    (
        "maybe",
        r#"{"type":["object","null"],"properties":{}}"#,
        Used("{}"),
    ),
    (
        "either",
        r#"{"anyOf":[{"type":"object","properties":{"isbn":{"type":"string"}},"required":["isbn"]},{"type":"object","properties":{"title":{"type":"string"}},"required":["title"]}]}"#,
        Used(r#"{"isbn":"1"}"#),
    ),
    ("nothing", "null", Used("{}")),
    // An empty list for an empty object.
    ("no_members", "[]", Used("{}")),
    (
        "lists",
        r#"{"type":"object","properties":[],"required":[]}"#,
        Used("{}"),
    ),
    (
        "inner_lists",
        r#"{"type":"object","properties":{"where":{"type":"object","properties":[],"default":[]}}}"#,
        Used("{}"),
    ),
    // Patterns of other dialects.
    (
        "slashes",
        r#"{"type":"object","properties":{"link":{"type":"string","pattern":"^https?:\\/\\/"}}}"#,
        Used(r#"{"link":"https://h"}"#),
    ),
    (
        "groups",
        r#"{"type":"object","properties":{"pages":{"type":"string","pattern":"^(?P<a>[0-9]+)-(?P<b>[0-9]+)$"}}}"#,
        Used(r#"{"pages":"3-4"}"#),
    ),
    (
        "open_class",
        r#"{"type":"object","properties":{"file":{"type":"string","pattern":"^[[a-z/]+$"}}}"#,
        Used(r#"{"file":"a/b"}"#),
    ),
    (
        "letters",
        r#"{"type":"object","properties":{"name":{"type":"string","pattern":"^\\p{L}{1,20}$"}}}"#,
        Used(r#"{"name":"Zoë"}"#),
    ),
    (
        "end",
        r#"{"type":"object","properties":{"code":{"type":"string","pattern":"^[A-Z]{2}\\Z"}}}"#,
        Used(r#"{"code":"DE"}"#),
    ),
    (
        "ahead",
        r#"{"type":"object","properties":{"word":{"type":"string","pattern":"^(?=.*[0-9])(?!.*_).{4,}$"}}}"#,
        Used(r#"{"word":"abc1"}"#),
    ),
    (
        "broken_key",
        r#"{"type":"object","patternProperties":{"^meta-[":{"type":"string"}}}"#,
        Used("{}"),
    ),
    // References.
    (
        "anchor",
        r##"{"type":"object","properties":{"shelf":{"$ref":"#shelf"}},"$defs":{"S":{"$anchor":"shelf","type":"string"}}}"##,
        Used(r#"{"shelf":"a"}"#),
    ),
    (
        "by_id",
        r#"{"type":"object","properties":{"shelf":{"$ref":"https://library.invalid/shelf"}},"$defs":{"S":{"$id":"https://library.invalid/shelf","type":"string"}}}"#,
        Used(r#"{"shelf":"a"}"#),
    ),
    (
        "escaped",
        r##"{"type":"object","properties":{"all":{"$ref":"#/$defs/Set%5Bint%5D"},"one":{"$ref":"#/$defs/x~1y"}},"$defs":{"Set[int]":{"type":"array","items":{"type":"integer"}},"x/y":{"type":"string"}}}"##,
        Used(r#"{"all":[1],"one":"a"}"#),
    ),
    (
        "sibling",
        r##"{"type":"object","properties":{"now":{"enum":["in","out"]},"before":{"$ref":"#/properties/now"}}}"##,
        Used(r#"{"before":"in"}"#),
    ),
    (
        "itself",
        r##"{"type":"object","properties":{"next":{"$ref":"#"},"n":{"type":"integer"}}}"##,
        Used(r#"{"n":1,"next":{"n":2}}"#),
    ),
    (
        "tree",
        r##"{"type":"object","properties":{"root":{"$ref":"#/$defs/Branch"}},"$defs":{"Branch":{"type":"object","properties":{"label":{"type":"string"},"below":{"type":"array","items":{"$ref":"#/$defs/Branch"}}},"required":["label"]}}}"##,
        Used(r#"{"root":{"label":"a","below":[{"label":"b"}]}}"#),
    ),
    (
        "maybe_model",
        r##"{"type":"object","properties":{"filter":{"anyOf":[{"$ref":"#/$defs/F"},{"type":"null"}],"default":null}},"$defs":{"F":{"type":"object","properties":{"key":{"type":"string"}}}}}"##,
        Used(r#"{"filter":null}"#),
    ),
    (
        "dangling",
        r##"{"type":"object","properties":{"view":{"$ref":"#/$defs/View"}}}"##,
        LeftOut("#/$defs/View"),
    ),
    (
        "moved",
        r##"{"type":"object","properties":{"a":{"$ref":"#/definitions/A"}},"$defs":{"A":{"type":"string"}}}"##,
        LeftOut("#/definitions/A"),
    ),
    (
        "remote",
        r#"{"type":"object","properties":{"a":{"$ref":"https://schemas.invalid/a.json"}}}"#,
        LeftOut("schemas.invalid"),
    ),
    (
        "circle",
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"$ref":"#/$defs/B"},"B":{"$ref":"#/$defs/A"}}}"##,
        LeftOut("circle"),
    ),
    // Bounds of 64 bits.
    (
        "wide",
        r#"{"type":"object","properties":{"n":{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}}}"#,
        Used(r#"{"n":7}"#),
    ),
    ("scalar", r#"{"type":"string"}"#, LeftOut("object")),
    ("no_schema_at_all", "7", LeftOut("not a JSON object")),
];

#[test]
fn one_odd_tool_costs_only_itself() {
    let mut tools = vec![tool("echo", &object(&json!({"text": {"type": "string"}})))];
    tools.extend(ODD.iter().map(|(name, schema, _)| {
        let schema: Value = serde_json::from_str(schema).unwrap();
        tool(name, &schema)
    }));
    tools.push(json!({"name": "bare"}));
    tools.push(json!({"name": "nulls", "title": null, "description": null, "outputSchema": null, "annotations": [],
        "icons": null, "_meta": null, "inputSchema": {"type": "object"}}));
    let gate = Gate::with_tools(&json!(tools));

    let shown = gate.json(&["upstream", "show", "box"]);
    let listed = gate.json(&["tools", "list"]);
    let is_listed = |name: &str| {
        let listed = listed.as_array().unwrap();
        listed.iter().any(|tool| tool["own_name"] == name)
    };
    let mut calls = vec![
        ("echo", r#"{"text":"hi"}"#),
        ("bare", "{}"),
        ("nulls", "{}"),
    ];
    for (name, _, fate) in ODD {
        match fate {
            Used(arguments) => {
                assert!(is_listed(name), "{name}: {}", shown["left_out"]);
                calls.push((name, arguments));
            }
            LeftOut(words) => {
                let why = shown["left_out"][*name].as_str();
                let why = why.unwrap_or_else(|| panic!("{name} is not left out"));
                assert!(why.contains(words), "{name}: {why}");
                assert!(!is_listed(name));
            }
        }
    }
    for (reply, (name, _)) in gate.calls(&calls).iter().zip(&calls) {
        assert_eq!(reply["outcome"], "ok", "{name}: {reply}");
        assert!(
            text(reply).starts_with(&format!("{name} got {{")),
            "{reply}"
        );
    }
    let list = gate.run(&["tools", "list"]).exits(0);
    list.says("upstream server `box`: its tool dangling cannot be used");
    let served = gate.serve();
    let metrics = served.metrics();
    let left_out = ODD.iter().filter(|(.., fate)| matches!(fate, LeftOut(_)));
    let line = format!("tollgate_upstream_tools_left_out {}", left_out.count());
    assert!(metrics.contains(&line), "{metrics}");
}

/// A name that model APIs refuse gets another one, and two tools with one name cannot be told apart.
#[test]
fn every_tool_that_can_be_named_is_named() {
    let long = "n".repeat(128);
    let names = [
        "list.all", "list:all", "list/all", "list all", "list_all", &long, "same", "same", "",
        "näme",
    ];
    let tools: Vec<Value> = names
        .iter()
        .map(|name| tool(name, &json!({"type": "object"})))
        .collect();
    let gate = Gate::with_tools(&json!(tools));
    let listed = gate.json(&["tools", "list"]);
    let named: Vec<(&str, &str)> = listed
        .as_array()
        .unwrap()
        .iter()
        // The server's resources have no name of its own.
        .filter(|tool| tool["own_name"] != "")
        .map(|tool| {
            (
                tool["own_name"].as_str().unwrap(),
                tool["name"].as_str().unwrap(),
            )
        })
        .collect();
    let mut own: Vec<&str> = named.iter().map(|(own, _)| *own).collect();
    own.sort_unstable();
    assert_eq!(
        own,
        [
            "list all", "list.all", "list/all", "list:all", "list_all", &long
        ]
    );
    for (own, name) in named {
        assert!(name.len() <= 64, "{name}");
        let ran = gate.run(&["call", name, "--args", "{}"]).exits(0);
        ran.says(&format!("{own} got {{}}"));
    }
    let left_out = &gate.json(&["upstream", "show", "box"])["left_out"];
    assert_eq!(left_out.as_object().unwrap().len(), 3, "{left_out}");
}

/// Policies see the default, and the server gets what was sent. A default that breaks its own schema is none.
#[test]
fn defaults_are_seen_by_policies_and_not_sent() {
    let schema = json!({"type": "object", "required": ["query"], "properties": {
        "query": {"type": "string"},
        "share": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.33333},
        "engine": {"type": "string", "default": ""},
        "limit": {"type": "integer", "default": "20"},
        "since": {"type": "string", "format": "date-time", "default": "yesterday"},
        "state": {"enum": ["open", "done"], "default": "all"},
    }});
    let gate = Gate::with_tools(&json!([tool("search", &schema)]));
    gate.policy(
        "no-default-engine",
        "forbid (principal, action == Tollgate::Action::\"box__search\", resource)\n\
         when { context.input has engine && context.input.engine == \"\" };",
    );
    let denied = gate.call("search", r#"{"query":"a"}"#);
    assert_eq!(denied["outcome"], "denied", "{denied}");
    let asked = gate.call("search", r#"{"query":"a","engine":"own"}"#);
    assert_eq!(asked["outcome"], "ok", "{asked}");
    assert_eq!(gate.sent(), json!({"query": "a", "engine": "own"}));
}

/// What a schema puts into a corner, a policy can speak of; what it does not name does not arrive.
#[test]
fn no_argument_reaches_a_server_that_policy_did_not_see() {
    let part = |name: &str, kind: &str| json!({"type": "object", "properties": {name: {"type": kind}}, "required": [name]});
    let tools = json!([
        tool(
            "transfer",
            &json!({"type": "object", "allOf": [part("to", "string"), part("amount", "integer")]})
        ),
        tool(
            "pay",
            &json!({"type": "object", "oneOf": [part("account", "string"), part("card", "string")]})
        ),
        tool(
            "file",
            &json!({"type": "object", "$ref": "#/$defs/File", "$defs": {"File": part("path", "string")}})
        ),
        tool(
            "deploy",
            &json!({"type": "object", "properties": {"mode": {"type": "string"}}, "required": ["mode"],
            "if": {"properties": {"mode": {"const": "write"}}}, "then": part("target", "string")})
        ),
        tool("search", &part("q", "string")),
        tool(
            "headers",
            &json!({"type": "object", "additionalProperties": {"type": "string"}})
        ),
    ]);
    let gate = Gate::with_tools(&tools);
    for (tool, condition) in [
        (
            "transfer",
            "context.input has amount && context.input.amount > 1000",
        ),
        ("pay", "context.input has card"),
        (
            "file",
            "context.input has path && context.input.path like \"/etc/*\"",
        ),
        (
            "deploy",
            "context.input has target && context.input.target == \"prod\"",
        ),
    ] {
        gate.policy(
            tool,
            &format!(
                "forbid (principal, action == Tollgate::Action::\"box__{tool}\", resource)\nwhen {{ {condition} }};"
            ),
        );
    }
    gate.run(&["policy", "check"]).exits(0);
    for (tool, arguments, outcome) in [
        ("transfer", r#"{"to":"x","amount":5000}"#, "denied"),
        ("transfer", r#"{"to":"x","amount":5}"#, "ok"),
        ("pay", r#"{"card":"4111"}"#, "denied"),
        ("pay", r#"{"account":"DE"}"#, "ok"),
        ("file", r#"{"path":"/etc/passwd"}"#, "denied"),
        ("deploy", r#"{"mode":"write","target":"prod"}"#, "denied"),
        ("deploy", r#"{"mode":"read"}"#, "ok"),
        ("search", r#"{"q":"a","secretly":"b"}"#, "invalid"),
        ("search", r#"{"Q":"a"}"#, "invalid"),
        ("search", r#"{"q":"a","q":"b"}"#, "invalid"),
        ("headers", r#"{"X-Any":"a"}"#, "ok"),
    ] {
        let reply = gate.call(tool, arguments);
        assert_eq!(reply["outcome"], outcome, "{tool} {arguments}: {reply}");
    }
}

/// A gate that only watches refuses nothing because Cedar's types are narrower than JSON's.
#[test]
fn values_that_cedar_has_no_type_for_pass() {
    let tools = json!([
        tool(
            "mail",
            &object(&json!({"since": {"type": "string", "format": "date-time"}}))
        ),
        tool(
            "place",
            &object(&json!({"lat": {"type": "number"}, "lon": {"type": "number"}}))
        ),
        tool(
            "host",
            &object(
                &json!({"v4": {"type": "string", "format": "ipv4"}, "v6": {"type": "string", "format": "ipv6"}})
            )
        ),
        tool(
            "count",
            &object(&json!({"n": {"type": "integer"}, "x": {"type": "number"}}))
        ),
        tool(
            "shapes",
            &object(
                &json!({"day": {"type": "string", "format": "date"}, "id": {"type": "string", "format": "uuid"},
            "wide": {"type": "string", "format": "int64"}, "for": {"type": "string", "format": "duration"}})
            )
        ),
        tool(
            "row",
            &object(&json!({"id": {"type": ["string", "integer"]}}))
        ),
    ]);
    let gate = Gate::with_tools(&tools);
    for (tool, arguments) in [
        ("mail", r#"{"since":"2026-02-03T04:05:06"}"#),
        ("mail", r#"{"since":"2026-02-03T04:05:06.123456+01:00"}"#),
        ("mail", r#"{"since":"2026-02-03 04:05"}"#),
        ("place", r#"{"lat":52.520008,"lon":13.404954}"#),
        ("host", r#"{"v4":"10.1.2.3","v6":"fe80::1"}"#),
        ("count", r#"{"n":3.0,"x":1e15}"#),
        (
            "shapes",
            r#"{"day":"2026-02-03","id":"7f1c9a52-3b0e-4b4e-9c55-2f6f0a2a9d11","wide":"9223372036854775807","for":"P3D"}"#,
        ),
        ("row", r#"{"id":"1902433718237462529"}"#),
    ] {
        let reply = gate.call(tool, arguments);
        assert_eq!(reply["outcome"], "ok", "{tool} {arguments}: {reply}");
        let (sent, given): (Value, Value) = (gate.sent(), serde_json::from_str(arguments).unwrap());
        let same = |value: &Value| tollgate_model::canonical::to_canonical(value).unwrap();
        assert_eq!(same(&sent), same(&given));
    }
    let refused = gate.call("row", r#"{"id":1902433718237462529}"#);
    assert_eq!(refused["outcome"], "invalid");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("pass it as text"),
        "{refused}"
    );
}
