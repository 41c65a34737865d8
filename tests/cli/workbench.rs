//! The commands of the policy workbench: check, fmt, schema, test, explain, replay, coverage, promote.

use std::fs;

use serde_json::Value;
use tollgate_testkit::{
    command::{DELETE, READ, REFUND, World},
    repository,
};

pub(super) const TYPO: &str = r#"@id("typo") @owner("tests") @reason("no")
forbid (principal, action == Tollgate::Action::"files__raed", resource);
"#;

/// A gate in which calls were decided: allowed, denied, escalated.
pub(super) fn busy() -> World {
    let world = World::new();
    world.run(READ).exits(0);
    world.run(DELETE).exits(3);
    world.run(REFUND).exits(4);
    world
}

/// A copy of the policies in `dir`, with `from` replaced by `to`.
pub(super) fn candidate(world: &World, dir: &str, from: &str, to: &str) {
    fs::create_dir_all(world.path(dir)).unwrap();
    for entry in fs::read_dir(world.path("policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "cedar") {
            let text = fs::read_to_string(&path).unwrap().replace(from, to);
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            world.write(&format!("{dir}/{name}"), text);
        }
    }
}

pub(super) fn may_activate(world: &World) {
    let (from, to) = (r#"["operator"]"#, r#"["operator", "security"]"#);
    world.configure(&format!("roles = {from}"), &format!("roles = {to}"));
}

#[test]
fn check_finds_what_makes_no_difference() {
    let world = World::new();
    may_activate(&world);
    let useless = r#"@id("useless") @owner("tests")
permit (principal is Tollgate::User, action == Tollgate::Action::"files__read", resource);
@id("no-agent-has-it") @owner("tests") @reason("x")
forbid (principal is Tollgate::Agent in Tollgate::Role::"finance", action in Tollgate::Action::"call", resource);
@id("some-day") @owner("tests") @reason("x")
forbid (principal, action in Tollgate::Action::"call", resource in Tollgate::Label::"egress");
@id("a11-call") @owner("tests") @reason("x") @colour("red")
forbid (principal, action == Tollgate::Action::"files__delete", resource)
when { context.input.path != "/" && context.run.calls > 7 };
"#;
    world.write("policies/useless.cedar", useless);
    world.run(&["policy", "check"]).exits(0).says(&[
        "policy `useless` makes no difference: `all-call`",
        "policy `no-agent-has-it` can never apply",
        "note: policy `some-day` applies to nothing yet",
        "the id `all-call` looks like `a11-call`",
        "`@colour`, which means nothing here",
        "5 warnings",
    ]);
    world.run(&["policy", "check", "--deny-warnings"]).exits(1);
    let sarif: Value = serde_json::from_str(
        &world
            .run(&["policy", "check", "--format", "sarif"])
            .exits(0)
            .out,
    )
    .unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let shadowed = results.iter().find(|r| r["ruleId"] == "policy::shadowed");
    let place = &shadowed.unwrap()["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "policies/useless.cedar");
    assert_eq!(place["region"]["startLine"], 7);
    assert!(results.iter().any(|r| r["level"] == "note"));
    let schema = fs::read_to_string(world.path(".tollgate/tollgate.cedarschema")).unwrap();
    assert!(schema.contains("files__read"), "it is kept for editors");
}

#[test]
fn a_wrong_rename_is_caught_before_anything_runs() {
    let world = World::new();
    world.configure(
        "path = \"files.wasm\"",
        "path = \"files.wasm\"\nrename.raed = \"read\"",
    );
    world.run(&["policy", "check"]).exits(1).says(&[
        "rename.raed",
        "no tool `raed`",
        "did you mean `read`?",
    ]);
    // A right one leaves the policies behind that name the tool as it was.
    world.configure("rename.raed", "rename.delete");
    world
        .run(&["policy", "check"])
        .exits(1)
        .says(&["story.cedar", "files__delete"]);
}

#[test]
fn bombs_and_giants_are_refused_with_their_place() {
    let world = World::new();
    let bomb = |condition: String| {
        let policy = format!(
            "@id(\"bomb\") @owner(\"t\")\npermit (principal, action, resource) when {{ {condition} }};\n"
        );
        world.write("policies/bomb.cedar", policy);
        world.run(&["policy", "check"]).exits(1)
    };
    bomb(format!(
        "{}true{}",
        "(".repeat(200_000),
        ")".repeat(200_000)
    ))
    .says(&["bomb.cedar:2:", "brackets"]);
    bomb(format!("{}true", "true && ".repeat(100_000))).says(&["bomb.cedar:2:", "operators"]);
    bomb(format!("{}true", "if true then true else ".repeat(100_000))).says(&["operators"]);
    let formatted = world.run(&["policy", "fmt"]).exits(1);
    formatted.says(&["bomb.cedar", "operators"]);
    world.write("policies/bomb.cedar", vec![b' '; 100 << 20]);
    world
        .run(&["policy", "check"])
        .exits(1)
        .says(&["bomb.cedar", "larger than 16 MiB"]);
    world.run(READ).exits(1).says(&["larger than 16 MiB"]);
    let cyrillic = "@id(\"r\u{435}fund\") @owner(\"t\")\npermit (principal, action, resource);";
    world.write("policies/bomb.cedar", cyrillic);
    world
        .run(&["policy", "check"])
        .exits(1)
        .says(&["U+0435", "not an ASCII letter"]);
}

#[test]
fn files_are_formatted() {
    let world = World::new();
    let check = ["policy", "fmt", "--check"];
    world
        .run(&check)
        .exits(1)
        .says(&["policies/story.cedar is not formatted"]);
    let before = fs::read_to_string(world.path("policies/story.cedar")).unwrap();
    world
        .run(&["policy", "fmt"])
        .exits(0)
        .says(&["story.cedar formatted"]);
    let after = fs::read_to_string(world.path("policies/story.cedar")).unwrap();
    assert_ne!(before, after);
    world.run(&check).exits(0).says(&["formatted already"]);
    world.write("policies/story.cedar", "permit (");
    world
        .run(&["policy", "fmt"])
        .exits(1)
        .says(&["story.cedar", "tollgate policy check"]);
    let kept = fs::read_to_string(world.path("policies/story.cedar"));
    assert_eq!(kept.unwrap(), "permit (");
    let starters = repository().join("policies");
    let check = ["policy", "fmt", "--check", starters.to_str().unwrap()];
    world.run(&check).exits(0);
}

#[test]
fn the_schema_says_what_a_changed_tool_breaks() {
    let world = World::new();
    world.run(&["policy", "schema"]).exits(0);
    world
        .run(&["policy", "schema", "--diff"])
        .exits(0)
        .says(&["no tool has changed", "no policy breaks"]);
    let listed = r#"{"tools": [
        {"name": "refund", "inputSchema": {"type": "object", "required": ["sum"], "properties": {"sum": {"type": "integer"}}}},
        {"name": "pay-out", "inputSchema": {"type": "object", "properties": {}}}
    ]}"#;
    world.write("tools.json", listed);
    let from = [
        "policy",
        "schema",
        "--from",
        "tools.json",
        "--prefix",
        "payments",
    ];
    world
        .run(&from)
        .exits(0)
        .says(&["\"payments__pay-out\"", "sum: __cedar::Long"]);
    let diff = [&from[..], &["--diff"]].concat();
    world.run(&diff).exits(1).says(&[
        "+ payments__pay-out",
        "- payments__quote",
        "~ payments__refund",
        "story.cedar",
        "amount",
        "in policies",
    ]);
    let difference: Value =
        serde_json::from_str(&world.run(&[&diff[..], &["--json"]].concat()).exits(1).out).unwrap();
    assert_eq!(difference["broken"][0]["error"], true);
    world.write("tools.json", "{\"tools\": [{}]}");
    world.run(&from).exits(1).says(&["/tools/0 has no name"]);
}

