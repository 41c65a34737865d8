//! Runs.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter, types::Value};
use tollgate_model::{
    entity::Uid,
    ids::{RunId, SpanId},
    record::{Event, RunOutcome},
    request::Action,
    time::Timestamp,
};

use super::{LedgerReader, records::records_of, stored};
use crate::{
    LedgerError, RunRow,
    columns::{texts_of_run, uid},
    error::ReadError,
    open_calls::OpenCall,
    sqlite::{from_sql_u64, to_sql_i64},
};

/// A filter for runs. Results are newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only this principal's.
    pub principal: Option<Uid>,
    /// Only open ones, or only ended ones.
    pub open: Option<bool>,
    /// Only those with this outcome.
    pub outcome: Option<RunOutcome>,
    /// Only those that began at or after this time.
    pub since: Option<Timestamp>,
    /// Only those that were active at or after this time.
    pub active_since: Option<Timestamp>,
    /// Only those that began before this time.
    pub until: Option<Timestamp>,
    /// Only those whose first record is before this index: for the next page.
    pub before: Option<u64>,
    /// The most results.
    pub limit: Option<u64>,
}

const COLUMNS: &str = "opened, id, tenant, principal_type, principal_id, on_behalf_of_type, on_behalf_of_id, key, root, \
     started, last_active, ended, outcome, stop_reason, calls, denials, errors, \
     (SELECT count(*) FROM approvals a WHERE a.run = runs.opened AND a.state IN ('pending', 'approved') \
     AND a.state = 'pending') AS pending";

/// The most named runs that one sweep ends.
const AT_ONCE: u32 = 100;
/// The most runs of one name that are looked up.
const SAME_NAME: u32 = 11;

