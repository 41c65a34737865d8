//! Random policies, requests, schemas and arguments.

use proptest::prelude::*;
use tollgate_model::canonical;

use super::*;

/// Conditions that every action's context can answer, some of which err.
pub(super) fn common_condition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        (0..1440).prop_map(|n| format!("context.local.minute < {n}")),
        (1..8).prop_map(|n| format!("context.local.weekday == {n}")),
        Just("context.local.minute + 9223372036854775807 > 0".to_owned()),
        Just("context.environment == \"test\"".to_owned()),
    ]
}

pub(super) fn run_condition() -> impl Strategy<Value = String> {
    prop_oneof![
        common_condition(),
        (0..5).prop_map(|n| format!("context.run.calls > {n}")),
        Just("context.run.labels.contains(Tollgate::Label::\"private\")".to_owned()),
        Just("context.run.calls * 9223372036854775807 > 0".to_owned()),
    ]
}

pub(super) fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(choices)
}

/// A policy whose scope fits the kind of action that it is about.
pub(super) fn scoped() -> impl Strategy<Value = String> {
    let calls = (
        one_of(&[
            "principal",
            "principal == Tollgate::Agent::\"support\"",
            "principal in Tollgate::Role::\"clerk\"",
            "principal is Tollgate::User",
            "principal is Tollgate::Agent in Tollgate::Tenant::\"acme\"",
        ]),
        one_of(&[
            "action in Tollgate::Action::\"call\"",
            "action == Tollgate::Action::\"read\"",
            "action == Tollgate::Action::\"send\"",
            "action in [Tollgate::Action::\"refund\", Tollgate::Action::\"read\"]",
            "action in [Tollgate::Action::\"return_result\", Tollgate::Action::\"call\"]",
            "action == Tollgate::Action::\"return_result\"",
        ]),
        one_of(&[
            "resource",
            "resource == Tollgate::Tool::\"send\"",
            "resource in Tollgate::Label::\"egress\"",
            "resource in Tollgate::Component::\"desk\"",
            "resource is Tollgate::Tool in Tollgate::Label::\"private\"",
        ]),
        run_condition(),
    );
    let capabilities = (
        one_of(&[
            "principal",
            "principal == Tollgate::Component::\"desk\"",
            "principal is Tollgate::Component",
        ]),
        one_of(&[
            "action == Tollgate::Action::\"read_file\"",
            "action in [Tollgate::Action::\"write_file\", Tollgate::Action::\"read_file\"]",
        ]),
        one_of(&[
            "resource",
            "resource in Tollgate::Directory::\"desk/data:/\"",
            "resource is Tollgate::File in Tollgate::Label::\"private\"",
        ]),
        run_condition(),
    );
    let anything = (
        one_of(&[
            "principal",
            "principal in Tollgate::Role::\"clerk\"",
            "principal is Tollgate::Component",
        ]),
        Just("action"),
        one_of(&[
            "resource",
            "resource in Tollgate::Label::\"private\"",
            "resource is Tollgate::Tool",
        ]),
        common_condition(),
    );
    let whole = |((principal, action, resource, condition), effect, unless)| {
        let clause = if unless { "unless" } else { "when" };
        format!("{effect} ({principal}, {action}, {resource}) {clause} {{ {condition} }};")
    };
    let effect = || one_of(&["permit", "permit", "forbid"]);
    let parts = prop_oneof![4 => calls.boxed(), 2 => capabilities.boxed(), 1 => anything.boxed()];
    (parts, effect(), prop::bool::weighted(0.2)).prop_map(whole)
}

pub(super) fn numbered(policies: &[String]) -> String {
    policies
        .iter()
        .enumerate()
        .map(|(i, source)| policy(&format!("p{i}"), source))
        .collect()
}

