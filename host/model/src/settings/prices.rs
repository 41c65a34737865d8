//! What models cost.

use std::collections::BTreeMap;

/// What models cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PricesConfig {
    /// As people write it, such as `USD`.
    pub currency: String,
    /// By the model's name.
    pub models: BTreeMap<String, Price>,
}

/// What a million tokens of a model cost, in billionths of the currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// Tokens that it reads.
    pub input: u64,
    /// Tokens that it reads from a cache.
    pub cached_input: u64,
    /// Tokens that it reads and writes to a cache.
    pub cache_write: u64,
    /// Tokens that it writes.
    pub output: u64,
}

/// The tokens of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PricedTokens {
    /// Read in all, including the next two.
    pub input: u64,
    /// Read from a cache.
    pub cached: u64,
    /// Written to a cache.
    pub cache_write: u64,
    /// Written by the model.
    pub output: u64,
}

impl Price {
    /// What a call costs, in billionths of the currency.
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
    /// The price of a model: of exactly this name, or of the name without the date of its release.
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

#[cfg(test)]
mod tests;
