//! Standing approvals, as their approver gives, watches and revokes them.

use serde_json::{Value, json};
use tollgate_testkit::{
    command::{REFUND, World},
    install_policies,
};

const AS_DANA: [&str; 4] = ["--as", "dana", "--token-file", "dana.token"];

fn world() -> World {
    let world = World::new();
    world.configure(
        "[components.files]",
        "[approvals.standing]\nmax_lifetime = \"8h\"\n[components.files]",
    );
    let policies = ["standing-approvals", "edited-approvals"];
    install_policies(&policies, &world.path("policies"));
    world.configure(
        "[tools.files__read]",
        "[tools.payments__refund]\nlabels = []\ntaints = []\n[tools.files__read]",
    );
    world.create_token_of_dana();
    world
}

fn refund(amount: u64) -> String {
    json!({ "order": "A-1", "amount": amount, "currency": "EUR", "reason": "broken" }).to_string()
}

fn call(world: &World, amount: u64, exit: i32) {
    let refund = refund(amount);
    world
        .run(&["call", "payments__refund", "--args", &refund])
        .exits(exit);
}

/// Dana approves what waits, and the calls like it. Returns the standing approval.
fn approve_the_like(world: &World, uses: &str) -> String {
    let id = world.pending();
    let differ = ["--any-run", "--differ", "/amount=at-most:7000"];
    let terms = ["--yes", "--standing", "1h", "--uses", uses];
    let approve = ["approvals", "approve", &id];
    let answered = world.json(&[&approve[..], &terms, &differ, &AS_DANA].concat());
    assert_eq!(answered["state"], "approved");
    answered["standing"].as_str().unwrap().to_owned()
}

fn standing(world: &World, verb: &str, id: &str) -> Value {
    world.json(&[&["approvals", "standing", verb, id][..], &AS_DANA].concat())
}

#[test]
fn it_is_used_three_times_and_runs_out_and_the_next_is_revoked() {
    let world = world();
    world.run(REFUND).exits(4);
    let first = approve_the_like(&world, "3");
    world.run(REFUND).exits(0);
    for amount in [5001, 7000, 6500] {
        call(&world, amount, 0);
    }
    assert_eq!(world.refunds(), 4, "and no one was asked");
    world
        .run(&["runs", "show"])
        .exits(0)
        .says(&[&format!("approved in advance by {first}")]);

    let used_up = standing(&world, "show", &first);
    assert_eq!(used_up["state"], "exhausted");
    let uses = used_up["uses"].as_array().unwrap();
    assert_eq!(uses.len(), 3);
    let decision = uses[0].as_str().unwrap();
    world
        .run(&["decisions", "show", decision])
        .exits(0)
        .says(&["call payments__refund", &first]);
    call(&world, 5002, 4);
    assert_eq!(world.refunds(), 4);

    let second = approve_the_like(&world, "9");
    call(&world, 5002, 0);
    call(&world, 5003, 0);
    world
        .run(&["approvals", "standing", "list"])
        .exits(0)
        .says(&[&second, "1 of 9", "any run", "dana"]);
    let revoked = standing(&world, "revoke", &second);
    assert_eq!(
        (&revoked["state"], &revoked["by"]),
        (&json!("revoked"), &json!("dana"))
    );
    call(&world, 5004, 4);
    assert_eq!(world.refunds(), 6);
    let ended = world.json(&["approvals", "standing", "list", "--all"]);
    assert_eq!(ended[0]["state"], "revoked");
    assert_eq!(ended[1]["state"], "exhausted");

    let stats = world.json(&["stats", "--by", "policy"]);
    let cost = &stats["policies"][0];
    assert_eq!(cost["policy"], "large-refunds");
    let numbers = ["questions", "answers", "approved", "in_advance"];
    assert_eq!(
        numbers.map(|name| cost[name].as_u64()),
        [3, 2, 2, 4].map(Some)
    );
    let listed = world.run(&["stats", "--by", "policy"]).exits(0);
    listed.says(&["large-refunds", "100 %"]);
}