pub(super) fn any_request() -> impl Strategy<Value = (Request, Facts)> {
    let request = prop_oneof![
        Just(read()),
        Just(send()),
        Just(refund(7)),
        Just(release()),
        Just(read_file()),
        Just(Request {
            principal: uid(Kind::User, "alice"),
            ..read()
        }),
        Just(Request {
            principal: uid(Kind::Agent, "other"),
            ..send()
        }),
    ];
    (request, 0..6_u64, any::<bool>(), 0..1440_u16, 1..8_u8).prop_map(
        |(request, calls, private, minute, weekday)| {
            let labels = if private {
                names(&["private"])
            } else {
                names(&[])
            };
            let run = RunFacts {
                calls,
                labels,
                ..RunFacts::default()
            };
            (
                request,
                Facts {
                    run,
                    local: LocalTime { minute, weekday },
                    ..facts_with_file()
                },
            )
        },
    )
}

/// An expression in any shape, most of which `context.approval` may not be read in.
pub(super) fn approval_expression() -> impl Strategy<Value = String> {
    let role = || one_of(&["finance", "operator", "security"]);
    let leaf = prop_oneof![
        4 => role().prop_map(|r| format!("context.approval.roles.contains(Tollgate::Role::\"{r}\")")),
        2 => (role(), role(), one_of(&["containsAll", "containsAny"])).prop_map(|(a, b, f)| {
            format!("context.approval.roles.{f}([Tollgate::Role::\"{a}\", Tollgate::Role::\"{b}\"])")
        }),
        2 => (1..4).prop_map(|n| format!("context.approval.count >= {n}")),
        1 => (1..4).prop_map(|n| format!("context.approval.count == {n}")),
        2 => (0..4).prop_map(|n| format!("context.run.calls > {n}")),
        1 => Just("principal in Tollgate::Role::\"clerk\"".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            4 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            4 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            2 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("({a} == {b})")),
        ]
    })
}

pub(super) fn approval_policy() -> impl Strategy<Value = String> {
    let clause = (one_of(&["when", "unless"]), approval_expression());
    let clauses = prop::collection::vec(clause, 1..3);
    (one_of(&["permit", "forbid"]), clauses).prop_map(|(effect, clauses)| {
        let conditions: String = clauses
            .iter()
            .map(|(kind, e)| format!(" {kind} {{ {e} }}"))
            .collect();
        format!("{effect} (principal, action == Tollgate::Action::\"send\", resource){conditions};")
    })
}

pub(super) fn subsets(roles: &[&str]) -> Vec<BTreeSet<String>> {
    (0..1_usize << roles.len())
        .map(|mask| {
            let chosen = roles
                .iter()
                .enumerate()
                .filter(|(i, _)| mask & (1 << i) != 0);
            chosen.map(|(_, role)| (*role).to_owned()).collect()
        })
        .collect()
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        one_of(&[
            "2026-11-21T08:30:00Z",
            "9999-12-31T23:59:59.999999Z",
            "10.0.0.1",
            "::ffff:1.2.3.4",
            "EUR"
        ])
        .prop_map(Value::from),
    ];
    let key = || prop_oneof![one_of(NAMES).prop_map(str::to_owned), ".*"];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(key(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that are special somewhere: to Cedar, to its JSON, to our own schema.
pub(super) const NAMES: &[&str] = &[
    "amount",
    "rate",
    "currency",
    "note",
    "to",
    "at",
    "headers",
    "lines",
    "id",
    "limit",
    "__entity",
    "__extn",
    "__cedar",
    "String",
    "Long",
    "Bool",
    "Boolean",
    "Set",
    "Record",
    "Entity",
    "Extension",
    "EntityOrCommon",
    "decimal",
    "datetime",
    "ipaddr",
    "duration",
    "Tollgate",
    "Action",
    "in",
    "if",
    "is",
    "like",
    "has",
    "",
    "a-b",
    "TypeChoice0",
    "typeChoice0",
    "Input",
    "principal",
    "context",
    "größe",
    "1a",
    "a/b~c",
    "\"",
    "\\",
    "\n",
];

/// JSON Schemas as tools bring them, with names that collide with everything.
pub(super) fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        one_of(&[
            "string", "integer", "number", "boolean", "null", "object", "array"
        ])
        .prop_map(|ty| json!({ "type": ty })),
        one_of(&["date-time", "ipv4", "ipv6", "uri"])
            .prop_map(|f| json!({ "type": "string", "format": f })),
        prop::collection::vec(one_of(NAMES), 1..4).prop_map(|variants| json!({ "enum": variants })),
        one_of(NAMES).prop_map(|value| json!({ "const": value })),
        Just(json!({ "$ref": "#" })),
        Just(json!({ "type": ["string", "integer", "null"] })),
        Just(json!({ "type": "integer", "default": 3 })),
        Just(json!({ "enum": ["a", null, 3] })),
        Just(json!(true)),
    ];
    let schema = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            2 => object_schema(inner.clone()),
            1 => inner.clone().prop_map(|items| json!({ "type": "array", "items": items })),
            1 => prop::collection::vec(inner, 1..4).prop_map(|choices| json!({ "anyOf": choices })),
        ]
    });
    object_schema(schema.boxed())
}

