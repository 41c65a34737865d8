//! Results that the gate cannot use: the call has run, and counts.

use super::*;

const FACTS: &str = r#"
[facts.reads]
of = ["box__read"]
outcome = "not_failed"
by = ["user"]
within = "1h"
"#;

const LIMIT: &str = r#"
@id("two-reads") @owner("tests") @reason("Two letters an hour.")
forbid (principal, action == Tollgate::Action::"box__read", resource)
when { context.facts.reads >= 2 };
"#;

/// What the tool returns is at most twenty characters long, as its schema says.
fn bounded() -> Value {
    let mut read = tool("read", "Reads a letter.");
    read["outputSchema"] =
        json!({"type": "object", "properties": {"id": {"type": "string", "maxLength": 20}}});
    read
}

fn returned(id: &str, failed: bool) -> CallResult {
    CallResult::Returned {
        content: vec![Content::Structured(json!({ "id": id }))],
        failed,
    }
}

#[tokio::test]
async fn a_call_whose_result_is_not_usable_counts() {
    let scripted = Scripted::new();
    scripted.script().tools = vec![bounded(), tool("write", ""), tool("odd.name", "")];
    let world = World::new(&format!("{POLICIES}{LIMIT}"));
    let config = format!("{}{UPSTREAM}{FACTS}", world.read("tollgate.toml"));
    world.write("tollgate.toml", &config);
    let seen = seen(&world, &scripted).await;
    let gate = Gate::open_accepting(
        world.config(),
        options(&world, &scripted),
        &user("alice"),
        &seen,
    )
    .await
    .unwrap();
    let long = "a very long name of a recipient";
    for (ending, effective) in [
        (returned("no", true), false),
        (CallResult::NotSent("the pipe is closed".into()), false),
        (CallResult::Unusable("it is empty".into()), true),
        (returned(long, false), true),
    ] {
        let shown = format!("{ending:?}");
        scripted.then(ending);
        let answer = call(&gate, "r", "box__read", READ).await;
        failure(&answer);
        let outcome = outcome(&gate, &answer);
        assert_eq!(outcome.status, Status::ToolError, "{shown}");
        assert_eq!(outcome.effective, effective, "{shown}");
    }
    let sent = scripted.sent();
    let denied = call(&gate, "r", "box__read", READ).await;
    assert_eq!(denied_by(&denied), ["two-reads"]);
    assert_eq!(scripted.sent(), sent);
}
