//! What principals have done lately, by the hour: what budgets that outlive a run are measured by.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use tollgate_model::{
    decision::Outcome,
    entity::Uid,
    ids::RunId,
    life::ApprovalState,
    record::{Event, RunOutcome},
    request::Action,
    time::Timestamp,
};

use super::{
    LedgerError,
    cached_run::{Identity, nat},
    read::{LedgerReader, ReadError},
    state::Refused,
};
use tollgate_model::two_generation_cache::TwoGenerationCache;

const HOUR: i64 = 3_600_000_000;
/// A principal that calls again within this time was active in between.
const PAUSE: i64 = 300_000_000;
/// Hours that the longest window reaches into: thirty days, and the one that has begun.
const LONGEST: usize = 721;

/// Whose calls are counted, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The tenant.
    pub tenant: String,
    /// Who calls.
    pub principal: Uid,
    /// Since then, to the hour.
    pub since: Timestamp,
}

/// What was done in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Calls that were not denied; one that waits for an approval, and its resumption, are one.
    pub calls: u64,
    /// Microseconds in which the principal was active.
    pub active: u64,
}

impl Used {
    fn of(calls: i64, active: i64) -> Self {
        Self {
            calls: nat(calls),
            active: nat(active),
        }
    }
}

/// What a principal has done in one hour, as `principal_calls` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hour {
    /// Hours since 1970.
    hour: i64,
    used: Used,
}

/// Count a call that was decided at `at`, and not denied: what its hour comes to.
pub(crate) fn count(conn: &Connection, run: &Identity, at: Timestamp) -> Result<Hour, Refused> {
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
            "INSERT INTO principal_calls VALUES (?1, ?2, ?3, ?4, 1, 0, ?5) ON CONFLICT DO UPDATE SET \
             calls = calls + 1, last = max(last, excluded.last), \
             active = active + CASE WHEN excluded.last BETWEEN last AND last + ?6 THEN excluded.last - last ELSE 0 END \
             RETURNING calls, active",
        )?
        .query_row(row, |row| Ok(Used::of(row.get(0)?, row.get(1)?)))?;
    Ok(Hour { hour, used })
}

/// What was done in a window.
pub(crate) fn used(conn: &Connection, window: &Window) -> Result<Used, ReadError> {
    let mut select = conn.prepare_cached(
        "SELECT coalesce(sum(calls), 0), coalesce(sum(active), 0) FROM principal_calls \
         WHERE tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND hour >= ?4",
    )?;
    let Window {
        tenant,
        principal,
        since,
    } = window;
    let hour = since.0.div_euclid(HOUR);
    let row = params![tenant, principal.kind.name(), principal.id, hour];
    Ok(select.query_row(row, |row| Ok(Used::of(row.get(0)?, row.get(1)?)))?)
}

/// What principals that called lately have done, in memory. Only the writer changes it, after each commit.
#[derive(Debug)]
pub(crate) struct Windows(TwoGenerationCache<(String, Uid), BTreeMap<i64, Used>>);

impl Windows {
    /// Of so many principals at least.
    pub(crate) fn new(principals: usize) -> Self {
        Self(TwoGenerationCache::new(principals))
    }

    /// What was done in a window, if that is here.
    pub(crate) fn used(&mut self, window: &Window) -> Option<Used> {
        let whose = (window.tenant.clone(), window.principal.clone());
        let since = window.since.0.div_euclid(HOUR);
        let hours = self.0.get(&whose)?.range(since..);
        Some(hours.fold(Used::default(), |sum, (_, used)| Used {
            calls: sum.calls.saturating_add(used.calls),
            active: sum.active.saturating_add(used.active),
        }))
    }

    /// An hour of a run's principal as it is now that it is committed. `conn` is read for one who is not
    /// here yet.
    pub(crate) fn put(&mut self, conn: &Connection, run: &Identity, hour: Hour) {
        let whose = (run.tenant.clone(), run.principal.clone());
        if let Some(hours) = self.0.get(&whose) {
            hours.insert(hour.hour, hour.used);
            if hours.len() > LONGEST {
                hours.pop_first();
            }
        } else if let Ok(hours) = stored(conn, run, hour.hour) {
            // What cannot be read now is read by whoever asks, and told to them.
            self.0.insert(whose, hours);
        }
    }
}

/// What a run's principal has done in all hours that a window can reach from this one.
fn stored(conn: &Connection, run: &Identity, hour: i64) -> rusqlite::Result<BTreeMap<i64, Used>> {
    let first = hour.saturating_sub(i64::try_from(LONGEST).unwrap_or(i64::MAX));
    conn.prepare_cached(
        "SELECT hour, calls, active FROM principal_calls \
         WHERE tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND hour > ?4",
    )?
    .query_map(
        params![
            run.tenant,
            run.principal.kind.name(),
            run.principal.id,
            first
        ],
        |row| Ok((row.get(0)?, Used::of(row.get(1)?, row.get(2)?))),
    )?
    .collect()
}

/// What the last call of a run was refused for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastRefusal {
    /// This budget was used up.
    Budget(String),
    /// Policy, or a person, said no.
    Denied,
}

impl LastRefusal {
    /// How a run ends that did not go on after this, and why, in a few words.
    #[must_use]
    pub fn ended(&self) -> (RunOutcome, String) {
        match self {
            Self::Budget(budget) => (
                RunOutcome::BudgetExhausted,
                format!("the budget of {budget} was used up"),
            ),
            Self::Denied => (RunOutcome::Denied, "its last call was denied".to_owned()),
        }
    }
}

impl LedgerReader {
    /// What a run's last call was refused for, if it was refused.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn last_refusal(&self, run: RunId) -> Result<Option<LastRefusal>, LedgerError> {
        let records = self.records_of_run(run)?;
        let last = records
            .iter()
            .rev()
            .find_map(|(_, record)| match &record.event {
                Event::Decision(decided) if matches!(decided.action, Action::Call(_)) => {
                    Some(match (decided.outcome, decided.exhausted()) {
                        (_, Some(budget)) => Some(LastRefusal::Budget(budget.to_owned())),
                        (Outcome::Deny, None) => Some(LastRefusal::Denied),
                        _ => None,
                    })
                }
                Event::ApprovalResolved(resolved) if resolved.state == ApprovalState::Rejected => {
                    Some(Some(LastRefusal::Denied))
                }
                _ => None,
            });
        Ok(last.flatten())
    }

    /// What was done in a window.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn used(&self, window: &Window) -> Result<Used, LedgerError> {
        self.with(|conn| used(conn, window))
    }
}