pub(super) fn object_schema(
    inner: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(one_of(NAMES), (inner, any::<bool>()), 0..5).prop_map(|members| {
        let required: Vec<&str> = members
            .iter()
            .filter(|(_, (_, r))| *r)
            .map(|(name, _)| *name)
            .collect();
        let properties: BTreeMap<&str, Value> = members
            .iter()
            .map(|(name, (s, _))| (*name, s.clone()))
            .collect();
        json!({ "type": "object", "properties": properties, "required": required })
    })
}

/// Values that conform to a schema of `any_schema`; what has a default may be left out.
pub(super) fn conforming(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(choices) = schema["anyOf"].as_array().filter(|c| !c.is_empty()) {
        let choices = choices.clone();
        return (0..choices.len())
            .prop_flat_map(move |i| conforming(&choices[i]))
            .boxed();
    }
    if let Some(choices) = schema["enum"].as_array() {
        return prop::sample::select(choices.clone()).boxed();
    }
    if let Some(value) = schema.get("const") {
        return Just(value.clone()).boxed();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date-time")) => Just(json!("2026-11-21T10:30:00+02:00")).boxed(),
        (Some("string"), Some("ipv4")) => Just(json!("10.0.0.1")).boxed(),
        (Some("string"), Some("ipv6")) => one_of(&["2001:db8::1", "::ffff:1.2.3.4"])
            .prop_map(Value::from)
            .boxed(),
        (Some("string"), _) => ".*".prop_map(Value::from).boxed(),
        (Some("integer"), _) => (-9_007_199_254_740_991..=9_007_199_254_740_991_i64)
            .prop_map(Value::from)
            .boxed(),
        (Some("number"), _) => (-99_999..=99_999_i32)
            .prop_map(|n| json!(f64::from(n) / 10_000.0))
            .boxed(),
        (Some("boolean"), _) => any::<bool>().prop_map(Value::from).boxed(),
        (Some("array"), _) => {
            let items = schema
                .get("items")
                .map_or_else(|| Just(json!(1)).boxed(), conforming);
            prop::collection::vec(items, 0..3)
                .prop_map(Value::from)
                .boxed()
        }
        (Some("object"), _) => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let mut whole = Just(json!({})).boxed();
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                let needed = required.contains(&json!(name)) && below.get("default").is_none();
                let (name, member) = (name.clone(), conforming(below));
                whole = (whole, member, any::<bool>())
                    .prop_map(move |(mut whole, member, present)| {
                        if needed || present {
                            whole[&name] = member;
                        }
                        whole
                    })
                    .boxed();
            }
            whole
        }
        _ => Just(Value::Null).boxed(),
    }
}

/// A schema and arguments that conform to it, read as the gate reads them.
pub(super) fn tool_call() -> impl Strategy<Value = (Value, Value)> {
    let schema = any_schema().prop_filter("conforming values of a loop have no end", |schema| {
        !schema.to_string().contains("$ref")
    });
    schema
        .prop_flat_map(|schema| (Just(schema.clone()), conforming(&schema)))
        .prop_map(|(schema, input)| (schema, canonical::parse(&input.to_string()).unwrap()))
}
