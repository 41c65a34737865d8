//! Synthetic runs: what their steps say, and where two of them part.

mod story;

use std::collections::BTreeSet;

use proptest::prelude::*;
use tollgate_model::{
    decision::{Approvers, DeterminingPolicy, PolicyRef, Requirement, Severity},
    entity::Kind,
    ids::RunId,
    record::{
        ApprovalAnswered, ApprovalRequested, ApprovalResolved, Arrival, CallInvalid,
        DecisionRecord, Effect, Event, OutcomeRecord, RunEnded, RunStarted, Start,
    },
    request::Action,
};

use super::*;
use crate::self_report::{SelfReport, SelfReportTopic};
use story::*;

fn verdict(story: &Story) -> Option<(Phase, String)> {
    let verdict = findings(&story.steps()).verdict?;
    Some((verdict.phase, verdict.why))
}

#[test]
fn what_was_wrong_to_ask_for_is_planning() {
    let mut story = Story::new();
    story.ran(TOOL, "1", Status::Ok);
    story.denied("crm__export", "all");
    assert_eq!(
        verdict(&story),
        Some((Phase::Planning, "denied by no-exports".into()))
    );

    let mut story = Story::new();
    let call = story.span();
    story.add(Event::CallInvalid(CallInvalid {
        arrival: Arrival::default(),
        call,
        caller_span: None,
        parent: None,
        pointers: vec!["/id".into()],
        principal: Uid::new(Kind::Agent, "support"),
        problem: "invalid_arguments".into(),
        tool: TOOL.into(),
    }));
    assert_eq!(
        verdict(&story),
        Some((Phase::Planning, "invalid arguments /id".into()))
    );

    let mut story = Story::new();
    story.asks("payments__refund", false);
    assert_eq!(
        verdict(&story),
        Some((Phase::Planning, "rejected by dana".into()))
    );

    let mut story = Story::new();
    story.refused_within("crm__write");
    assert_eq!(
        verdict(&story),
        Some((
            Phase::Planning,
            "write_file crm/data:/b was refused by only-notes".into()
        ))
    );
}

#[test]
fn what_was_allowed_and_failed_is_execution() {
    for (status, why) in [
        (Status::ToolError, "tool error"),
        (Status::Timeout, "timeout"),
        (Status::Indeterminate, "indeterminate"),
    ] {
        let mut story = Story::new();
        story.ran(TOOL, "1", status);
        assert_eq!(verdict(&story), Some((Phase::Execution, why.into())));
    }
}

#[test]
fn what_fails_again_is_recovery() {
    let mut story = Story::new();
    story.ran(TOOL, "1", Status::Timeout);
    let again = story.ran(TOOL, "1", Status::Timeout);
    let found = findings(&story.steps());
    let verdict = found.verdict.unwrap();
    assert_eq!(
        (verdict.phase, verdict.call),
        (Phase::Recovery, Some(again))
    );
    assert_eq!(found.repeats, 1);

    // A second attempt does not count as a failed recovery; a third does.
    let mut story = Story::new();
    story.ran(TOOL, "1", Status::Timeout);
    story.ran(TOOL, "2", Status::Timeout);
    assert_eq!(
        findings(&story.steps()).verdict.unwrap().phase,
        Phase::Execution
    );
    story.ran(TOOL, "3", Status::Timeout);
    assert_eq!(
        findings(&story.steps()).verdict.unwrap().phase,
        Phase::Recovery
    );
}

#[test]
fn what_succeeded_in_the_end_is_no_failure() {
    let mut story = Story::new();
    story.ran(TOOL, "1", Status::Timeout);
    let second = story.ran(TOOL, "1", Status::Ok);
    let found = findings(&story.steps());
    assert_eq!(found.verdict, None);
    assert_eq!(
        (found.recovered, found.failed[0].recovered_by),
        (1, Some(second))
    );
    story.end(RunOutcome::Failed);
    let verdict = findings(&story.steps()).verdict.unwrap();
    assert_eq!((verdict.phase, verdict.call), (Phase::Planning, None));

    // Who says that the run did what it was for knows better than its steps.
    let mut story = Story::new();
    story.ran(TOOL, "1", Status::ToolError);
    story.end(RunOutcome::Success);
    assert_eq!(findings(&story.steps()).verdict, None);
}

#[test]
fn the_slowest_step_says_how_long_it_waited_for_a_person() {
    let mut story = Story::new();
    story.ran(TOOL, "1", Status::Ok);
    let slow = story.asks("payments__refund", true);
    let slowest = findings(&story.steps()).slowest.unwrap();
    assert_eq!(slowest.call, slow);
    assert_eq!((slowest.micros, slowest.waited), (6070, 2000));
}

#[test]
fn two_runs_are_told_apart_at_the_first_wrong_decision() {
    let mut good = Story::new();
    good.ran(TOOL, "ticket", Status::Ok);
    good.ran(TOOL, "customer", Status::Ok);
    good.ran("crm__note", "answered", Status::Ok);
    good.end(RunOutcome::Success);
    let mut bad = Story::new();
    bad.ran(TOOL, "ticket", Status::Ok);
    bad.ran(TOOL, "customer", Status::Ok);
    bad.denied("crm__export", "all");
    bad.ran("crm__note", "answered", Status::Ok);
    bad.end(RunOutcome::Failed);
    let found = diff(&good.steps(), &bad.steps());
    assert_eq!((found.first, found.first_decision), (Some(2), Some(2)));
    let parted = &found.steps[2];
    assert_eq!((parted.a, parted.b), (None, Some(2)));
    assert_eq!(parted.differs[0].b, "crm__export denied");
    // What comes after is alike again.
    assert_eq!(found.steps[3].differs, []);
    assert_eq!(found.runs[0].what, DifferenceKind::Outcome);
    assert!(!found.is_same());
}

