//! Schemas of tools, policies, and cases.

use std::{collections::BTreeMap, sync::OnceLock};

use serde_json::{Value, json};
use tollgate_policy::{
    case::{Case, Defaults, World},
    pdp::{LoadError, Pdp},
    policy::{Diagnostic, PolicyFile},
    schema::{self, LoadedTypes},
    tool_input::ToolInput,
};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const TOOL_INPUT: Target = Target {
    name: "tool_input",
    package: PACKAGE,
    corpus: || {
        texts(&[
            "{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"},\"amount\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9223372036854775807},\"state\":{\"enum\":[\"open\",\"done\"],\"default\":\"open\"}},\"required\":[\"to\"]}\n---\n{\"to\":\"DE00\",\"amount\":5}",
            "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}},\"required\":[\"id\"]},{\"type\":\"object\",\"properties\":{\"mail\":{\"type\":\"string\",\"format\":\"email\"}}}]}\n---\n{\"id\":\"7\"}",
            "{\"type\":\"object\",\"properties\":{\"root\":{\"$ref\":\"#/$defs/Node\"},\"item\":{\"$ref\":\"#item\"}},\"$defs\":{\"Node\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"children\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/Node\"}}}},\"I\":{\"$anchor\":\"item\",\"type\":[\"string\",\"null\"]}}}\n---\n{\"root\":{\"name\":\"a\",\"children\":[{\"name\":\"b\"}]},\"item\":null}",
            "{\"type\":\"object\",\"properties\":{\"range\":{\"type\":\"string\",\"pattern\":\"^(?P<from>\\\\d+)-(?=.*x)\"},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}},\"patternProperties\":{\"^x-[\":{\"type\":\"string\"}},\"additionalProperties\":{\"type\":\"number\"}}\n---\n{\"range\":\"1-2\",\"x-a\":1.5}",
            "{\"type\":\"object\",\"allOf\":[{\"properties\":{\"to\":{\"type\":\"string\"}}},{\"properties\":{\"amount\":{\"type\":\"number\"}}}],\"if\":{\"properties\":{\"mode\":{\"const\":\"write\"}}},\"then\":{\"properties\":{\"target\":{\"type\":\"string\"}}}}\n---\n{\"to\":\"x\",\"amount\":0.5,\"mode\":\"write\",\"target\":\"prod\"}",
            "{\"type\":[\"object\",\"null\"],\"properties\":[],\"required\":[],\"$schema\":\"http://json-schema.org/draft-07/schema#\"}\n---\n{}",
            "{\"type\":\"object\",\"properties\":{\"when\":{\"type\":\"string\",\"format\":\"date-time\",\"default\":\"now\"},\"limit\":{\"type\":\"integer\",\"default\":\"20\"},\"ip\":{\"type\":\"string\",\"format\":\"ipv4\"},\"In\":{\"type\":\"string\"},\"in\":{\"type\":\"boolean\"}}}\n---\n{\"when\":\"2026-02-03T04:05:06.789012\"}",
            "{\"$ref\":\"#/$defs/A\",\"$defs\":{\"A\":{\"$ref\":\"#/$defs/B\"},\"B\":{\"$ref\":\"#/$defs/A\"}},\"type\":\"object\"}\n---\n{\"a\":1}",
        ])
    },
    variants: 400,
    check: tool_input,
};

/// An accepted schema has a type in Cedar, fills in its defaults once, and its problems have short messages.
fn tool_input(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (schema, arguments) = text.split_once("\n---\n").unwrap_or((&text, "{}"));
    let Ok(schema) = serde_json::from_str::<Value>(schema) else {
        return;
    };
    let tool = match ToolInput::from_json_schema("box__tool", &schema, &BTreeMap::new()) {
        Ok(tool) => tool,
        Err(error) => return is_readable(&error.to_string(), 2_000),
    };
    let arguments = tollgate_model::canonical::parse(arguments).unwrap_or_else(|_| json!({}));
    let mut filled = arguments.clone();
    tool.apply_defaults(&mut filled);
    let mut again = filled.clone();
    tool.apply_defaults(&mut again);
    assert_eq!(again, filled, "defaults are filled in once");
    match tool.check(&arguments) {
        Ok(()) => assert_eq!(tool.check(&filled), Ok(()), "defaults break nothing"),
        Err(problems) => {
            assert!((1..=8).contains(&problems.len()));
            for problem in &problems {
                is_readable(&problem.to_string(), 2_000);
            }
        }
    }
    let tools = BTreeMap::from([("box__tool".to_owned(), tool)]);
    if let Err(error) = schema::build(schema::FIXED, LoadedTypes::of_tools(&tools)) {
        panic!("one tool would cost the whole gate: {error}");
    }
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = json!({
            "roles": ["clerk", "finance", "operator"], "labels": ["egress", "private", "untrusted"],
            "users": {"alice": ["operator"], "carol": ["finance"]}, "agents": {"support": ["clerk"]},
            "secrets": ["wiki"],
            "tools": {
                "mail__send": {"labels": ["egress"], "input": {"type": "object", "required": ["to"],
                    "properties": {"to": {"type": "string"}, "text": {"type": "string"}}}},
                "pay__refund": {"labels": [], "input": {"type": "object", "required": ["amount"],
                    "properties": {"amount": {"type": "integer"}, "state": {"enum": ["open", "done"]}}}},
            },
            "defaults": {"agent": "support", "on_behalf_of": "alice", "operator": "alice", "tool": "mail__send"},
        });
        serde_json::from_value(world).unwrap()
    })
}