impl LedgerReader {
    /// Runs, newest first.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, LedgerError> {
        let mut sql = format!("SELECT {COLUMNS} FROM runs WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        let mut and = |condition: &str, value: Value| {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.push(value);
        };
        if let Some(tenant) = &filter.tenant {
            and("tenant = ?", tenant.clone().into());
        }
        if let Some(principal) = &filter.principal {
            and(
                "principal_type = ?",
                principal.kind.name().to_owned().into(),
            );
            and("principal_id = ?", principal.id.clone().into());
        }
        if let Some(open) = filter.open {
            and("(ended IS NULL) = ?", i64::from(open).into());
        }
        if let Some(outcome) = filter.outcome {
            and("outcome = ?", outcome.as_str().to_owned().into());
        }
        if let Some(since) = filter.since {
            and("started >= ?", since.0.into());
        }
        if let Some(since) = filter.active_since {
            and("last_active >= ?", since.0.into());
        }
        if let Some(until) = filter.until {
            and("started < ?", until.0.into());
        }
        if let Some(before) = filter.before {
            and("opened < ?", to_sql_i64(before).into());
        }
        sql.push_str(" ORDER BY opened DESC LIMIT ?");
        values.push(filter.limit.map_or(-1, to_sql_i64).into());
        self.snapshot(|conn| {
            let mut select = conn.prepare(&sql)?;
            let found = select
                .query_map(params_from_iter(values), row)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            found
                .into_iter()
                .map(|found| with_labels(conn, found))
                .collect()
        })
    }

    /// The run whose id begins with `prefix`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] if there is none or more than one.
    pub fn run(&self, prefix: &str) -> Result<RunRow, LedgerError> {
        let absent = |what| LedgerError::NotFound {
            what,
            id: prefix.chars().take(64).collect(),
        };
        let hex = prefix.to_ascii_lowercase();
        if hex.is_empty() || hex.len() > 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(absent("run"));
        }
        let bound = |fill: &str| {
            format!("{hex}{}", fill.repeat(32 - hex.len()))
                .parse::<RunId>()
                .ok()
        };
        let (Some(low), Some(high)) = (bound("0"), bound("f")) else {
            return Err(absent("run"));
        };
        let mut found = self.snapshot(|conn| {
            let sql = format!("SELECT {COLUMNS} FROM runs WHERE id BETWEEN ?1 AND ?2 LIMIT 2");
            let mut select = conn.prepare_cached(&sql)?;
            let found = select
                .query_map([low.as_bytes(), high.as_bytes()], row)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            found
                .into_iter()
                .map(|found| with_labels(conn, found))
                .collect::<Result<Vec<_>, _>>()
        })?;
        match (found.pop(), found.pop()) {
            (Some(run), None) => Ok(run),
            (Some(_), Some(_)) => Err(absent("single run whose id begins with")),
            _ => Err(absent("run")),
        }
    }

    /// Those of these runs that the ledger has.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn runs_of(&self, ids: &[RunId]) -> Result<HashMap<RunId, RunRow>, LedgerError> {
        let names: Vec<String> = ids.iter().map(RunId::to_string).collect();
        let names = serde_json::to_string(&names).unwrap_or_default();
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE id IN (SELECT unhex(value) FROM json_each(?1))"
        );
        self.snapshot(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            let found = select
                .query_map([names], row)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let rows = found.into_iter().map(|found| with_labels(conn, found));
            rows.map(|row| row.map(|row| (row.id, row))).collect()
        })
    }

    /// The principal's latest run with this name, open or not.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn run_by_key(
        &self,
        tenant: &str,
        principal: &Uid,
        on_behalf_of: &Uid,
        key: &str,
    ) -> Result<Option<RunRow>, LedgerError> {
        self.one_run(
            "tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND on_behalf_of_type = ?4 AND on_behalf_of_id = ?5 \
             AND key = ?6",
            params![
                tenant,
                principal.kind.name(),
                principal.id,
                on_behalf_of.kind.name(),
                on_behalf_of.id,
                key
            ],
        )
    }

    /// The latest run with this name of each owner: principal and user for whom it acts. The newest first, at most
    /// eleven. Principals choose names, so several may have chosen the same.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn runs_named(&self, key: &str) -> Result<Vec<RunRow>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE opened IN (SELECT max(opened) FROM runs WHERE key = ?1 \
             GROUP BY tenant, principal_type, principal_id, on_behalf_of_type, on_behalf_of_id) \
             ORDER BY opened DESC LIMIT {SAME_NAME}"
        );
        self.snapshot(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            let found = select
                .query_map([key], row)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            found
                .into_iter()
                .map(|found| with_labels(conn, found))
                .collect()
        })
    }

    /// The principal's latest open run without a name that was active since `not_before`.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn ambient_run(
        &self,
        tenant: &str,
        principal: &Uid,
        on_behalf_of: &Uid,
        not_before: Timestamp,
    ) -> Result<Option<RunRow>, LedgerError> {
        self.one_run(
            "tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND on_behalf_of_type = ?4 AND on_behalf_of_id = ?5 \
             AND last_active >= ?6 AND key IS NULL AND ended IS NULL",
            params![
                tenant,
                principal.kind.name(),
                principal.id,
                on_behalf_of.kind.name(),
                on_behalf_of.id,
                not_before.0
            ],
        )
    }

    fn one_run(
        &self,
        condition: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<RunRow>, LedgerError> {
        self.snapshot(|conn| {
            let sql = format!(
                "SELECT {COLUMNS} FROM runs WHERE {condition} ORDER BY opened DESC LIMIT 1"
            );
            let found = conn
                .prepare_cached(&sql)?
                .query_row(values, row)
                .optional()?;
            found.map(|found| with_labels(conn, found)).transpose()
        })
    }

    /// Open runs without activity since `before`, or since `named_before` if they have a name, without an
    /// open approval and without a running call. Of those with a name, the first hundred.
    pub(crate) fn idle_runs(
        &self,
        before: Timestamp,
        named_before: Timestamp,
    ) -> Result<Vec<(RunId, String)>, LedgerError> {
        const SILENT: &str = "NOT EXISTS (SELECT 1 FROM approvals a WHERE a.run = runs.opened \
             AND a.state IN ('pending', 'approved')) \
             AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.run = runs.opened AND c.state = 'started')";
        // A run without activity since then began before then, so the index over `started` bounds the search.
        let sql = format!(
            "SELECT id, tenant FROM runs WHERE key IS NULL AND ended IS NULL AND last_active < ?1 AND {SILENT} \
             UNION ALL SELECT id, tenant FROM (SELECT id, tenant FROM runs INDEXED BY runs_named_open \
             WHERE key IS NOT NULL AND ended IS NULL AND started < ?2 AND last_active < ?2 AND {SILENT} LIMIT {AT_ONCE})"
        );
        self.with(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            let runs = select.query_map([before.0, named_before.0], |row| {
                Ok((RunId::from_bytes(row.get(0)?), row.get(1)?))
            })?;
            Ok(runs.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Calls that started and have no outcome.
    pub(crate) fn open_calls(&self) -> Result<Vec<OpenCall>, LedgerError> {
        self.snapshot(|conn| {
            let mut select = conn
                .prepare_cached("SELECT start FROM calls WHERE state = 'started' ORDER BY start")?;
            let starts = select
                .query_map([], |row| row.get(0).map(from_sql_u64))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            starts
                .into_iter()
                .map(|index| open_call(conn, index))
                .collect()
        })
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<(u64, RunRow)> {
    let outcome: Option<String> = row.get("outcome")?;
    let opened = from_sql_u64(row.get("opened")?);
    let run = RunRow {
        id: RunId::from_bytes(row.get("id")?),
        opened,
        tenant: row.get("tenant")?,
        principal: uid(row, "principal_type", "principal_id")?,
        on_behalf_of: uid(row, "on_behalf_of_type", "on_behalf_of_id")?,
        key: row.get("key")?,
        root: SpanId::from_bytes(row.get("root")?),
        started: Timestamp(row.get("started")?),
        last: Timestamp(row.get("last_active")?),
        ended: row.get::<_, Option<i64>>("ended")?.map(Timestamp),
        outcome: outcome.and_then(|name| RunOutcome::from_name(&name)),
        stop_reason: row.get("stop_reason")?,
        calls: from_sql_u64(row.get("calls")?),
        denials: from_sql_u64(row.get("denials")?),
        errors: from_sql_u64(row.get("errors")?),
        pending: from_sql_u64(row.get("pending")?),
        labels: Default::default(),
    };
    Ok((opened, run))
}

fn with_labels(conn: &Connection, (opened, mut run): (u64, RunRow)) -> Result<RunRow, ReadError> {
    run.labels = texts_of_run(conn, "SELECT label FROM run_labels WHERE run = ?1", opened)?;
    Ok(run)
}

fn open_call(conn: &Connection, index: u64) -> Result<OpenCall, ReadError> {
    let damaged = || ReadError::Damaged(format!("record {index} is not the start of a call"));
    let record = stored(conn, index)?;
    let (Some(run), Event::Start(start)) = (record.run, record.event) else {
        return Err(damaged());
    };
    let effects = records_of(conn, run)?
        .into_iter()
        .filter(|(_, r)| {
            matches!(&r.event, Event::Effect(effect)
                if effect.call == start.call && has_effect(&effect.operation))
        })
        .count();
    Ok(OpenCall {
        tenant: record.tenant,
        run,
        call: start.call,
        span: start.span,
        labels: start.labels,
        effects: effects as u64,
    })
}

/// Anything that is not a read by its name may have changed something.
fn has_effect(operation: &str) -> bool {
    let mut reads = Action::FIXED.iter().filter(|action| action.is_read());
    !reads.any(|read| read.id() == operation)
}