#[test]
fn what_differs_in_a_step_is_named() {
    let mut one = Story::new();
    one.ran(TOOL, "1", Status::Ok);
    one.refused_within("crm__write");
    let mut other = Story::new();
    other.ran(TOOL, "2", Status::Timeout);
    other.denied("crm__write", "{}");
    let found = diff(&one.steps(), &other.steps());
    let what = |at: usize| {
        let differs = found.steps[at].differs.iter();
        differs.map(|d| d.what).collect::<Vec<_>>()
    };
    use DifferenceKind as D;
    assert_eq!(what(0), [D::Arguments, D::Result, D::Outcome]);
    assert_eq!(
        what(1),
        [D::Decision, D::Effects, D::Labels, D::Result, D::Outcome]
    );
}

#[test]
fn what_evidence_is_missing_is_named() {
    let mut story = Story::new();
    let call = story.ran(TOOL, "1", Status::Ok);
    story.asks("payments__refund", false);
    let whats = |view: &CaseView| view.missing.iter().map(|gap| gap.what).collect::<Vec<_>>();
    let view = CaseView::of(&story.steps(), &RunEvidence::default());
    assert_eq!(
        whats(&view),
        [
            "request",
            "context",
            "model",
            "versions",
            "summaries",
            "end"
        ]
    );

    story.end(RunOutcome::Success);
    let tell = |topic, call| SelfReport {
        topic,
        text: "x".into(),
        call,
        at: Timestamp(0),
    };
    let mut evidence = RunEvidence {
        self_reports: [
            SelfReportTopic::Request,
            SelfReportTopic::Context,
            SelfReportTopic::Result,
            SelfReportTopic::PromptVersion,
            SelfReportTopic::WorkflowVersion,
        ]
        .map(|topic| tell(topic, None))
        .to_vec(),
        model_spans: 2,
        ..RunEvidence::default()
    };
    evidence
        .self_reports
        .push(tell(SelfReportTopic::Summary, Some(call)));
    let view = CaseView::of(&story.steps(), &evidence);
    assert_eq!(whats(&view), ["summaries"]);
    assert!(
        view.missing[0]
            .why
            .starts_with("1 of 2 calls have no reported reason")
    );
    assert_eq!(view.actions[0].self_reports.len(), 1);
    assert_eq!(view.enforcement.decisions.get("escalate"), Some(&1));
    assert_eq!(
        view.enforcement.approvals[0].by,
        [("dana".to_owned(), false)]
    );
    assert_eq!(
        view.signals.labels.get("private").map(String::as_str),
        Some(TOOL)
    );
}

#[test]
fn a_case_reads_the_same_as_json() {
    let mut story = Story::new();
    story.ran(TOOL, "1", Status::Ok);
    story.refused_within("crm__write");
    story.asks("payments__refund", true);
    story.end(RunOutcome::Success);
    let view = CaseView::of(&story.steps(), &RunEvidence::default());
    insta::assert_json_snapshot!(view);
}

/// Runs of random steps.
fn stories() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((0..3_u8, 0..3_u8, 0..4_u8), 0..12)
}

fn told(plan: &[(u8, u8, u8)]) -> RunSteps {
    let mut story = Story::new();
    for (tool, arguments, how) in plan {
        let (tool, arguments) = (format!("t__{tool}"), arguments.to_string());
        match how {
            0 => story.denied(&tool, &arguments),
            1 => story.ran(&tool, &arguments, Status::ToolError),
            _ => story.ran(&tool, &arguments, Status::Ok),
        };
    }
    story.steps()
}

proptest! {
    #[test]
    fn every_step_is_aligned_once_and_in_order(a in stories(), b in stories()) {
        let (a, b) = (told(&a), told(&b));
        let found = diff(&a, &b);
        let left: Vec<usize> = found.steps.iter().filter_map(|pair| pair.a).collect();
        let right: Vec<usize> = found.steps.iter().filter_map(|pair| pair.b).collect();
        prop_assert_eq!(left, (0..a.steps.len()).collect::<Vec<_>>());
        prop_assert_eq!(right, (0..b.steps.len()).collect::<Vec<_>>());
        for pair in &found.steps {
            if let (Some(x), Some(y)) = (pair.a, pair.b) {
                prop_assert_eq!(&a.steps[x].tool, &b.steps[y].tool);
            }
        }
        let other = diff(&b, &a);
        prop_assert_eq!(found.first.is_some(), other.first.is_some());
    }

    #[test]
    fn a_run_does_not_differ_from_itself(plan in stories()) {
        let run = told(&plan);
        prop_assert!(diff(&run, &run).is_same());
    }

    #[test]
    fn only_what_was_not_recovered_is_a_failure(plan in stories()) {
        let found = findings(&told(&plan));
        let open = found.failed.iter().any(|failed| failed.recovered_by.is_none());
        prop_assert_eq!(found.verdict.is_some(), open);
    }
}
