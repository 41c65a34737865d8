//! Properties over random policies, requests and arguments.

use proptest::{prelude::*, strategy::ValueTree as _};

use cedar_policy::PolicySet;
use cedar_policy_core::{
    ast::{self, RequestSchema as _},
    authorizer::{AuthorizationError, Authorizer},
    validator::ValidatorSchema,
};

use cedar_policy_core::{
    entities::{Dereference, TCComputation},
    extensions::Extensions,
    validator::CoreSchema,
};
use std::collections::HashSet;
use tollgate_model::canonical;

use super::*;
use crate::{cedar_value, pdp::load::to_cedar, policy::load as load_policies, schema};

/// Conditions that every action's context can answer, some of which err.
fn common_condition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        (0..1440).prop_map(|n| format!("context.local.minute < {n}")),
        (1..8).prop_map(|n| format!("context.local.weekday == {n}")),
        Just("context.local.minute + 9223372036854775807 > 0".to_owned()),
        Just("context.environment == \"test\"".to_owned()),
    ]
}

fn run_condition() -> impl Strategy<Value = String> {
    prop_oneof![
        common_condition(),
        (0..5).prop_map(|n| format!("context.run.calls > {n}")),
        Just("context.run.labels.contains(Tollgate::Label::\"private\")".to_owned()),
        Just("context.run.calls * 9223372036854775807 > 0".to_owned()),
    ]
}

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(choices)
}

