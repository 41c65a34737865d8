//! `[trace]` and `[prices]`: limits of what agents report, and prices of models.

use std::collections::BTreeMap;

use tollgate_model::settings::{Price, PricesConfig};

use super::{ConfigError, raw, validate::Validation};

/// Limits of what agents report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceConfig {
    /// The most bytes of the trace store.
    pub quota: u64,
    /// The most reported spans of one trace, and as many logs.
    pub spans: u64,
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