const CASES: &str = r#"
[[case]]
name = "large refunds wait for finance"
principal = "Agent::support"
action = "payments__refund"
input = { order = "A-1", amount = 6000, currency = "EUR", reason = "broken" }
expect = "escalate"
by = ["large-refunds"]
needs = ["finance"]

[[case]]
name = "and go with its approval"
principal = "Agent::support"
action = "payments__refund"
input = { order = "A-1", amount = 6000, currency = "EUR", reason = "broken" }
approved_by = ["finance"]
expect = "allow"
by = ["all-call"]
"#;

#[test]
fn cases_are_played() {
    let world = World::new();
    fs::create_dir(world.path("policies/tests")).unwrap();
    world.write("policies/tests/refunds.toml", CASES);
    let test = ["policy", "test"];
    world
        .run(&test)
        .exits(0)
        .says(&["2 cases, 0 failed", "(--coverage lists them)"]);
    world
        .run(&["policy", "test", "--coverage"])
        .exits(0)
        .says(&["POLICY", "all-call"]);
    world
        .run(&["policy", "test", "--deny-untested"])
        .exits(1)
        .says(&["no-deleting never 0"]);
    let wrong = r#"[{ "name": "deleting <is> fine", "principal": "Agent::support", "action": "files__delete",
        "input": { "path": "a" }, "expect": "allow" },
        { "name": "no such tool", "principal": "Agent::support", "action": "files__raed", "expect": "deny" }]"#;
    world.write("policies/tests/wrong.json", wrong);
    world
        .run(&["policy", "test", "--junit", "report.xml"])
        .exits(1)
        .says(&[
            "policies/tests/wrong.json:1",
            "deleting <is> fine",
            "expected allow, got deny",
            "did you mean `files__read`?",
            "4 cases, 2 failed",
        ]);
    let report = fs::read_to_string(world.path("report.xml")).unwrap();
    assert!(report.contains("tests=\"4\" failures=\"2\""), "{report}");
    assert!(report.contains("deleting &lt;is&gt; fine"), "{report}");
    let json: Value =
        serde_json::from_str(&world.run(&["policy", "test", "--json"]).exits(1).out).unwrap();
    assert_eq!(json["cases"][0]["answer"]["outcome"], "escalate");
    assert!(
        !world.path(".tollgate/ledger.db").exists(),
        "nothing is recorded"
    );
    world.write("policies/typo.cedar", TYPO);
    world.run(&test).exits(1).says(&["typo.cedar:2:30"]);
    world.write("policies/tests/refunds.toml", "[[case]]\nnam = 1\n");
    fs::remove_file(world.path("policies/typo.cedar")).unwrap();
    world.run(&test).exits(1).says(&["refunds.toml", "nam"]);
}