fn load(text: &str) -> Result<Pdp, LoadError> {
    let file = PolicyFile {
        name: "p.cedar".into(),
        text: text.into(),
    };
    Pdp::load(&world().bundle(vec![file]))
}

const POLICY_TEXT: &str = "@id(\"calls\") @owner(\"ops\") @reason(\"Agents may call.\")\n\
    permit (principal, action in Tollgate::Action::\"call\", resource);\n\
    @id(\"no-mail\") @owner(\"ops\") @reason(\"Nothing private leaves.\") @severity(\"high\")\n\
    forbid (principal, action == Tollgate::Action::\"mail__send\", resource)\n\
    when { context.run.labels.contains(Tollgate::Label::\"private\") };\n\
    @id(\"refunds\") @owner(\"finance\") @reason(\"Finance looks at large refunds.\")\n\
    forbid (principal, action == Tollgate::Action::\"pay__refund\", resource)\n\
    when { context.input.amount > 1000 }\n\
    unless { context.approval.roles.contains(Tollgate::Role::\"finance\") };\n";

pub(super) const POLICIES: Target = Target {
    name: "policies",
    package: PACKAGE,
    corpus: || {
        texts(&[
            POLICY_TEXT,
            "@id(\"a\") @owner(\"b\") @reason(\"c\")\nforbid (principal, action == Tollgate::Action::\"mail__send\", resource)\nwhen { context.input has text && context.input.text like \"*\\*\\u{202e}*\" };\n",
            "@id(\"é\")\npermit (principal == Tollgate::Agent::\"support\", action, resource in Tollgate::Component::\"mail\") when { [1, 2].contains(3) && !(if true then 1 < 2 else false) };\n",
            "permit (principal, action resource);\n// \u{202e}\n",
        ])
    },
    variants: 80,
    check: policies,
};

/// A set that does not load says where; one that loads decides the same after it was recorded.
fn policies(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match load(&text) {
        Ok(pdp) => {
            pdp.warnings()
                .iter()
                .for_each(|warning| is_placed(warning, &text));
            let again = load(&text).expect("it has loaded");
            assert_eq!(pdp.digest(), again.digest());
            let case: Case =
                serde_json::from_value(json!({"name": "n", "principal": "Agent::support",
                "action": "mail__send", "input": {"to": "x"}, "expect": "allow"}))
                .unwrap();
            let defaults = &world().defaults;
            assert_eq!(case.play(&pdp, defaults), case.play(&again, defaults));
        }
        Err(LoadError::Policies(diagnostics)) => {
            assert!(!diagnostics.is_empty());
            diagnostics
                .iter()
                .for_each(|diagnostic| is_placed(diagnostic, &text));
        }
        Err(other) => panic!("{other}"),
    }
}

fn is_placed(diagnostic: &Diagnostic, text: &str) {
    assert_eq!(diagnostic.file, "p.cedar");
    let end = diagnostic.offset + diagnostic.length;
    let place = text.get(diagnostic.offset..end);
    assert!(
        place.is_some(),
        "{diagnostic:?} lies outside of {} bytes",
        text.len()
    );
    let line = text[..diagnostic.offset].matches('\n').count() + 1;
    assert_eq!(diagnostic.line, line, "{diagnostic:?}");
    is_readable(&diagnostic.to_string(), 20_000);
}

pub(super) const CASES: Target = Target {
    name: "cases",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"[{"name":"mail","principal":"Agent::support","action":"mail__send","input":{"to":"x"},"expect":"allow","by":["calls"]}]"#,
            r#"[{"name":"private","principal":"Agent::support","action":"mail__send","input":{"to":"x"},"run":{"labels":["private"],"calls":3},"expect":"deny","by":["no-mail"]},
               {"name":"finance","principal":"Agent::support","action":"pay__refund","input":{"amount":5000},"approved_by":["finance"],"expect":"allow"}]"#,
            r#"[{"name":"file","principal":"Component::mail","action":"read","resource":"File::mail/data:/a/../b.txt","directory_labels":["private"],"expect":"deny"}]"#,
            r#"[{"name":"web","principal":"Component::mail","action":"http_request","host":"api.example.com","host_labels":["egress"],"port":443,"local":{"hour":10},"expect":"deny","needs":[],"shadow":null}]"#,
        ])
    },
    variants: 800,
    check: cases,
};

/// A written case reads back equal, and playing it gives an answer or an error that names the fault.
fn cases(input: &[u8]) {
    static PDP: OnceLock<Pdp> = OnceLock::new();
    let pdp = PDP.get_or_init(|| load(POLICY_TEXT).unwrap());
    let text = String::from_utf8_lossy(input);
    let cases: Vec<Case> = match serde_json::from_str(&text) {
        Ok(cases) => cases,
        Err(_) => return,
    };
    for case in cases.iter().take(16) {
        let again: Case = serde_json::from_value(serde_json::to_value(case).unwrap()).unwrap();
        assert_eq!(&again, case);
        for defaults in [&world().defaults, &Defaults::default()] {
            let played = case.play(pdp, defaults);
            let right = played.answer.outcome == case.expect;
            assert!(right || !played.wrong.is_empty(), "{played:?}");
        }
    }
}
