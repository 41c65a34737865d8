//! The workbench where policies, cases and configuration name what does not exist; cases from decisions.

use std::fs;

use tollgate_testkit::command::World;

use super::workbench::{TYPO, busy, candidate, may_activate};

/// A case that names what no request can have proves nothing.
#[test]
fn cases_with_wrong_facts_fail_and_say_which() {
    let world = World::new();
    fs::create_dir(world.path("policies/tests")).unwrap();
    let head = "principal = \"Component::files\"\nagent = \"support\"\ntool = \"files__read\"\nexpect = \"deny\"\n";
    let http = "action = \"http_request\"\nresource = \"Host::example.com\"\n";
    let cases = [
        "action = \"http_request\"\nresource = \"Host::API.example.com\"".to_owned(),
        format!("{http}method = \"get\""),
        format!("{http}path = \"admin\""),
        format!("{http}run = {{ labels = [\"privat\"] }}"),
        "action = \"read_file\"\nresource = \"File::files/dat:/a.txt\"".to_owned(),
    ];
    let mut text = String::new();
    for (n, case) in cases.iter().enumerate() {
        text.push_str(&format!("[[case]]\nname = \"case {n}\"\n{head}{case}\n"));
    }
    world.write("policies/tests/odd.toml", text);
    world.run(&["policy", "test"]).exits(1).says(&[
        "case 0 error policies/tests/odd.toml:1",
        "write \"api.example.com\"",
        "`method` is never \"get\"",
        "write \"/admin\"",
        "did you mean \"private\"?",
        "did you mean `files/data`?",
        "5 cases, 5 failed",
    ]);
    let chosen = world.run(&["policy", "test", "--run", "case [12]"]);
    chosen.exits(1).says(&["2 cases, 2 failed"]);
    let none = world.run(&["policy", "test", "--run", "nothing"]);
    none.exits(1).says(&["no case has a name"]);
    let bad = world.run(&["policy", "test", "--run", "("]);
    bad.exits(2).says(&["--run"]);
}

#[test]
fn check_finds_names_that_only_the_configuration_has() {
    let world = World::new();
    may_activate(&world);
    world.configure(
        "[tools.files__read]",
        "[capture.tools.files__raed]\narguments.\"/path\" = \"keep\"\n\
         [capture.tools.files__write]\narguments.\"/txet\" = \"keep\"\n[tools.files__read]",
    );
    world.configure(
        "grants.book = { path = \"book\", mode = \"rw\" }",
        "grants.book = { path = \"book\", mode = \"rw\", labels = [\"privat\"] }",
    );
    world.write("policies/more.ceder", TYPO);
    world.run(&["policy", "check"]).exits(0).says(&[
        "names the label `privat`",
        "did you mean \"private\"?",
        "there is no tool `files__raed`",
        "did you mean `files__read`?",
        "leads nowhere: there is no `txet`",
        "did you mean `text`?",
        "policies/more.ceder",
        "does not end in `.cedar`",
        "4 warnings",
    ]);
}

#[test]
fn another_folder_is_checked_and_what_fmt_would_change_is_shown() {
    let world = World::new();
    candidate(&world, "next", "> 5000", "> 9000");
    let check = ["policy", "check", "next"];
    world.run(&check).exits(0).says(&["policies"]);
    world.write("next/typo.cedar", TYPO);
    world.run(&check).exits(1).says(&["next/typo.cedar:2:30"]);
    let before = fs::read_to_string(world.path("policies/story.cedar")).unwrap();
    world.run(&["policy", "fmt", "--diff"]).exits(1).says(&[
        "--- policies/story.cedar",
        "+permit (",
        "is not formatted",
    ]);
    let after = fs::read_to_string(world.path("policies/story.cedar")).unwrap();
    assert_eq!(before, after, "nothing is written");
}

#[test]
fn a_decision_becomes_a_case_and_expressions_are_evaluated_for_it() {
    let world = busy();
    may_activate(&world);
    let list = world.json_lines(&["decisions", "list", "--outcome", "escalate"]);
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let eval = |expression: &str| world.run(&["policy", "eval", expression, &id]);
    eval("context.input.amount > 5000").exits(0).says(&["true"]);
    eval("context.input.amount +")
        .exits(1)
        .says(&["not an expression"]);
    eval("context.input.nothing").exits(1);
    eval(&format!("{}true{}", "(".repeat(9_000), ")".repeat(9_000)))
        .exits(1)
        .says(&["brackets"]);
    let hypothetical = [
        "policy",
        "eval",
        "[context.method, resource]",
        "--principal",
        "Component::files",
        "--action",
        "http_request",
        "--resource",
        "Host::example.com",
        "--fact",
        "tool=files__read",
        "--fact",
        "method=PUT",
    ];
    world
        .run(&hypothetical)
        .exits(0)
        .says(&["PUT", "example.com"]);
    let missing = &hypothetical[..9];
    world.run(missing).exits(6).says(&["--fact tool=VALUE"]);

    let new_case = ["policy", "new-case", &id, "--to", "policies/tests/new.toml"];
    world
        .run(&[&new_case[..], &["--name", "made"]].concat())
        .exits(1);
    fs::create_dir(world.path("policies/tests")).unwrap();
    world
        .run(&[&new_case[..], &["--name", "made"]].concat())
        .exits(0);
    world.run(&new_case).exits(0);
    world
        .run(&["policy", "test", "--all"])
        .exits(0)
        .says(&["made escalate large-refunds", "2 cases, 0 failed"]);
    let printed = world.run(&["policy", "new-case", &id]).exits(0);
    assert!(printed.out.contains("[[case]]"), "{printed:?}");
}

/// Arguments are for those who may see payloads.
#[test]
fn explaining_takes_the_right_to_see_arguments() {
    let world = busy();
    let list = world.json_lines(&["decisions", "list", "--outcome", "escalate"]);
    let id = list[0]["id"].as_str().unwrap();
    world.run(&["policy", "explain", id]).exits(3);
}
