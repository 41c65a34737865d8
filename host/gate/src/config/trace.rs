//! `[trace]` and `[prices]`: limits of what agents report, and prices of models.

use std::collections::BTreeMap;

use super::{ConfigError, raw, validate::Validation};

/// Limits of what agents report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceConfig {
    /// The most bytes of the trace store.
    pub quota: u64,
    /// The most reported spans of one trace, and as many logs.
    pub spans: u64,
}

/// Prices of models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PricesConfig {
    /// The currency, such as `USD`.
    pub currency: String,
    /// By the model's name.
    pub models: BTreeMap<String, Price>,
}

/// The price of a million tokens of a model, in billionths of the currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// Input tokens.
    pub input: u64,
    /// Tokens read from a cache.
    pub cached_input: u64,
    /// Tokens written to a cache.
    pub cache_write: u64,
    /// Output tokens.
    pub output: u64,
}

/// The tokens of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PricedTokens {
    /// All input tokens, including the next two.
    pub input: u64,
    /// Read from a cache.
    pub cached: u64,
    /// Written to a cache.
    pub cache_write: u64,
    /// Output of the model.
    pub output: u64,
}

impl Price {
    /// The cost of a call, in billionths of the currency.
    #[must_use]
    pub fn cost_nano(&self, tokens: &PricedTokens) -> u64 {
        let cached = tokens.cached.min(tokens.input);
        let cache_write = tokens.cache_write.min(tokens.input - cached);
        let of = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = of(tokens.input - cached - cache_write, self.input)
            + of(cached, self.cached_input)
            + of(cache_write, self.cache_write)
            + of(tokens.output, self.output);
        u64::try_from(sum / 1_000_000).unwrap_or(u64::MAX)
    }
}

impl PricesConfig {
    /// The price of a model with exactly this name, or with the name without its release date.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.models.get(model).or_else(|| {
            let dated = |name: &&String| {
                let rest = model.strip_prefix(name.as_str());
                let rest = rest.and_then(|rest| rest.strip_prefix(['-', '@']));
                rest.is_some_and(|date| {
                    date.bytes().filter(u8::is_ascii_digit).count() == 8
                        && date.bytes().all(|b| b.is_ascii_digit() || b == b'-')
                })
            };
            let name = self.models.keys().find(dated)?;
            self.models.get(name)
        })
    }
}

impl Validation<'_> {
    pub(super) fn trace(&self, trace: raw::Trace) -> Result<TraceConfig, ConfigError> {
        let quota = trace.quota.as_deref().map(|text| self.size(text));
        Ok(TraceConfig {
            quota: quota.transpose()?.unwrap_or(16 << 30),
            spans: trace.spans.unwrap_or(100_000),
        })
    }

    pub(super) fn prices(&self, prices: raw::Prices) -> Result<PricesConfig, ConfigError> {
        let mut models = BTreeMap::new();
        for (name, price) in prices.models {
            let nano = |amount: f64| self.nano(&name, amount);
            let input = nano(price.input)?;
            let price = Price {
                input,
                cached_input: price.cached_input.map(nano).transpose()?.unwrap_or(input),
                cache_write: price.cache_write.map(nano).transpose()?.unwrap_or(input),
                output: nano(price.output)?,
            };
            models.insert(name, price);
        }
        Ok(PricesConfig {
            currency: prices.currency.unwrap_or_else(|| "USD".into()),
            models,
        })
    }

    fn nano(&self, model: &str, amount: f64) -> Result<u64, ConfigError> {
        if !(0.0..=1e6).contains(&amount) {
            let message = format!("`{amount}` is not a price of {}", model.escape_debug());
            return Err(self.error(
                model,
                message,
                "write the price of a million tokens, as in 1.25",
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 10^15"
        )]
        Ok((amount * 1e9).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_costs_what_its_model_does_and_no_other_model_does() {
        let mut prices = PricesConfig::default();
        prices.models.insert("claude-3".into(), Price::default());
        prices.models.insert("gpt-4o".into(), Price::default());
        for known in [
            "gpt-4o",
            "gpt-4o-2024-08-06",
            "gpt-4o-20240806",
            "claude-3@20240229",
        ] {
            assert!(prices.of(known).is_some(), "{known}");
        }
        for unknown in [
            "gpt-4o-mini",
            "gpt-4",
            "claude-3-5",
            "gpt-4o-mini-2024-07-18",
            "",
        ] {
            assert!(prices.of(unknown).is_none(), "{unknown}");
        }
    }
}