/// The starter library's cases, with the world that is written down next to them and no component.
#[test]
fn the_starter_library_is_tested_without_a_gate() {
    let world = World::empty();
    let policies = repository().join("policies");
    let (policies, cases) = (policies.to_str().unwrap(), policies.join("tests"));
    let cases = cases.to_str().unwrap();
    world
        .run(&[
            "policy",
            "test",
            cases,
            "--policies",
            policies,
            "--deny-untested",
        ])
        .exits(0)
        .says(&["0 failed; every policy determines one"]);
    world
        .run(&["policy", "test"])
        .exits(2)
        .says(&["name files of cases"]);
}

#[test]
fn decisions_are_explained() {
    let world = busy();
    may_activate(&world);
    let list = world.json_lines(&["decisions", "list", "--outcome", "escalate"]);
    let id = list[0]["id"].as_str().unwrap();
    world.run(&["policy", "explain", id]).exits(0).says(&[
        "escalate",
        "large-refunds forbids",
        "all-call permits",
        "an approval by finance",
        "if context.input.amount were 5000",
    ]);
    let explained = world.json(&["policy", "explain", id]);
    assert_eq!(explained["answer"]["by"][0], "large-refunds");
    let viewed = world.json_lines(&["decisions", "list"]);
    assert_eq!(
        viewed[0]["action"], "view_payload",
        "looking at arguments is recorded"
    );
    let hypothetical = [
        "policy",
        "explain",
        "--principal",
        "Agent::support",
        "--action",
        "payments__refund",
        "--args",
        r#"{"order":"A-1","amount":7,"currency":"EUR","reason":"x"}"#,
    ];
    world.run(&hypothetical).exits(0).says(&[
        "allow",
        "context.input.amount is 7",
        "if context.input.amount were 5001",
    ]);
    world
        .run(&["policy", "explain", "dec-999"])
        .exits(1)
        .says(&["there is no decision"]);
    world
        .run(&[
            "policy",
            "explain",
            "--principal",
            "Agent::support",
            "--action",
            "files__raed",
        ])
        .exits(6)
        .says(&["did you mean `files__read`?"]);
}

#[test]
fn recorded_requests_are_decided_again() {
    let world = busy();
    candidate(&world, "next", "> 5000", "> 9000");
    let replay = ["policy", "replay", "--candidate", "next"];
    world.run(&replay).exits(1).says(&[
        "escalate → allow 1 all-call",
        "tollgate runs show",
        "1 flipped",
    ]);
    let replayed: Value =
        serde_json::from_str(&world.run(&[&replay[..], &["--json"]].concat()).exits(1).out)
            .unwrap();
    assert_eq!(replayed["flipped"], 1);
    assert_eq!(replayed["not_comparable"], serde_json::json!({}));
    assert!(replayed["compared"].as_u64().unwrap() >= 5);
    world
        .run(&[&replay[..], &["--threshold", "1"]].concat())
        .exits(0);
    world
        .run(&[&replay[..], &["--tool", "files__read"]].concat())
        .exits(0)
        .says(&["0 flipped"]);
    world
        .run(&["policy", "replay", "--candidate", "policies"])
        .exits(0)
        .says(&["0 flipped"]);
    world.write("next/typo.cedar", TYPO);
    world.run(&replay).exits(0).says(&[
        "0 decisions compared",
        "not comparable: the candidate does not fit the schema of that time",
        "typo.cedar:2:30",
    ]);
    let store = rusqlite::Connection::open(world.path(".tollgate/ledger.db")).unwrap();
    store
        .execute("UPDATE day_keys SET wrapped = NULL", [])
        .unwrap();
    world
        .run(&["policy", "replay", "--candidate", "policies"])
        .exits(0)
        .says(&["not comparable: its facts were destroyed"]);
}

