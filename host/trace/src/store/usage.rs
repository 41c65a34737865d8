//! Sums of tokens and cost of a run, a conversation, an agent or a tenant. All of them are reported; the gate cannot
//! verify them.

use std::collections::BTreeSet;

use rusqlite::{Row, params, params_from_iter, types::Value};
use serde::Serialize;
use tollgate_model::{ids::RunId, time::Timestamp};

use super::{Reader, StoreError, Usage, nat};

/// The scope of a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One run or trace.
    Run(RunId),
    /// Reports of one sender about a run, such as `Agent::"support"`.
    RunOf(RunId, String),
    /// The runs of one conversation.
    Conversation(String),
    /// Reports of one sender.
    Agent(String),
    /// Everything.
    Tenant,
}

/// A sum for one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// The model; empty if it is unknown.
    pub model: String,
    /// Its calls.
    pub calls: u64,
    /// Those of them without a known price; they are not part of the cost.
    pub unpriced: u64,
    /// Tokens and cost.
    #[serde(flatten)]
    pub usage: Usage,
}

/// The sum over several models.
#[must_use]
pub fn total(rows: &[UsageRow]) -> UsageRow {
    let mut sum = UsageRow {
        model: String::new(),
        calls: 0,
        unpriced: 0,
        usage: Usage::default(),
    };
    for row in rows {
        sum.calls = sum.calls.saturating_add(row.calls);
        sum.unpriced = sum.unpriced.saturating_add(row.unpriced);
        sum.usage = sum.usage.plus(&row.usage);
    }
    sum
}

impl Usage {
    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            cache_write_tokens: self
                .cache_write_tokens
                .saturating_add(other.cache_write_tokens),
            cost_nano: match (self.cost_nano, other.cost_nano) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
            },
        }
    }
}

/// A run, its start, and its reported usage.
pub type RunSum = (RunId, Timestamp, UsageRow);

/// The most runs of one sender whose sums are returned.
const MAX_RUNS: i64 = 10_000;

// `total` is used for costs, because `sum` fails on overflow.
const SUMS: &str = "sum(u.calls), sum(u.unpriced), sum(u.input), sum(u.output), sum(u.cached), sum(u.cache_write), \
     CAST(min(total(u.cost), 9e18) AS INTEGER)";

/// SQL of the sums of the runs in `runs r` of the tenant ?1, each over the reports of its own principal.
fn run_sums(runs: &str, and: &str) -> String {
    format!(
        "SELECT r.trace, r.started, {SUMS} FROM {runs} JOIN traces t ON t.tenant = r.tenant \
         AND t.trace = coalesce(r.caller, r.trace) JOIN usage u ON u.trace = t.id AND u.source = r.principal \
         WHERE r.tenant = ?1 AND r.run = 1 {and} GROUP BY r.id"
    )
}

fn run_sum(row: &Row<'_>) -> rusqlite::Result<RunSum> {
    let sum = sum_row(row, 2, String::new())?;
    Ok((RunId::from_bytes(row.get(0)?), Timestamp(row.get(1)?), sum))
}

/// A sum for `model` from the seven columns of [`SUMS`] at `first`.
fn sum_row(row: &Row<'_>, first: usize, model: String) -> rusqlite::Result<UsageRow> {
    let column = |n: usize| row.get(first + n).map(nat);
    let (calls, unpriced) = (column(0)?, column(1)?);
    Ok(UsageRow {
        model,
        calls,
        unpriced,
        usage: Usage {
            input_tokens: column(2)?,
            output_tokens: column(3)?,
            cached_tokens: column(4)?,
            cache_write_tokens: column(5)?,
            cost_nano: (calls > unpriced).then_some(column(6)?),
        },
    })
}

