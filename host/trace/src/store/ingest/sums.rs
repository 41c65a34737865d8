//! Sums of tokens and cost, by trace, reporter and model.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::store::{Usage, int, writer::Writer};

/// Calls and usage of one model; negative to subtract.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ModelUsage {
    calls: i64,
    input: i64,
    output: i64,
    cached: i64,
    cost: i64,
    cache_write: i64,
    unpriced: i64,
}

/// Changes of a trace's sums, by model.
pub(super) type UsageSums = BTreeMap<String, ModelUsage>;

/// Adds the usage of a span to the sums (`sign` 1), or subtracts it (-1).
pub(super) fn count(sums: &mut UsageSums, model: Option<&str>, usage: Option<Usage>, sign: i64) {
    let Some(usage) = usage else { return };
    let model = model.unwrap_or_default();
    if !sums.contains_key(model) {
        sums.insert(model.to_owned(), ModelUsage::default());
    }
    let Some(sum) = sums.get_mut(model) else {
        return;
    };
    let add = |to: &mut i64, n: u64| *to = to.saturating_add(sign * int(n));
    add(&mut sum.calls, 1);
    add(&mut sum.input, usage.input_tokens);
    add(&mut sum.output, usage.output_tokens);
    add(&mut sum.cached, usage.cached_tokens);
    add(&mut sum.cache_write, usage.cache_write_tokens);
    add(&mut sum.cost, usage.cost_nano.unwrap_or(0));
    add(&mut sum.unpriced, u64::from(usage.cost_nano.is_none()));
}

impl Writer {
    /// Add to a trace's sums.
    pub(super) fn add_up(
        &self,
        trace: i64,
        reporter: &str,
        sums: &UsageSums,
    ) -> rusqlite::Result<()> {
        if sums.is_empty() {
            return Ok(());
        }
        let mut add = self.conn.prepare_cached(
            "INSERT INTO usage (trace, source, model, calls, input, output, cached, cost, unpriced, cache_write) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (trace, source, model) DO UPDATE SET calls = calls + excluded.calls, \
             input = input + excluded.input, output = output + excluded.output, \
             cached = cached + excluded.cached, cost = cost + excluded.cost, \
             unpriced = unpriced + excluded.unpriced, \
             cache_write = cache_write + excluded.cache_write",
        )?;
        for (model, sum) in sums {
            add.execute(params![
                trace,
                reporter,
                model,
                sum.calls,
                sum.input,
                sum.output,
                sum.cached,
                sum.cost,
                sum.unpriced,
                sum.cache_write,
            ])?;
        }
        Ok(())
    }
}
