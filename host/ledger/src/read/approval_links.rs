//! Links by which one user may answer one approval, from the records that issued them.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use tollgate_model::{
    entity::Uid,
    ids::{ApprovalId, LinkId},
    record::{ApprovalLinkState, Event, KeyedDigest},
    time::Timestamp,
};

use super::{LedgerReader, stored};
use crate::{LedgerError, error::ReadError, sqlite::from_sql_u64};

/// A link by which one user may answer one approval, once. Its text is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalLink {
    /// Its id.
    pub id: LinkId,
    /// Its tenant.
    pub tenant: String,
    /// The approval.
    pub approval: ApprovalId,
    /// Digest of the call that it shows.
    pub arguments: KeyedDigest,
    /// The only user who may use it.
    pub user: Uid,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// Its state; an open link may have expired.
    pub state: ApprovalLinkState,
}

/// A filter for links. Results are sorted by age, latest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApprovalLinkFilter {
    /// Only those of this approval.
    pub approval: Option<ApprovalId>,
    /// Only those that are open and do not expire before this time.
    pub valid_at: Option<Timestamp>,
    /// The most results.
    pub limit: Option<u64>,
}

impl LedgerReader {
    /// A link.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn approval_link(&self, id: LinkId) -> Result<Option<ApprovalLink>, LedgerError> {
        self.snapshot(|conn| {
            let found = conn
                .prepare_cached("SELECT idx, state FROM approval_links WHERE id = ?1")?
                .query_row([id.as_bytes()], found)
                .optional()?;
            found.map(|found| link(conn, found)).transpose()
        })
    }

    /// Links, the latest first.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn approval_links(
        &self,
        filter: &ApprovalLinkFilter,
    ) -> Result<Vec<ApprovalLink>, LedgerError> {
        self.snapshot(|conn| {
            // A store that no process of this version has opened yet.
            let exists = "SELECT count(*) FROM sqlite_schema WHERE name = 'approval_links'";
            if conn.query_row(exists, [], |row| row.get::<_, i64>(0))? == 0 {
                return Ok(Vec::new());
            }
            let found = all_found(conn, filter)?.into_iter();
            let limit = filter.limit.and_then(|limit| usize::try_from(limit).ok());
            let mut links = Vec::new();
            for found in found {
                if limit.is_some_and(|limit| links.len() >= limit) {
                    break;
                }
                let link = link(conn, found)?;
                if filter.valid_at.is_none_or(|at| link.is_valid_at(at)) {
                    links.push(link);
                }
            }
            Ok(links)
        })
    }
}

impl ApprovalLink {
    /// Whether it may be used at a time, as far as it is known here.
    #[must_use]
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        self.state == ApprovalLinkState::Open && self.expires > at
    }
}

/// Index of the record that issued it, and its state.
type LinkKey = (u64, Option<ApprovalLinkState>);

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<LinkKey> {
    let state = ApprovalLinkState::from_name(row.get_ref(1)?.as_str()?);
    Ok((from_sql_u64(row.get(0)?), state))
}

fn all_found(conn: &Connection, filter: &ApprovalLinkFilter) -> rusqlite::Result<Vec<LinkKey>> {
    let approval = filter.approval.as_ref().map(ApprovalId::as_bytes);
    let states = match filter.valid_at {
        Some(_) => "state = 'open'",
        None => "1",
    };
    let mut select = conn.prepare_cached(&format!(
        "SELECT idx, state FROM approval_links WHERE (?1 IS NULL OR approval = ?1) AND {states} ORDER BY idx DESC"
    ))?;
    select.query_map(params![approval], found)?.collect()
}

fn link(conn: &Connection, (index, state): LinkKey) -> Result<ApprovalLink, ReadError> {
    let damaged = || ReadError::Damaged(format!("record {index} issues no link"));
    let record = stored(conn, index)?;
    let Event::ApprovalLinkIssued(issued) = record.event else {
        return Err(damaged());
    };
    Ok(ApprovalLink {
        id: issued.id,
        tenant: record.tenant,
        approval: issued.approval,
        arguments: issued.arguments,
        user: issued.user,
        issued: record.time,
        expires: issued.expires,
        state: state.ok_or_else(damaged)?,
    })
}
