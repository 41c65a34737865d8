use serde_json::json;
use tollgate_model::settings::Price;

use super::*;

fn used(attributes: Value) -> (Option<String>, Option<Usage>, bool) {
    let Value::Object(attributes) = attributes else {
        unreachable!()
    };
    let mut prices = PricesConfig::default();
    prices.models.insert(
        "gpt-5".into(),
        Price {
            input: 1_250_000_000,
            cached_input: 125_000_000,
            cache_write: 1_500_000_000,
            output: 10_000_000_000,
        },
    );
    of(&Facts::of(&attributes), &prices)
}

#[test]
fn a_known_model_is_priced_by_the_table() {
    let (model, usage, counts) = used(json!({
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2026-08-07",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.cache_read.input_tokens": 400,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cost": 99.0,
    }));
    assert_eq!(model.as_deref(), Some("gpt-5-2026-08-07"));
    assert!(counts);
    // 600 × 1250 + 400 × 125 + 100 × 10000 billionths.
    assert_eq!(usage.unwrap().cost_nano, Some(750_000 + 50_000 + 1_000_000));
}

#[test]
fn an_unknown_model_has_the_cost_that_its_sender_states_or_none() {
    let call = |extra: Value| {
        let mut call = json!({"llm.model_name": "gpt-5-mini", "llm.token_count.prompt": 10, "openinference.span.kind": "LLM"});
        if let (Some(call), Value::Object(extra)) = (call.as_object_mut(), extra) {
            call.extend(extra);
        }
        used(call).1.unwrap().cost_nano
    };
    assert_eq!(call(json!({})), None);
    assert_eq!(call(json!({"llm.cost.total": 0.25})), Some(250_000_000));
    assert_eq!(call(json!({"llm.cost.total": -1.0})), None);
    assert_eq!(call(json!({"llm.cost.total": 1e300})), None);
}

#[test]
fn a_sum_is_not_counted_again() {
    for sums in [
        json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 5}),
        json!({"openinference.span.kind": "AGENT", "gen_ai.usage.input_tokens": 5}),
    ] {
        let (_, usage, counts) = used(sums);
        assert!(usage.is_some() && !counts);
    }
}

#[test]
fn what_is_no_count_is_none() {
    for tokens in [json!(-1), json!(1.5), json!("9"), json!(u64::MAX)] {
        assert_eq!(used(json!({"gen_ai.usage.input_tokens": tokens})).1, None);
    }
}

#[test]
fn cached_tokens_are_counted_once_however_they_are_sent() {
    // 12 read afresh, 48,000 from the cache, 1,500 written to it.
    let spans = [
        json!({"gen_ai.usage.input_tokens": 12, "gen_ai.usage.cache_read.input_tokens": 48_000, "gen_ai.usage.cache_creation.input_tokens": 1_500}),
        json!({"gen_ai.usage.input_tokens": 49_512, "gen_ai.usage.cache_read.input_tokens": 48_000, "gen_ai.usage.cache_creation.input_tokens": 1_500}),
        json!({"gen_ai.usage.input_tokens": 49_512, "gen_ai.usage.cache_read.input_tokens": 48_000, "gen_ai.usage.cache_write.input_tokens": 1_500}),
        json!({"openinference.span.kind": "LLM", "llm.token_count.prompt": 49_512, "llm.token_count.prompt_details.cache_read": 48_000, "llm.token_count.prompt_details.cache_write": 1_500}),
    ];
    for mut span in spans {
        span["gen_ai.request.model"] = json!("gpt-5");
        let usage = used(span.clone()).1.unwrap();
        assert_eq!(usage.input_tokens, 49_512, "{span}");
        assert_eq!(
            (usage.cached_tokens, usage.cache_write_tokens),
            (48_000, 1_500)
        );
        let cost = 12 * 1_250 + 48_000 * 125 + 1_500 * 1_500;
        assert_eq!(usage.cost_nano, Some(cost), "{span}");
    }
}
