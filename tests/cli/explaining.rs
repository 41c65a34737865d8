//! What is said of a call that was never to be: a name that is not configured, arguments that do not fit.

use tollgate_testkit::command::World;

#[test]
fn a_hypothetical_call_that_cannot_be_says_why() {
    let world = World::new();
    let explain = |principal: &str, args: &str| {
        world.run(&[
            "policy",
            "explain",
            "--principal",
            principal,
            "--action",
            "files__read",
            "--args",
            args,
        ])
    };
    explain("Agent::support", r#"{"path":"a"}"#).exits(0);
    explain("Agent::suport", r#"{"path":"a"}"#)
        .exits(6)
        .says(&["there is no agent `suport`", "did you mean `support`?"]);
    explain("User::bob", r#"{"path":"a"}"#)
        .exits(6)
        .says(&["there is no user `bob`", "[users.bob]"]);
    let missing = explain("Agent::support", "{}").exits(6);
    missing.says(&["do not match the schema of `files__read`", "\"path\""]);
}

#[test]
fn a_misspelt_argument_is_said_once() {
    let world = World::new();
    let called = world.run(&["call", "files__read", "--args", r#"{"pth":"a"}"#]);
    let called = called.exits(6).says(&["`/pth`:", "did you mean `path`?"]);
    for none in ["`/`", "?."] {
        assert!(!called.out.contains(none), "{called:?}");
    }
    assert_eq!(called.out.matches("pth").count(), 1, "{called:?}");
}
