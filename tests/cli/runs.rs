//! Commands about recorded runs: cases, comparisons, notes, sets, exports, tests.

use std::fs;

use serde_json::{Value, json};
use tollgate_testkit::command::{DELETE, READ, REFUND, World};

fn in_run<'a>(run: &'a str, call: &[&'a str]) -> Vec<&'a str> {
    call.iter().copied().chain(["--run", run]).collect()
}

/// Two runs of one task: in the second, what is not allowed was tried.
fn two_runs() -> World {
    let world = World::new();
    world.run(&in_run("good", READ)).exits(0);
    world.run(&in_run("bad", READ)).exits(0);
    world.run(&in_run("bad", DELETE)).exits(3);
    world
        .run(&["runs", "end", "good", "--reason", "done"])
        .exits(0);
    world
        .run(&[
            "runs",
            "end",
            "bad",
            "--outcome",
            "failed",
            "--reason",
            "could not delete",
        ])
        .exits(0);
    world
}

fn json_of(world: &World, args: &[&str]) -> Value {
    let all: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let out = world.run(&all).exits(0).out;
    serde_json::from_str(out.trim()).unwrap()
}

#[test]
fn two_runs_are_told_apart_where_they_part() {
    let world = two_runs();
    world.run(&["runs", "diff", "good", "bad"]).exits(1).says(&[
        "outcome",
        "success → failed",
        "+",
        "files__delete denied",
        "here they part",
    ]);
    world
        .run(&["runs", "diff", "good", "good"])
        .exits(0)
        .says(&["they do not differ"]);
    let out = world
        .run(&["runs", "diff", "good", "bad", "--json"])
        .exits(1)
        .out;
    let compared: Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(compared["diff"]["first"], 1);
    assert_eq!(compared["diff"]["first_decision"], 1);
    assert_eq!(compared["b"]["steps"][1]["tool"], "files__delete");
    assert!(!out.contains("Dear Ada"), "no result is shown");
}

#[test]
fn a_run_says_where_it_failed_and_what_evidence_is_missing() {
    let world = two_runs();
    world.run(&["runs", "show", "bad"]).exits(0).says(&[
        "slowest",
        "failed in",
        "planning in files__delete: denied by no-deleting",
    ]);
    world
        .run(&["runs", "show", "bad", "--spans"])
        .exits(0)
        .says(&[
            "authorize files__delete",
            "tollgate.decision.outcome",
            "policy_denied",
        ]);
    world
        .run(&["runs", "show", "bad", "--case"])
        .exits(0)
        .says(&[
            "CONTEXT",
            "ACTIONS",
            "SIGNALS",
            "ENFORCEMENT",
            "MISSING EVIDENCE",
            "the agent did not report the user's request",
        ]);
    let tell = [
        "runs",
        "report",
        "bad",
        "request=delete the letter",
        "prompt_version=7",
    ];
    world.run(&tell).exits(0);
    let view = json_of(&world, &["runs", "show", "bad", "--case"]);
    let mut told = view["context"]["self_reports"].as_array().unwrap().iter();
    assert!(told.any(|said| said["text"] == "delete the letter"));
    let missing = view["missing"].as_array().unwrap().iter();
    assert!(!missing.clone().any(|gap| gap["what"] == "request"));
    assert!(missing.clone().any(|gap| gap["what"] == "result"));
    world
        .run(&["runs", "report", "bad", "reqest=x"])
        .exits(2)
        .says(&["did you mean `request`?"]);
}

#[test]
fn runs_are_found_by_what_is_in_them() {
    let world = two_runs();
    let keys = |filters: &[&str]| {
        let args: Vec<&str> = ["runs", "list"].iter().chain(filters).copied().collect();
        let runs = json_of(&world, &args);
        let keys = runs
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["key"].as_str().unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys(&["--tool", "files__read"]), ["bad", "good"]);
    assert_eq!(keys(&["--tool", "files__delete"]), ["bad"]);
    assert_eq!(keys(&["--policy", "no-deleting"]), ["bad"]);
    assert_eq!(keys(&["--decision", "deny"]), ["bad"]);
    assert_eq!(keys(&["--outcome", "success"]), ["good"]);
    assert_eq!(
        keys(&["--tool", "files__read", "--outcome", "failed"]),
        ["bad"]
    );
    assert_eq!(keys(&["--text", "could not"]), ["bad"]);
    assert_eq!(keys(&["--agent", "unknown"]), Vec::<String>::new());
    assert_eq!(keys(&["--tool", "files__read", "--limit", "1"]), ["bad"]);
    let first = &json_of(
        &world,
        &["runs", "list", "--tool", "files__read", "--limit", "1"],
    )[0];
    let before = first["opened"].to_string();
    assert_eq!(
        keys(&["--tool", "files__read", "--before", &before]),
        ["good"]
    );
}

#[test]
fn people_say_what_they_think_of_runs() {
    let world = two_runs();
    let note = [
        "runs",
        "annotate",
        "bad",
        "--label",
        "decision",
        "it should have asked",
    ];
    world.run(&note).exits(0);
    let notes = json_of(&world, &["runs", "annotate", "bad"]);
    assert_eq!(notes[0]["note"], "it should have asked");
    world
        .run(&["runs", "list", "--label", "decision"])
        .exits(0)
        .says(&["bad"]);
    world
        .run(&["runs", "annotate", "bad", "--remove", "99"])
        .exits(1);

    let correct = ["runs", "feedback", "bad", "correction"];
    world
        .run(&correct)
        .exits(2)
        .says(&["correction needs `comment`"]);
    let kept = json_of(
        &world,
        &["runs", "feedback", "bad", "edit-distance", "--value", "0.2"],
    );
    assert_eq!(
        (&kept["kind"], &kept["value"]),
        (&json!("edit_distance"), &json!(0.2))
    );

    world
        .run(&["runs", "sets", "add", "regressions", "--about", "look"])
        .exits(0);
    world
        .run(&["runs", "sets", "put", "regressions", "bad", "good"])
        .exits(0);
    world
        .run(&["runs", "sets", "take", "regressions", "good"])
        .exits(0);
    assert_eq!(json_of(&world, &["runs", "sets", "list"])[0]["runs"], 1);
    world
        .run(&["runs", "list", "--set", "regressions"])
        .exits(0)
        .says(&["bad"]);
    world
        .run(&["runs", "sets", "remove", "regressions"])
        .exits(0);
    world
        .run(&["runs", "sets", "put", "regressions", "bad"])
        .exits(1);
}

#[test]
fn a_run_becomes_tests_that_pass() {
    let world = two_runs();
    world.run(&in_run("bad2", REFUND)).exits(4);
    let file = "policies/tests/run.json";
    fs::create_dir_all(world.path("policies/tests")).unwrap();
    let export = [
        "runs",
        "export",
        "bad2",
        "--format",
        "policy-case",
        "--output",
        file,
    ];
    world.run(&export).exits(2).says(&["--payloads"]);
    let with: Vec<&str> = export.iter().copied().chain(["--payloads"]).collect();
    world.run(&with).exits(3);

    // Reading payloads takes a permission.
    world.configure(
        r#"roles = ["operator"]"#,
        r#"roles = ["operator", "security"]"#,
    );
    world.run(&with).exits(0);
    let cases = fs::read_to_string(world.path(file)).unwrap();
    assert!(
        cases.contains("6000") && cases.contains("large-refunds"),
        "{cases}"
    );
    world
        .run(&["policy", "test", file])
        .exits(0)
        .says(&["0 failed"]);
    world
        .run(&["decisions", "list"])
        .exits(0)
        .says(&["view_payload"]);

    let eval = json_of(&world, &["runs", "export", "bad", "--format", "eval"]);
    assert_eq!(eval["expected_outcome"], "failed");
    assert_eq!(eval["failed_in"], "planning");
    assert_eq!(eval["expected_path"][1]["tool"], "files__delete");
    assert!(
        !eval.to_string().contains("letter.txt"),
        "no payload without leave"
    );
    let eval = json_of(
        &world,
        &["runs", "export", "bad", "--format", "eval", "--payloads"],
    );
    assert_eq!(eval["expected_path"][1]["arguments"]["path"], "letter.txt");
}

#[test]
fn spans_are_exported_in_three_formats() {
    let world = two_runs();
    let otlp = json_of(&world, &["runs", "export", "bad"]);
    let spans = &otlp["resourceSpans"][0]["scopeSpans"][0]["spans"];
    let named = |name: &str| {
        let spans = spans.as_array().unwrap().iter();
        spans
            .clone()
            .find(|span| span["name"] == name)
            .unwrap()
            .clone()
    };
    let denied = named("execute_tool files__delete");
    assert_eq!(denied["status"]["code"], 2);
    assert_eq!(
        named("authorize files__delete")["parentSpanId"],
        denied["spanId"]
    );
    let lines = world
        .run(&["runs", "export", "bad", "--format", "lines"])
        .exits(0)
        .out;
    let exported = spans.as_array().unwrap().len();
    assert_eq!(
        lines.lines().count(),
        exported + 1,
        "that it was exported before is a decision of its own"
    );
    let parquet = [
        "runs",
        "export",
        "bad",
        "--format",
        "parquet",
        "--output",
        "run.parquet",
    ];
    world.run(&parquet).exits(0);
    let bytes = fs::read(world.path("run.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));

    // The export names no principal, and the export itself is decided and recorded.
    assert!(lines.contains("tollgate.principal.hash"), "{lines}");
    for clear in ["tollgate.principal.id", "tollgate.resource.id"] {
        assert!(!lines.contains(clear), "{lines}");
    }
    world
        .run(&["decisions", "list"])
        .exits(0)
        .says(&["export_runs"]);
    world.configure(r#"roles = ["operator"]"#, "roles = []");
    world
        .run(&["runs", "export", "bad", "--format", "eval"])
        .exits(3);
}

#[test]
fn a_run_is_followed_until_it_ends() {
    let world = two_runs();
    world.run(&["runs", "tail", "bad"]).exits(0).says(&[
        "run of alice for alice",
        "deny files__delete",
        "run failed could not delete",
    ]);
    let lines = world.run(&["runs", "tail", "bad", "--json"]).exits(0).out;
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "run_ended");
    world.run(&["runs", "tail", "--for", "1s"]).exits(0);
}