/// A policy whose scope fits the kind of action that it is about.
fn scoped() -> impl Strategy<Value = String> {
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

fn numbered(policies: &[String]) -> String {
    policies
        .iter()
        .enumerate()
        .map(|(i, source)| policy(&format!("p{i}"), source))
        .collect()
}

fn any_request() -> impl Strategy<Value = (Request, Facts)> {
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

/// Expressions of any form, in most of which `context.approval` may not be used.
fn approval_expression() -> impl Strategy<Value = String> {
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

fn approval_policy() -> impl Strategy<Value = String> {
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

/// The policies that the analysis of `context.approval` accepts.
fn accepted(candidates: Vec<String>) -> Vec<String> {
    let base = pdp("");
    let loads = |source: &String| {
        let text = policy("p", source);
        let files = [PolicyFile {
            name: "p.cedar".into(),
            text,
        }];
        load_policies(&files, &base.schema, &base.known.keys().cloned().collect()).is_ok()
    };
    candidates.into_iter().filter(loads).collect()
}

fn subsets(roles: &[&str]) -> Vec<BTreeSet<String>> {
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

fn any_json() -> impl Strategy<Value = Value> {
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

/// Names that are special for Cedar, its JSON, or our own schema.
const NAMES: &[&str] = &[
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

/// JSON Schemas of tools, with names that collide with everything.
fn any_schema() -> impl Strategy<Value = Value> {
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

fn object_schema(inner: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
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
fn conforming(schema: &Value) -> BoxedStrategy<Value> {
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
fn tool_call() -> impl Strategy<Value = (Value, Value)> {
    let schema = any_schema().prop_filter("conforming values of a loop have no end", |schema| {
        !schema.to_string().contains("$ref")
    });
    schema
        .prop_flat_map(|schema| (Just(schema.clone()), conforming(&schema)))
        .prop_map(|(schema, input)| (schema, canonical::parse(&input.to_string()).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The slice of an action gives the answer of the whole set: the same decision, the same
    /// determining policies, the same errors.
    #[test]
    fn slices_answer_as_the_whole_set(
        policies in prop::collection::vec(scoped(), 0..8),
        requests in prop::collection::vec(any_request(), 1..6),
    ) {
        let pdp = pdp(&numbered(&policies));
        let all = PolicySet::from_policies(pdp.policies.values().map(|p| p.cedar.clone())).unwrap();
        let all: &ast::PolicySet = all.as_ref();
        for (request, facts) in requests {
            let entities = pdp.entities_for(&request, &facts).unwrap();
            let cedar = pdp.cedar_request(&request, &facts).unwrap().cedar;
            let whole = Authorizer::new().is_authorized(cedar, all, &entities);
            let decision = pdp.decide(&request, &facts);
            let names = |id: &ast::PolicyID| AsRef::<str>::as_ref(id).to_owned();
            let reasons: BTreeSet<String> = whole.diagnostics.reason.iter().map(names).collect();
            let errors: BTreeSet<String> = whole.diagnostics.errors.iter().map(|e| {
                let AuthorizationError::PolicyEvaluationError { id, .. } = e;
                names(id)
            }).collect();
            let ids: BTreeSet<String> = decision.basis().ids().map(str::to_owned).collect();
            if errors.is_empty() {
                let allowed = whole.decision == cedar_policy::Decision::Allow;
                prop_assert_eq!(decision.outcome(), if allowed { Outcome::Allow } else { Outcome::Deny });
                prop_assert_eq!(ids, reasons);
            } else {
                prop_assert_eq!(decision.outcome(), Outcome::Error);
                prop_assert_eq!(ids, errors);
            }
        }
    }

    /// Entities of a request have the same ancestors as in Cedar.
    #[test]
    fn ancestors_are_those_that_cedar_computes(edges in prop::collection::vec((0..6_usize, 0..6_usize), 0..12), labelled in 0..6_usize) {
        let pdp = pdp(PERMIT);
        let directory = |n: usize| uid(Kind::Directory, &format!("desk/data:/{n}"));
        let brought: Vec<Entity> = (0..6)
            .map(|n| {
                let above = edges.iter().filter(|(a, b)| *a == n && a < b).map(|(_, b)| directory(*b));
                let label = (n == labelled).then(|| uid(Kind::Label, "private"));
                Entity::new(directory(n), above.chain(label))
            })
            .collect();
        let theirs = pdp.entities.clone().add_entities(
            brought.iter().map(|e| Arc::new(to_cedar(e).unwrap().as_ref().clone())),
            Some(&CoreSchema::new(pdp.schema.as_ref())),
            TCComputation::ComputeNow,
            Extensions::all_available(),
        ).unwrap();
        let request = read_file();
        let mut facts = facts_with_file();
        facts.entities.extend(brought);
        let ours = pdp.entities_for(&request, &facts).unwrap();
        for n in 0..6 {
            let uid = cedar_value::entity(&directory(n)).unwrap();
            let of = |entities: &Entities| match entities.entity(&uid) {
                Dereference::Data(entity) => entity.ancestors().cloned().collect::<HashSet<_>>(),
                _ => unreachable!("it was added"),
            };
            prop_assert_eq!(of(&ours), of(&theirs));
        }
    }

    /// More approval never denies more; an escalation's alternatives are sufficient and minimal.
    #[test]
    fn approvals_only_help(
        candidates in prop::collection::vec(approval_policy(), 4..10),
        calls in 0..4_u64,
    ) {
        let mut policies = accepted(candidates);
        policies.push("permit (principal, action == Tollgate::Action::\"read\", resource);".into());
        let pdp = pdp(&numbered(&policies));
        let facts = Facts { run: RunFacts { calls, ..RunFacts::default() }, ..facts() };
        let first = pdp.decide(&send(), &facts);
        let lifts = match &first {
            Decision::Escalate(_, requirement) => requirement.lifts.clone(),
            _ => BTreeSet::new(),
        };
        let allowed = |roles: &BTreeSet<String>, count: u64| {
            let granted = PriorApproval { count, lifts: lifts.clone(), roles: roles.clone() };
            pdp.decide(&send(), &Facts { approval: Some(granted), ..facts.clone() }).outcome() == Outcome::Allow
        };
        let grants: Vec<(BTreeSet<String>, u64)> = subsets(&["finance", "operator", "security"])
            .into_iter()
            .flat_map(|roles| (1..5).map(move |count| (roles.clone(), count)))
            .collect();
        let answers: Vec<bool> = grants.iter().map(|(roles, count)| allowed(roles, *count)).collect();
        for (less, before) in grants.iter().zip(&answers) {
            for (more, after) in grants.iter().zip(&answers) {
                if less.0.is_subset(&more.0) && less.1 <= more.1 {
                    prop_assert!(!before || *after, "{:?} allows, {:?} does not", less, more);
                }
            }
        }
        match &first {
            Decision::Escalate(_, requirement) => {
                for ((roles, count), answer) in grants.iter().zip(&answers) {
                    prop_assert_eq!(*answer, requirement.met_by(roles, *count), "{:?} {}", roles, count);
                }
            }
            Decision::Allow(_) => prop_assert!(answers.iter().all(|a| *a)),
            _ => prop_assert!(answers.iter().all(|a| !a), "what no approval lifts is denied"),
        }
    }

    /// Any arguments give one of the four answers.
    #[test]
    fn no_arguments_panic(input in any_json(), tool in one_of(&["read", "send", "refund"])) {
        let decision = SHARED.with(|pdp| pdp.decide(&call(tool, input), &facts()));
        prop_assert!(matches!(decision.outcome(), Outcome::Allow | Outcome::Error));
    }

    /// Arguments that conform to their schema always make a valid Cedar request: typing and reading never
    /// disagree.
    #[test]
    fn arguments_that_conform_are_decided((schema, mut input) in tool_call()) {
        let types = ToolTypes { input_schema: schema, numbers: BTreeMap::new() };
        let file = PolicyFile { name: "p.cedar".into(), text: PERMIT.into() };
        let tools = BTreeMap::from([("read".to_owned(), types)]);
        let pdp = Pdp::load(&Bundle::new(entities(), vec![file], tools)).unwrap();
        pdp.tool("read").unwrap().apply_defaults(&mut input);
        prop_assert_eq!(answer(&pdp.decide(&call("read", input), &facts())), "allow by permit");
    }

    /// Our validation agrees with Cedar's own, also for arguments of one schema under another.
    #[test]
    fn requests_validate_as_cedar_says((schema, input) in tool_call(), other in any_schema(), odd in any_json()) {
        let types = |schema: Value| ToolTypes { input_schema: schema, numbers: BTreeMap::new() };
        let tools = BTreeMap::from([("read".to_owned(), types(schema)), ("send".to_owned(), types(other))]);
        let Ok(pdp) = Pdp::load(&Bundle::new(entities(), Vec::new(), tools)) else { return Ok(()) };
        let validator: &ValidatorSchema = pdp.schema.as_ref();
        let odd = pdp.tool("read").unwrap().typed(&odd).ok().map(|typed| typed.value);
        let right = pdp.tool("read").unwrap().typed(&input).ok().map(|typed| typed.value);
        let part = right.as_ref().and_then(|v| match v.value_kind() {
            ast::ValueKind::Record(record) => record.values().next().cloned(),
            _ => None,
        });
        let request = pdp.cedar_request(&call("read", input), &facts()).map(|request| request.cedar);
        for value in [right, odd, part, Some(true.into()), cedar_value::decimal("0.5")].into_iter().flatten() {
            for action in ["read", "send", "read_file", "halt"] {
                let Ok(request) = &request else { continue };
                let Some(ast::Context::Value(context)) = request.context() else { unreachable!() };
                for extra in ["input", "run", "size", "now"] {
                    let mut context = BTreeMap::clone(context);
                    context.insert(extra.into(), value.clone());
                    let request = ast::Request::new_unchecked(
                        request.principal().clone(),
                        ast::EntityUIDEntry::Known { euid: pdp.actions[action].clone(), loc: None },
                        request.resource().clone(),
                        Some(ast::Context::Value(context.into())),
                    );
                    let theirs = validator.validate_request(&request, Extensions::all_available());
                    prop_assert_eq!(validate::is_valid(validator, &request, validate::InputCheck::Typed), theirs.is_ok(), "{:?}", theirs);
                }
            }
        }
    }

    /// Any schema of a tool is typed or refused. A typed schema builds and prints as a schema that parses
    /// again, and any arguments are then decided without a panic.
    #[test]
    fn no_schema_panics(schema in any_schema(), input in any_json()) {
        if let Ok(typed) = ToolInput::from_json_schema("t-1", &schema, &BTreeMap::new()) {
            let inputs = BTreeMap::from([("t-1".to_owned(), typed)]);
            prop_assert!(schema::build(schema::FIXED, &inputs).is_ok(), "{}", schema::build(schema::FIXED, &inputs).unwrap_err());
            let text = schema::text(&inputs).unwrap();
            let read = Schema::from_cedarschema_str(&text).map(|_| ());
            prop_assert!(read.is_ok(), "{}\n{}", text, read.unwrap_err());
            let _ = inputs["t-1"].typed(&input);
        }
    }
}

thread_local! {
    static SHARED: Pdp = pdp(PERMIT);
}

/// The differential test is meaningless if random policies rarely matter.
#[test]
fn random_policies_reach_every_outcome() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (prop::collection::vec(scoped(), 1..8), any_request());
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..300 {
        let (policies, (request, facts)) = strategy.new_tree(&mut runner).unwrap().current();
        let outcome = pdp(&numbered(&policies)).decide(&request, &facts).outcome();
        *seen.entry(outcome.as_str()).or_default() += 1;
    }
    for outcome in ["allow", "deny", "error"] {
        assert!(seen.get(outcome).is_some_and(|n| *n > 10), "{seen:?}");
    }
    let strategy = prop::collection::vec(approval_policy(), 60);
    let candidates = strategy.new_tree(&mut runner).unwrap().current();
    let accepted = accepted(candidates);
    let reading = accepted.iter().filter(|p| p.contains("approval")).count();
    assert!(reading > 8 && reading < 50, "{reading} of 60");
}
