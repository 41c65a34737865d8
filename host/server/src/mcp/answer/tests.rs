use std::collections::BTreeSet;

use tollgate::{
    enforce::Refusal,
    tool::{FailureKind, ToolFailure},
};
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Basis, Redaction, Requirement, Severity},
    ids::{ApprovalId, DecisionId, SpanId},
    record::Status,
    time::Timestamp,
};

use super::*;

fn answered(verdict: Verdict) -> Answer {
    Answer {
        edit: None,
        run: None,
        call: SpanId::from_bytes([1; 8]),
        decision: Some(DecisionId(7)),
        redacted_arguments: Box::default(),
        verdict,
    }
}

fn shown(verdict: Verdict, legacy: bool) -> Value {
    serde_json::to_value(result(answered(verdict), None, legacy)).unwrap()
}

#[test]
fn an_answer_without_a_result_is_one_text_and_never_structured() {
    let failed = ToolFailure {
        kind: FailureKind::Failed,
        message: "there is no such file".into(),
    };
    let ended = |effects| Verdict::Ended {
        status: Status::Timeout,
        effects,
    };
    let waits = Refusal::Pending {
        decision: DecisionId(7),
        basis: Box::new(Basis {
            bundle: Sha256Digest::of(b""),
            determining: Vec::new(),
            errors: Vec::new(),
            no_policies: false,
            redact: BTreeSet::new(),
            redacted: Redaction::default(),
            shadow: None,
        }),
        approval: ApprovalId::from_bytes([2; 8]),
        requirement: Box::new(Requirement {
            alternatives: Vec::new(),
            lifts: BTreeSet::new(),
            severity: Severity::default(),
        }),
        expires: Timestamp(1),
        happened: Vec::new(),
    };
    let halted = Refusal::Halted {
        reason: "stopped".into(),
    };
    for (verdict, outcome, retry) in [
        (Verdict::ToolError(failed), "tool_error", Value::Null),
        (ended(false), "failed", Value::Null),
        (ended(true), "indeterminate", json!("after_a_look")),
        (Verdict::Refused(waits), "waiting", json!("when_approved")),
        (Verdict::Refused(halted), "halted", json!("never_unchanged")),
        (
            Verdict::Refused(Refusal::RunEnded),
            "run_ended",
            json!("never_unchanged"),
        ),
    ] {
        let shown = shown(verdict, false);
        assert_eq!(shown["isError"], true, "{outcome}");
        assert_eq!(shown["content"].as_array().unwrap().len(), 1, "{outcome}");
        assert_eq!(shown["content"][0]["type"], "text");
        assert!(shown.get("structuredContent").is_none(), "{outcome}");
        assert_eq!(shown["_meta"][DECISION]["outcome"], outcome);
        assert_eq!(shown["_meta"][DECISION]["retry"], retry, "{outcome}");
    }
}

#[test]
fn a_call_that_waits_names_the_tool_that_resumes_it() {
    let view = AnswerView {
        edit: None,
        outcome: CallOutcome::Waiting,
        run: None,
        call: SpanId::from_bytes([1; 8]),
        decision: None,
        policies: Vec::new(),
        approval: Some(tollgate::enforce::PendingView {
            id: ApprovalId::from_bytes([2; 8]),
            needs: "finance".into(),
            expires: Timestamp(1),
            happened: Vec::new(),
        }),
        redacted_arguments: BTreeSet::new(),
    };
    let text = advised("Waiting.".into(), &view);
    assert!(text.contains(r#"tollgate_resume with {"approval_id":"apr-0202020202020202"}"#));
}

#[test]
fn a_model_learns_that_its_arguments_were_redacted() {
    let verdict = Verdict::Released {
        content: vec![Content::Text {
            text: "done".into(),
        }],
        redacted: false,
    };
    let answer = Answer {
        redacted_arguments: Box::new(BTreeSet::from(["/note".to_owned()])),
        ..answered(verdict)
    };
    let shown = serde_json::to_value(result(answer, None, false)).unwrap();
    assert_eq!(
        shown["content"][1]["text"],
        "[policy has removed parts of the arguments before the call: /note]"
    );
    assert_eq!(
        shown["_meta"][DECISION]["redacted_arguments"],
        json!(["/note"])
    );
}

#[test]
fn a_success_that_is_less_than_promised_stays_a_success() {
    let schema =
        json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let object = || vec![Content::Structured(json!({"n": "[redacted]"}))];
    let cut = || {
        vec![Content::Text {
            text: "[cut: ..]".into(),
        }]
    };
    let listed = Value::Object(output::listed(&schema).unwrap());
    let check = jsonschema::validator_for(&listed).unwrap();
    for (content, redacted) in [(object(), true), (cut(), false)] {
        let result = released(content, redacted, Some(&schema), true);
        assert_eq!(result.is_error, Some(false));
        assert!(check.is_valid(&result.structured_content.unwrap()));
    }
    let whole = released(
        vec![Content::Structured(json!({"n": 1}))],
        false,
        Some(&schema),
        true,
    );
    assert_eq!(whole.structured_content, Some(json!({"n": 1})));
    // Clients check nothing that is not listed.
    let unlisted = json!({"type": "object", "oneOf": []});
    let redacted = released(object(), true, Some(&unlisted), true);
    assert_eq!(
        redacted.structured_content,
        Some(json!({"n": "[redacted]"}))
    );
}

#[test]
fn content_becomes_blocks_and_structured_data_stands_beside_them() {
    let released = |content, redacted| Verdict::Released { content, redacted };
    let picture = Content::Image {
        data: vec![1, 2, 3],
        media_type: "image/png".into(),
    };
    let text = Content::Text { text: "x".into() };
    let object = Content::Structured(json!({"n": 1}));
    let all = shown(released(vec![text, picture, object.clone()], false), true);
    assert_eq!(all["isError"], false);
    assert_eq!(all["content"][0], json!({"type": "text", "text": "x"}));
    assert_eq!(all["content"][1]["data"], "AQID");
    assert_eq!(all["structuredContent"], json!({"n": 1}));
    // A lone value is sent as text as well. Older clients get a value that is not an object as text only.
    let alone = shown(released(vec![object], false), true);
    assert_eq!(alone["content"][0]["text"], r#"{"n":1}"#);
    let list = released(vec![Content::Structured(json!([1]))], false);
    assert!(shown(list.clone(), true).get("structuredContent").is_none());
    assert_eq!(shown(list, false)["structuredContent"], json!([1]));
    let redacted = shown(
        released(vec![Content::Structured(json!({"a": "[redacted]"}))], true),
        true,
    );
    assert!(
        redacted["content"][1]["text"]
            .as_str()
            .unwrap()
            .contains("policy has removed")
    );
}