#[test]
fn it_covers_no_more_than_was_said() {
    let world = world();
    world.run(REFUND).exits(4);
    let id = world.pending();
    let approve = [&["approvals", "approve", &id, "--yes"][..], &AS_DANA].concat();
    let wide = [
        &approve[..],
        &["--standing", "1h", "--uses", "3", "--differ", "/order=any"],
    ]
    .concat();
    world.run(&wide).exits(1).says(&["/order", "one_of"]);
    let long = [&approve[..], &["--standing", "9h", "--uses", "3"]].concat();
    world.run(&long).exits(1).says(&["28800 seconds"]);
    world.run(REFUND).exits(4);
    assert_eq!(world.refunds(), 0, "nothing was answered");

    approve_the_like(&world, "3");
    world.run(REFUND).exits(0);
    call(&world, 7001, 4);
    assert_eq!(world.refunds(), 1);
}

#[test]
fn an_approver_edits_a_call_and_answers_a_question_of_two() {
    let world = world();
    let first = refund(6000);
    let call = ["call", "payments__refund", "--run", "r", "--args"];
    world.run(&[&call[..], &[&first]].concat()).exits(4);
    let id = world.pending();
    let other = refund(6001);
    world.run(&[&call[..], &[&other]].concat()).exits(4);
    let show = [&["approvals", "show", &id][..], &AS_DANA].concat();
    world
        .run(&show)
        .exits(0)
        .says(&["What waits for the same reason", "6001", "digest of all"]);
    let shown = world.json(&show);
    let digest = shown["question_digest"].as_str().unwrap();
    let all = [
        "approvals",
        "approve",
        &id,
        "--yes",
        "--question",
        "--digest",
        digest,
    ];
    let answered = world.json(&[&all[..], &AS_DANA].concat());
    assert_eq!(answered["others"][0]["state"], "approved");
    world.run(&[&call[..], &[&first]].concat()).exits(0);
    world.run(&[&call[..], &[&other]].concat()).exits(0);

    world.run(&[&call[..], &[&first]].concat()).exits(4);
    let id = world.pending();
    let less = refund(5500);
    let edit = ["approvals", "approve", &id, "--yes", "--edit", &less];
    world.run(&[&edit[..], &AS_DANA].concat()).exits(0);
    world
        .run(&[&call[..], &[&first]].concat())
        .exits(0)
        .says(&["dana changed /amount before approving it", "5500"]);
    assert_eq!(world.refunds(), 3);
}

#[test]
fn nothing_is_approved_unseen() {
    let world = world();
    let forbid = r#"@id("at-the-command-line") @owner("tests") @reason("People answer at the command line.")
        forbid (principal, action == Tollgate::Action::"approve", resource)
        unless { context.channel == "cli" };"#;
    std::fs::write(world.path("policies/channel.cedar"), forbid).unwrap();
    world.run(REFUND).exits(4);
    let id = world.pending();
    let approve =
        |more: &[&str]| world.run(&[&["approvals", "approve", &id][..], more, &AS_DANA].concat());
    approve(&[])
        .exits(2)
        .says(&["\"amount\": 6000", "no terminal to ask on"]);
    approve(&["--question", "--yes"])
        .exits(2)
        .says(&["needs the --digest"]);
    assert_eq!(world.pending(), id);
    approve(&["--yes"]).exits(0);
}

#[test]
fn nothing_is_proposed_from_arguments_that_no_one_may_read_or_that_strangers_wrote() {
    let world = world();
    for amount in [5001, 5200, 6000] {
        call(&world, amount, 4);
        let id = world.pending();
        let approve = ["approvals", "approve", &id, "--yes"];
        world.run(&[&approve[..], &AS_DANA].concat()).exits(0);
        call(&world, amount, 0);
    }
    let suggest = ["policy", "suggest", "--answers"];
    let reasons = |world: &World| {
        let found = world.json(&suggest);
        assert_eq!(found["proposals"], json!([]));
        found["omitted"][0]["reasons"].to_string()
    };
    let unread = reasons(&world);
    assert!(unread.contains("you may not read them"), "{unread}");
    let reads = r#"@id("operators-read-arguments") @owner("tests") @reason("For proposals.")
permit (
  principal in Tollgate::Role::"operator",
  action == Tollgate::Action::"view_payload",
  resource is Tollgate::Run
);
"#;
    std::fs::write(world.path("policies/reads.cedar"), reads).unwrap();
    // The order number comes from the result of the first refund, which anyone may have written.
    let directed = reasons(&world);
    assert!(
        directed.contains("2 approved calls left out: what strangers wrote")
            && directed.contains("1 of 5"),
        "{directed}"
    );
}
