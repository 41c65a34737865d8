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
mod tests;