impl Reader {
    /// The usage that the principal reported of its own runs with these traces.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn usage_of_traces(
        &self,
        tenant: &str,
        principal: &str,
        traces: &BTreeSet<RunId>,
    ) -> Result<Vec<RunSum>, StoreError> {
        let which = "AND r.principal = ?2 AND (r.trace = ?3 OR r.caller = ?3)";
        let sql = run_sums("traces r", which);
        self.with(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            let mut sums = Vec::new();
            for trace in traces {
                let found =
                    select.query_map(params![tenant, principal, trace.as_bytes()], run_sum)?;
                for sum in found {
                    sums.push(sum?);
                }
            }
            Ok(sums)
        })
    }

    /// The usage that the principal reported of its own latest runs.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn usage_of_latest(
        &self,
        tenant: &str,
        principal: &str,
    ) -> Result<Vec<RunSum>, StoreError> {
        let sums = run_sums("traces r", "AND r.principal = ?2");
        let sql = format!("{sums} ORDER BY r.started DESC LIMIT ?3");
        self.with(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            select
                .query_map(params![tenant, principal, MAX_RUNS], run_sum)?
                .collect()
        })
    }

    /// Tokens and cost by model, the most used first; of traces that began since `since`, if it is given.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn usage(
        &self,
        tenant: &str,
        scope: &Scope,
        since: Option<Timestamp>,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let mut sql = format!(
            "SELECT u.model, {SUMS} FROM traces t JOIN usage u ON u.trace = t.id WHERE t.tenant = ?"
        );
        let mut values: Vec<Value> = vec![tenant.to_owned().into()];
        let mut and = |condition: &str, value: Value| {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.push(value);
        };
        match scope {
            Scope::Run(run) => and("t.trace = ?", run.as_bytes().to_vec().into()),
            Scope::RunOf(run, reporter) => {
                and("t.trace = ?", run.as_bytes().to_vec().into());
                and("u.source = ?", reporter.clone().into());
            }
            Scope::Conversation(name) => and("t.conversation = ?", name.clone().into()),
            Scope::Agent(reporter) => and("u.source = ?", reporter.clone().into()),
            Scope::Tenant => {}
        }
        if let Some(since) = since {
            and("t.started >= ?", since.0.into());
        }
        sql.push_str(" GROUP BY u.model HAVING sum(u.calls) > 0 ORDER BY sum(u.input) + sum(u.output) DESC, u.model");
        self.with(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            let rows =
                select.query_map(params_from_iter(values), |row| sum_row(row, 1, row.get(0)?))?;
            rows.collect()
        })
    }
}

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// A span counts in the hour of its start, limited to the time of its run, because the times of reported spans are
/// not trusted.
const HOUR_SUMS: &str = "WITH own AS MATERIALIZED (SELECT t.id, t.seen, (SELECT min(r.started) FROM traces r \
     WHERE r.tenant = t.tenant AND r.run = 1 AND r.principal = ?2 AND (r.trace = t.trace OR r.caller = t.trace) \
     AND coalesce(r.caller, r.trace) = t.trace) AS began FROM traces t WHERE t.tenant = ?1 AND t.seen >= ?3) \
     SELECT min(max(s.start, own.began), own.seen) / ?4 AS hour, count(*), sum(s.cost IS NULL), sum(s.input), \
     sum(s.output), sum(s.cached), coalesce(sum(s.cache_write), 0), CAST(min(total(s.cost), 9e18) AS INTEGER) \
     FROM own CROSS JOIN spans s ON s.trace = own.id AND s.origin = 1 JOIN sources o ON o.id = s.source \
     WHERE own.began IS NOT NULL AND s.counts = 1 AND s.input IS NOT NULL AND o.reporter = ?2 \
     GROUP BY hour HAVING hour >= ?3 / ?4";

impl Reader {
    /// The usage that the principal reported of its own runs since `since`, by the start of each hour.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn usage_by_hour(
        &self,
        tenant: &str,
        principal: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, UsageRow)>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(HOUR_SUMS)?;
            let row = params![tenant, principal, since.0, HOUR];
            let hours = select.query_map(row, |row| {
                let hour: i64 = row.get(0)?;
                let sum = sum_row(row, 1, String::new())?;
                Ok((Timestamp(hour.saturating_mul(HOUR)), sum))
            })?;
            hours.collect()
        })
    }

    /// The usage that the principal of each run reported itself. Runs without a report are absent.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn usage_of_runs(
        &self,
        tenant: &str,
        runs: impl IntoIterator<Item = RunId>,
    ) -> Result<Vec<RunSum>, StoreError> {
        let names: Vec<String> = runs.into_iter().map(|run| run.to_string()).collect();
        let names = serde_json::to_string(&names).unwrap_or_default();
        let these = "json_each(?2) j CROSS JOIN traces r ON r.trace = unhex(j.value)";
        let sql = run_sums(these, "");
        self.with(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            select.query_map(params![tenant, names], run_sum)?.collect()
        })
    }

    /// How often each kind of feedback was given, the most frequent first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn feedback_kinds(&self, tenant: &str) -> Result<Vec<(String, u64)>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT kind, count(*) FROM feedback WHERE tenant = ?1 GROUP BY kind \
                 ORDER BY count(*) DESC, kind",
            )?;
            let kinds = select.query_map([tenant], |row| Ok((row.get(0)?, nat(row.get(1)?))))?;
            kinds.collect()
        })
    }
}
