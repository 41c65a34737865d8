//! Standing approvals, from the records that granted, used and ended them.

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    entity::Uid,
    ids::{DecisionId, StandingId},
    life::StandingState,
    record::{Event, KeyedDigest},
    time::Timestamp,
};

use super::{LedgerReader, stored};
use crate::{
    LedgerError, StandingRow,
    error::ReadError,
    sqlite::{from_sql_u64, to_sql_i64},
};

/// Those that are read at a time before they are filtered.
const AT_A_TIME: usize = 64;
/// The most active ones that are compared with a call, latest first.
const MAX_COMPARED: i64 = 100;

/// A filter for standing approvals. Results are sorted by age, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandingFilter {
    /// Only those that may still be used; an expired one may not be recorded as such yet.
    pub active: bool,
    /// Only those for this principal's calls.
    pub principal: Option<Uid>,
    /// The most results.
    pub limit: Option<u64>,
}

/// Index of the granting record, state, index of the ending record.
type StandingKey = (u64, Option<StandingState>, Option<u64>);

const COLUMNS: &str = "opened, state, ended FROM standing_approvals";

impl LedgerReader {
    /// A standing approval.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn standing_approval(&self, id: StandingId) -> Result<Option<StandingRow>, LedgerError> {
        self.snapshot(|conn| {
            let found = conn
                .prepare_cached(&format!("SELECT {COLUMNS} WHERE id = ?1"))?
                .query_row([id.as_bytes()], key)
                .optional()?;
            found.map(|found| row(conn, found)).transpose()
        })
    }

    /// Standing approvals, newest first.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn standing_approvals(
        &self,
        filter: &StandingFilter,
    ) -> Result<Vec<StandingRow>, LedgerError> {
        self.snapshot(|conn| {
            let found = all_found(conn, filter, filter.limit)?;
            found.into_iter().map(|found| row(conn, found)).collect()
        })
    }

    /// Those for which `visible` is true, in the same order and up to the same limit. They are read in chunks.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn visible_standing(
        &self,
        filter: &StandingFilter,
        mut visible: impl FnMut(&StandingRow) -> bool,
    ) -> Result<Vec<StandingRow>, LedgerError> {
        let limit = filter.limit.and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(usize::MAX);
        let all = self.snapshot(|conn| all_found(conn, filter, None))?;
        let mut rows = Vec::new();
        for some in all.chunks(AT_A_TIME) {
            if rows.len() >= limit {
                break;
            }
            let read: Vec<StandingRow> =
                self.snapshot(|conn| some.iter().map(|found| row(conn, *found)).collect())?;
            rows.extend(read.into_iter().filter(&mut visible));
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Those that may still be used by calls of `tool` by `principal`.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn standing_for(
        &self,
        tenant: &str,
        principal: &Uid,
        tool: &str,
    ) -> Result<Vec<StandingRow>, LedgerError> {
        self.snapshot(|conn| {
            let found = conn
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} WHERE state = 'active' AND tenant = ?1 AND principal_type = ?2 \
                     AND principal_id = ?3 AND tool = ?4 ORDER BY opened DESC LIMIT ?5"
                ))?
                .query_map(
                    params![tenant, principal.kind.name(), principal.id, tool, MAX_COMPARED],
                    key,
                )?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            found.into_iter().map(|found| row(conn, found)).collect()
        })
    }

    /// Active ones that have expired at `now`.
    pub(crate) fn overdue_standing(&self, now: Timestamp) -> Result<Vec<StandingRow>, LedgerError> {
        self.snapshot(|conn| {
            let found = conn
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} WHERE state = 'active' AND expires <= ?1 ORDER BY expires"
                ))?
                .query_map([now.0], key)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            found.into_iter().map(|found| row(conn, found)).collect()
        })
    }

    /// Whether a rejection of the same call of the same principal, in any run, holds at `at`. `arguments` is
    /// the digest of the arguments that the tool declares.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn is_rejected(
        &self,
        tenant: &str,
        principal: &Uid,
        tool: &str,
        arguments: &KeyedDigest,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        self.snapshot(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT opened FROM approvals WHERE state = 'rejected' AND expires > ?1 AND tenant = ?2",
            )?;
            let opened = select
                .query_map(params![at.0, tenant], |row| row.get(0).map(from_sql_u64))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for index in opened {
                if let Event::ApprovalRequested(asked) = stored(conn, index)?.event
                    && asked.principal == *principal
                    && asked.tool == tool
                    && asked.declared.as_ref().unwrap_or(&asked.arguments) == arguments
                {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}

/// The standing approvals of a filter, at most `limit`.
fn all_found(
    conn: &Connection,
    filter: &StandingFilter,
    limit: Option<u64>,
) -> Result<Vec<StandingKey>, ReadError> {
    let state = if filter.active {
        "state = 'active'"
    } else {
        "1"
    };
    let (kind, id) = match &filter.principal {
        Some(principal) => (principal.kind.name(), principal.id.as_str()),
        None => ("", ""),
    };
    let found = conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE {state} AND (?1 = '' OR (principal_type = ?1 AND principal_id = ?2)) \
             ORDER BY opened DESC LIMIT ?3"
        ))?
        .query_map(params![kind, id, limit.map_or(-1, to_sql_i64)], key)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(found)
}

fn key(row: &rusqlite::Row<'_>) -> rusqlite::Result<StandingKey> {
    let state = StandingState::from_name(row.get_ref(1)?.as_str()?);
    let ended: Option<i64> = row.get(2)?;
    Ok((from_sql_u64(row.get(0)?), state, ended.map(from_sql_u64)))
}

fn row(conn: &Connection, (opened, state, ended): StandingKey) -> Result<StandingRow, ReadError> {
    let damaged =
        |index: u64| ReadError::Damaged(format!("record {index} is not of a standing approval"));
    let record = stored(conn, opened)?;
    let (Some(run), Event::StandingGranted(granted)) = (record.run, record.event) else {
        return Err(damaged(opened));
    };
    let ended = match ended {
        None => None,
        Some(index) => match stored(conn, index)?.event {
            Event::StandingEnded(ended) => Some(ended),
            _ => return Err(damaged(index)),
        },
    };
    let mut select =
        conn.prepare_cached("SELECT idx FROM standing_uses WHERE standing = ?1 ORDER BY idx")?;
    let uses = select
        .query_map([granted.id.as_bytes()], |row| {
            row.get(0).map(|index| DecisionId(from_sql_u64(index)))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(StandingRow {
        granted: *granted,
        opened,
        tenant: record.tenant,
        run,
        since: record.time,
        state: state.ok_or_else(|| damaged(opened))?,
        uses,
        ended,
    })
}
