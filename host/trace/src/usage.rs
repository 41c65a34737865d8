//! Tokens and cost of a reported span, by the names that instrumentations give them.

use serde_json::Value;
use tollgate::config::PricesConfig;

use crate::store::{Attributes, Usage};

/// Tokens of one call at most: a sender's number beyond that is none.
const MAX_TOKENS: u64 = 1_000_000_000;
/// Billionths that one call costs at most.
const MAX_COST: u64 = 1_000_000_000_000;

const INPUT: &[&str] = &[
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
];
const OUTPUT: &[&str] = &[
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
];
const CACHED: &[&str] = &[
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
];
const MODEL: &[&str] = &[
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.model_name",
    "embedding.model_name",
];
const COST: &[&str] = &["gen_ai.usage.cost", "llm.cost.total", "operation.cost"];

/// Operations whose spans sum up what others have used.
const SUMS: &[&str] = &[
    "invoke_agent",
    "create_agent",
    "invoke_workflow",
    "execute_tool",
];
/// Kinds of OpenInference that call a model.
const CALLS: &[&str] = &["LLM", "EMBEDDING", "RERANKER"];

/// The model, what the call has used, and whether that is the call's own. The price table's cost comes
/// before what the sender says.
pub(crate) fn of(
    attributes: &Attributes,
    prices: &PricesConfig,
) -> (Option<String>, Option<Usage>, bool) {
    let first = |names: &[&str]| names.iter().find_map(|name| attributes.get(*name));
    let tokens = |names| {
        first(names)
            .and_then(Value::as_u64)
            .filter(|n| *n <= MAX_TOKENS)
    };
    let word = |name: &str| attributes.get(name).and_then(Value::as_str);
    let model = first(MODEL).and_then(Value::as_str);
    let model = model.filter(|m| !m.is_empty() && m.len() <= 256);
    let (input, output) = (tokens(INPUT), tokens(OUTPUT));
    if input.is_none() && output.is_none() {
        return (model.map(str::to_owned), None, false);
    }
    let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
    let cached = tokens(CACHED).unwrap_or(0).min(input);
    let priced = model
        .and_then(|model| prices.of(model))
        .map(|price| price.cost_nano(input, cached, output));
    let said = || {
        let cost = first(COST)?.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between nothing and the most that a call costs"
        )]
        (cost >= 0.0 && cost * 1e9 <= MAX_COST as f64).then_some((cost * 1e9).round() as u64)
    };
    let usage = Usage {
        input_tokens: input,
        output_tokens: output,
        cached_tokens: cached,
        cost_nano: priced.or_else(said).map(|cost| cost.min(MAX_COST)),
    };
    let sums = word("gen_ai.operation.name").is_some_and(|name| SUMS.contains(&name));
    let other = word("openinference.span.kind").is_some_and(|kind| !CALLS.contains(&kind));
    (model.map(str::to_owned), Some(usage), !sums && !other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tollgate::config::Price;

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
                output: 10_000_000_000,
            },
        );
        of(&attributes, &prices)
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
    fn an_unknown_model_costs_what_its_sender_says_or_nobody_knows() {
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
}
