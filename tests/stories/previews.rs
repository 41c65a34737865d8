//! An approver sees what a waiting call would do before answering.

use tollgate::{
    enforce::{ApprovalError, CallOutcome},
    gate::{Gate, PreviewView},
    load::LoadError,
};
use tollgate_model::{
    ids::ApprovalId,
    life::ApprovalState,
    record::{AdminAction, Event},
    request::Action,
};
use tollgate_testkit::world::{REFUND, World, approve, call, is_released, pending, records, user};

const DRY_RUN: &str = "preview = \"dry-run\"\n";
const QUOTE: &str = "preview = { tool = \"payments__quote\", arguments = { amount = \"/amount\", currency = \"/currency\" } }\n";

/// Who approves refunds may see what they would do; and an order is refunded once a day.
const POLICIES: &str = r#"
@id("finance-previews") @owner("finance") @reason("Finance looks first.")
permit (principal in Tollgate::Role::"finance", action == Tollgate::Action::"preview_call", resource == Tollgate::Tool::"payments__refund");
@id("finance-quotes") @owner("finance") @reason("Finance asks what payments cost.")
permit (principal in Tollgate::Role::"finance", action == Tollgate::Action::"payments__quote", resource);
@id("one-refund") @owner("finance") @reason("One refund a day.")
forbid (principal, action == Tollgate::Action::"payments__refund", resource) when { context.facts.refunds > 0 };
"#;

/// A gate whose refunds have this preview.
fn world(preview: &str, policies: &str) -> World {
    let world = World::new(policies);
    world.configure(
        "[tools.payments__refund]\n",
        &format!(
            "[facts.refunds]\nkind = \"count\"\nof = [\"payments__refund\"]\nby = [\"tenant\"]\nwithin = \"24h\"\n\
             [tools.payments__refund]\n{preview}"
        ),
    );
    world
}

/// A refund that waits.
async fn waiting(gate: &Gate) -> ApprovalId {
    pending(&call(gate, "r", "payments__refund", REFUND).await)
}

async fn preview(gate: &Gate, name: &str, id: ApprovalId) -> Result<PreviewView, ApprovalError> {
    gate.preview(&user(name), id, (None, "rest")).await
}

/// That the approval waits as before, and the refund happens once it is given.
async fn goes_on(world: &World, gate: &Gate, id: ApprovalId) {
    let row = gate.ledger().reader().approval(id).unwrap().unwrap();
    assert_eq!(row.state, ApprovalState::Pending);
    assert_eq!(row.answers.len(), 0);
    assert_eq!(world.refunds(), 0);
    approve(gate, "dana", id).await.unwrap();
    let made = call(gate, "r", "payments__refund", REFUND).await;
    assert!(is_released(&made), "{made:?}");
    assert_eq!(world.refunds(), 1);
}

#[tokio::test]
async fn a_dry_run_reads_and_writes_nothing() {
    let world = world(DRY_RUN, POLICIES);
    let gate = world.open().await;
    let id = waiting(&gate).await;
    let shown = preview(&gate, "dana", id).await.unwrap();
    assert_eq!(shown.tool, "preview:payments__refund");
    assert_eq!(shown.outcome, CallOutcome::ToolError, "{shown:?}");
    let row = gate.ledger().reader().approval(id).unwrap().unwrap();
    assert_eq!(shown.digest, row.shown_digest().as_str());

    let of_dana = records(&gate, shown.run.unwrap());
    let decided = |action: &Action| {
        of_dana.iter().any(|record| match &record.event {
            Event::Decision(decision) => decision.action == *action,
            _ => false,
        })
    };
    assert!(decided(&Action::PreviewCall));
    assert!(decided(&Action::ReadFile), "it has read the order");
    assert!(!decided(&Action::WriteFile));
    let refused = of_dana.iter().any(|record| match &record.event {
        Event::ComponentLog(log) => log.message.contains("this is a preview"),
        _ => false,
    });
    assert!(refused, "{of_dana:#?}");
    let of_agent = records(&gate, row.run);
    let noted = of_agent.iter().filter(|record| {
        matches!(&record.event, Event::Administered(act)
            if act.action == AdminAction::ApprovalPreviewed && act.by == "dana")
    });
    assert_eq!(noted.count(), 1);
    goes_on(&world, &gate, id).await;
    gate.close().await;
}

#[tokio::test]
async fn another_tool_shows_what_a_call_would_do() {
    let world = world(QUOTE, POLICIES);
    let gate = world.open().await;
    let id = waiting(&gate).await;
    let shown = preview(&gate, "dana", id).await.unwrap();
    assert_eq!(shown.tool, "payments__quote");
    assert_eq!(shown.outcome, CallOutcome::Ok, "{shown:?}");
    assert!(shown.text.contains("A payment of"), "{}", shown.text);
    goes_on(&world, &gate, id).await;
    let late = preview(&gate, "dana", id).await;
    assert!(
        matches!(late, Err(ApprovalError::Resolved { .. })),
        "{late:?}"
    );
    gate.close().await;
}

#[tokio::test]
async fn a_preview_that_policy_denies_changes_nothing() {
    for preview in [DRY_RUN, QUOTE] {
        let policies = POLICIES.replace("permit (principal in", "forbid (principal in");
        let world = world(preview, &policies);
        let gate = world.open().await;
        let id = waiting(&gate).await;
        let shown = self::preview(&gate, "dana", id).await.unwrap();
        assert_eq!(shown.outcome, CallOutcome::Denied, "{shown:?}");
        assert!(shown.text.contains("finance-"), "{}", shown.text);
        assert!(shown.decision.is_some());
        goes_on(&world, &gate, id).await;
        gate.close().await;
    }
}

#[tokio::test]
async fn only_who_may_approve_a_call_gets_a_preview_of_it() {
    let permit_all =
        "@id(\"all\") @owner(\"t\") permit (principal, action, resource is Tollgate::Tool);";
    let world = world(DRY_RUN, &format!("{POLICIES}{permit_all}"));
    let gate = world.open().await;
    let id = waiting(&gate).await;
    // alice operates the agent, and eve has no role.
    for name in ["alice", "eve"] {
        let refused = preview(&gate, name, id).await;
        assert!(
            matches!(
                refused,
                Err(ApprovalError::NotPreviewed(_) | ApprovalError::NotFound(_))
            ),
            "{name}: {refused:?}"
        );
    }
    // Agents have no such action, also where policy permits it.
    let own = call(&gate, "r", "preview:payments__refund", REFUND).await;
    assert_eq!(own.outcome(), CallOutcome::Undecidable, "{own:?}");
    goes_on(&world, &gate, id).await;
    gate.close().await;
}

#[tokio::test]
async fn what_does_more_than_read_is_no_preview() {
    for (preview, problem) in [
        (
            "preview = \"files__write\"",
            "does not say that it only reads",
        ),
        ("preview = \"files__list\"", "has the label"),
        (
            "preview = \"payments__qoute\"",
            "did you mean `payments__quote`?",
        ),
    ] {
        let world = world(&format!("{preview}\n"), POLICIES);
        match world.try_open().await {
            Err(error @ LoadError::Preview { .. }) => {
                assert!(error.to_string().contains(problem), "{error}");
            }
            other => panic!("{preview}: {other:?}"),
        }
    }
}
