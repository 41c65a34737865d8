//! Tokens and cost of a reported span.

use serde_json::Value;
use tollgate_model::settings::{PricedTokens, PricesConfig};

use crate::{
    conventions::{Facts, Meaning, Role},
    store::Usage,
};

/// Tokens of one call at most: a sender's number beyond that is none.
const MAX_TOKENS: u64 = 1_000_000_000;
/// Billionths that one call costs at most.
const MAX_COST: u64 = 1_000_000_000_000;

/// The model, what the call has used, and whether that is the call's own. The price table's cost comes
/// before what the sender says.
pub(crate) fn of(
    facts: &Facts<'_>,
    prices: &PricesConfig,
) -> (Option<String>, Option<Usage>, bool) {
    let tokens = |meaning| {
        let count = facts.get(meaning).and_then(Value::as_u64);
        count.filter(|n| *n <= MAX_TOKENS)
    };
    let model = facts.text(Meaning::Model).filter(|m| m.len() <= 256);
    let (input, output) = (tokens(Meaning::InputTokens), tokens(Meaning::OutputTokens));
    if input.is_none() && output.is_none() {
        return (model.map(str::to_owned), None, false);
    }
    let cached = tokens(Meaning::CachedTokens).unwrap_or(0);
    let mut usage = Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        cached_tokens: cached,
        cache_write_tokens: tokens(Meaning::CacheWriteTokens).unwrap_or(0),
        cost_nano: None,
    };
    usage.include_cache();
    let price = model.and_then(|model| prices.of(model));
    usage.cost_nano = price
        .map(|price| price.cost_nano(&usage.priced()))
        .or_else(|| reported_cost(facts.get(Meaning::Cost)?))
        .map(|cost| cost.min(MAX_COST));
    let counts = matches!(facts.role(), Role::Model | Role::Unknown);
    (model.map(str::to_owned), Some(usage), counts)
}

/// What the sender says that a call cost, in billionths.
fn reported_cost(cost: &Value) -> Option<u64> {
    let cost = cost.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between nothing and the most that a call costs"
    )]
    (cost >= 0.0 && cost * 1e9 <= MAX_COST as f64).then_some((cost * 1e9).round() as u64)
}

impl Usage {
    /// Make `input_tokens` include what was read from a cache and written to it.
    ///
    /// OpenTelemetry and OpenInference count those in; Anthropic's own numbers do not. A sum that is smaller
    /// than its parts is one that leaves them out.
    fn include_cache(&mut self) {
        let cache = self.cached_tokens.saturating_add(self.cache_write_tokens);
        if self.input_tokens < cache {
            self.input_tokens = self.input_tokens.saturating_add(cache);
        }
    }

    /// The tokens, as the price table takes them.
    fn priced(&self) -> PricedTokens {
        PricedTokens {
            input: self.input_tokens,
            cached: self.cached_tokens,
            cache_write: self.cache_write_tokens,
            output: self.output_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
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
}
