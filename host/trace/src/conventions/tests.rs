use serde_json::json;

use super::*;

fn attributes(value: Value) -> Attributes {
    serde_json::from_value(value).unwrap()
}

#[test]
fn every_name_means_one_thing() {
    let names: Vec<_> = DIALECTS
        .iter()
        .flat_map(|d| d.names)
        .map(|(_, n)| n)
        .collect();
    assert_eq!(names.len(), MEANING_OF.len());
}

#[test]
fn every_dialect_is_read_alike() {
    for span in [
        json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7, "gen_ai.conversation.id": "c", "gen_ai.input.messages": "hi"}),
        json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 7, "gen_ai.conversation.id": "c", "gen_ai.prompt": "hi"}),
        json!({"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.token_count.prompt": 7, "session.id": "c", "input.value": "hi"}),
        json!({"llm.request.type": "completion", "llm.request.model": "m", "llm.usage.prompt_tokens": 7, "traceloop.association.properties.session_id": "c", "traceloop.entity.input": "hi"}),
        json!({"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m", "ai.usage.promptTokens": 7, "ai.telemetry.metadata.sessionId": "c", "ai.prompt": "hi"}),
        json!({"langsmith.span.kind": "llm", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7, "langsmith.trace.session_id": "c", "langsmith.inputs": "hi"}),
    ] {
        let attributes = attributes(span);
        let facts = Facts::of(&attributes);
        assert_eq!(facts.role(), Role::Model, "{attributes:?}");
        assert_eq!(facts.text(Meaning::Model), Some("m"), "{attributes:?}");
        assert_eq!(
            facts.get(Meaning::InputTokens),
            Some(&json!(7)),
            "{attributes:?}"
        );
        assert_eq!(
            facts.text(Meaning::Conversation),
            Some("c"),
            "{attributes:?}"
        );
        assert_eq!(facts.text(Meaning::Input), Some("hi"), "{attributes:?}");
    }
}

#[test]
fn the_first_name_in_the_table_counts() {
    let attributes = attributes(json!({
        "session.id": "s", "gen_ai.conversation.id": "c",
        "gen_ai.request.model": "asked", "gen_ai.response.model": "answered",
    }));
    let facts = Facts::of(&attributes);
    assert_eq!(facts.text(Meaning::Conversation), Some("c"));
    assert_eq!(facts.text(Meaning::Model), Some("answered"));
}

#[test]
fn an_outer_span_of_the_vercel_sdk_sums_up() {
    let attributes = attributes(json!({"ai.operationId": "ai.generateText"}));
    assert_eq!(Facts::of(&attributes).role(), Role::Agent);
}