/// `[budgets]` stays part of the policies when `policy replay` decides with another directory's policies.
#[test]
fn a_budget_stays_in_force_when_requests_are_decided_again() {
    let world = World::new();
    world.configure(
        r#"roles = ["operator"]"#,
        "roles = [\"operator\"]\n[budgets.run]\ncalls = 1",
    );
    world.run(&[READ, &["--run", "b"]].concat()).exits(0);
    world.run(&[READ, &["--run", "b"]].concat()).exits(3);
    world
        .run(&["policy", "replay", "--candidate", "policies"])
        .exits(0)
        .says(&["0 flipped"]);
}

#[test]
fn coverage_tells_what_never_decided() {
    let world = busy();
    let covered = world.json(&["policy", "coverage"]);
    let of = |id: &str| {
        let all = covered.as_array().unwrap();
        all.iter().find(|p| p["id"] == id).unwrap().clone()
    };
    assert_eq!(of("no-deleting")["decisions"], 1);
    assert_eq!(of("four-eyes")["decisions"], 0);
    assert!(of("four-eyes")["since"].is_i64() || of("four-eyes")["since"].is_string());
    let added = "@id(\"late\") @owner(\"t\") @reason(\"r\")\nforbid (principal, action, resource) when { context.environment == \"x\" };";
    world.write("policies/late.cedar", added);
    world
        .run(&["policy", "coverage", "--never"])
        .exits(0)
        .says(&["late never not yet", "never determined a decision"]);
}

#[test]
fn shadow_policies_are_promoted_by_those_who_may() {
    let world = World::new();
    let shadow = "@id(\"watched\")\n@owner(\"t\")\n@mode(\"shadow\")\n@reason(\"Watched.\")\nforbid (principal, action == Tollgate::Action::\"files__read\", resource);\n";
    world.write("policies/watched.cedar", shadow);
    world.run(READ).exits(0);
    let promote = ["policy", "promote", "watched"];
    world.run(&promote).exits(3);
    assert_eq!(
        fs::read_to_string(world.path("policies/watched.cedar")).unwrap(),
        shadow
    );
    may_activate(&world);
    world
        .run(&["policy", "promote", "wached"])
        .exits(1)
        .says(&["did you mean `watched`?"]);
    world
        .run(&promote)
        .exits(0)
        .says(&["in force", "1 file changed"]);
    let after = fs::read_to_string(world.path("policies/watched.cedar")).unwrap();
    assert_eq!(after, shadow.replace("@mode(\"shadow\")\n", ""));
    world.run(READ).exits(3).says(&["Watched."]);
    world.run(&promote).exits(1).says(&["in force already"]);
    let acts = world.json_lines(&["decisions", "list"]);
    assert!(
        acts.iter()
            .any(|a| a["kind"] == "bundle_activated" && a["principal"] == "alice")
    );
    assert!(
        acts.iter()
            .any(|a| a["action"] == "activate_policies" && a["outcome"] == "allow")
    );
}

#[test]
fn a_candidate_is_watched_and_promoted_whole() {
    let world = World::new();
    may_activate(&world);
    candidate(&world, "next", "> 5000", "> 9000");
    world.configure(
        "dir = \"policies\"",
        "dir = \"policies\"\nshadow = \"next\"",
    );
    world.run(REFUND).exits(4);
    world
        .run(&["runs", "show"])
        .exits(0)
        .says(&["the candidate would allow: all-call"]);
    world.write("next/typo.cedar", TYPO);
    world
        .run(&["policy", "check"])
        .exits(1)
        .says(&["next/typo.cedar:2:30"]);
    let before = fs::read_to_string(world.path("policies/story.cedar")).unwrap();
    world.run(&["policy", "promote", "--candidate"]).exits(1);
    assert_eq!(
        fs::read_to_string(world.path("policies/story.cedar")).unwrap(),
        before
    );
    fs::remove_file(world.path("next/typo.cedar")).unwrap();
    world
        .run(&["policy", "promote", "--candidate"])
        .exits(0)
        .says(&["1 file changed"]);
    world.run(REFUND).exits(0);
}
