//! Calls and active time of principals by the hour, for budgets beyond one run.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use tollgate_model::{entity::Uid, time::Timestamp, two_generation_cache::TwoGenerationCache};

use crate::{
    cached_run::RunIdentity,
    error::{ApplyError, ReadError},
    sqlite::from_sql_u64,
};

const HOUR: i64 = 3_600_000_000;
/// Two calls within this many microseconds count as activity in between.
const PAUSE: i64 = 300_000_000;
/// Hours that the longest window covers: thirty days and the current hour.
const LONGEST: usize = 721;

/// The principal and the beginning of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The tenant.
    pub tenant: String,
    /// Who calls.
    pub principal: Uid,
    /// The beginning, rounded down to the hour.
    pub since: Timestamp,
}

/// A principal's usage in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowUsage {
    /// Calls that were not denied. A call that waits for an approval and its resumption count as one.
    pub calls: u64,
    /// Microseconds in which the principal was active.
    pub active: u64,
}

impl WindowUsage {
    fn of(calls: i64, active: i64) -> Self {
        Self {
            calls: from_sql_u64(calls),
            active: from_sql_u64(active),
        }
    }
}

/// A principal's row of one hour in `principal_calls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsageHour {
    /// Hours since 1970.
    hour: i64,
    used: WindowUsage,
}

/// Count a call that was decided at `at` and not denied. Returns the sums of its hour.
pub(crate) fn count(
    conn: &Connection,
    run: &RunIdentity,
    at: Timestamp,
) -> Result<UsageHour, ApplyError> {
    let hour = at.0.div_euclid(HOUR);
    let row = params![
        run.tenant,
        run.principal.kind.name(),
        run.principal.id,
        hour,
        at.0,
        PAUSE
    ];
    let used = conn
        .prepare_cached(
            "INSERT INTO principal_calls (tenant, principal_type, principal_id, hour, calls, active_micros, last_call) \
             VALUES (?1, ?2, ?3, ?4, 1, 0, ?5) ON CONFLICT DO UPDATE SET calls = calls + 1, \
             last_call = max(last_call, excluded.last_call), active_micros = active_micros + CASE \
             WHEN excluded.last_call BETWEEN last_call AND last_call + ?6 THEN excluded.last_call - last_call \
             ELSE 0 END RETURNING calls, active_micros",
        )?
        .query_row(row, |row| Ok(WindowUsage::of(row.get(0)?, row.get(1)?)))?;
    Ok(UsageHour { hour, used })
}

/// A principal's usage in a window.
pub(crate) fn used(conn: &Connection, window: &Window) -> Result<WindowUsage, ReadError> {
    let mut select = conn.prepare_cached(
        "SELECT coalesce(sum(calls), 0), coalesce(sum(active_micros), 0) FROM principal_calls \
         WHERE tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND hour >= ?4",
    )?;
    let Window {
        tenant,
        principal,
        since,
    } = window;
    let hour = since.0.div_euclid(HOUR);
    let row = params![tenant, principal.kind.name(), principal.id, hour];
    Ok(select.query_row(row, |row| Ok(WindowUsage::of(row.get(0)?, row.get(1)?)))?)
}

/// Usage of recently active principals in memory. Only the writer changes it, after each commit.
#[derive(Debug)]
pub(crate) struct UsageWindows(TwoGenerationCache<(String, Uid), BTreeMap<i64, WindowUsage>>);

impl UsageWindows {
    /// Keeps at least this many principals.
    pub(crate) fn new(principals: usize) -> Self {
        Self(TwoGenerationCache::new(principals))
    }

    /// A principal's usage in a window, if it is in memory.
    pub(crate) fn used(&mut self, window: &Window) -> Option<WindowUsage> {
        let whose = (window.tenant.clone(), window.principal.clone());
        let since = window.since.0.div_euclid(HOUR);
        let hours = self.0.get(&whose)?.range(since..);
        Some(
            hours.fold(WindowUsage::default(), |sum, (_, used)| WindowUsage {
                calls: sum.calls.saturating_add(used.calls),
                active: sum.active.saturating_add(used.active),
            }),
        )
    }

    /// The committed sums of an hour of a run's principal. Reads `conn` for a principal that is not in memory.
    pub(crate) fn put(&mut self, conn: &Connection, run: &RunIdentity, hour: UsageHour) {
        let whose = (run.tenant.clone(), run.principal.clone());
        if let Some(hours) = self.0.get(&whose) {
            hours.insert(hour.hour, hour.used);
            if hours.len() > LONGEST {
                hours.pop_first();
            }
        } else if let Ok(hours) = stored(conn, run, hour.hour) {
            // If it cannot be read now, the next query reads it and reports the error.
            self.0.insert(whose, hours);
        }
    }
}

/// All hours of a run's principal that a window ending in this hour can cover.
fn stored(
    conn: &Connection,
    run: &RunIdentity,
    hour: i64,
) -> rusqlite::Result<BTreeMap<i64, WindowUsage>> {
    let first = hour.saturating_sub(i64::try_from(LONGEST).unwrap_or(i64::MAX));
    conn.prepare_cached(
        "SELECT hour, calls, active_micros FROM principal_calls \
         WHERE tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND hour > ?4",
    )?
    .query_map(
        params![
            run.tenant,
            run.principal.kind.name(),
            run.principal.id,
            first
        ],
        |row| Ok((row.get(0)?, WindowUsage::of(row.get(1)?, row.get(2)?))),
    )?
    .collect()
}
