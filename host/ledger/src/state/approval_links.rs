//! Links by which one user may answer one approval: issued, then used or revoked, once.

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    ids::{ApprovalId, LinkId},
    life::ApprovalState,
    record::{ApprovalAnswered, ApprovalLinkIssued, ApprovalLinkRevoked},
};

use super::approvals;
use crate::{
    CommitError,
    error::{ApplyError, rejected},
    sqlite::to_sql_i64,
};

pub(super) fn issue(
    conn: &Connection,
    index: u64,
    link: &ApprovalLinkIssued,
) -> Result<(), ApplyError> {
    if approvals::find(conn, link.approval)?.state != ApprovalState::Pending {
        return Err(CommitError::ApprovalChanged.into());
    }
    let issued = conn
        .prepare_cached(
            "INSERT INTO approval_links (id, idx, approval, state) VALUES (?1, ?2, ?3, 'open') \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            link.id.as_bytes(),
            to_sql_i64(index),
            link.approval.as_bytes()
        ])?;
    match issued {
        0 => Err(rejected("there is a link with this id already")),
        _ => Ok(()),
    }
}

pub(super) fn revoke(conn: &Connection, link: &ApprovalLinkRevoked) -> Result<(), ApplyError> {
    change(conn, link.id, link.approval, "revoked")
}

/// Uses up the link of an answer, if it has one, whether or not the answer takes effect. Of two answers by one link
/// the second one fails.
pub(super) fn consume(conn: &Connection, answer: &ApprovalAnswered) -> Result<(), ApplyError> {
    match answer.link {
        Some(link) => change(conn, link, answer.id, "used"),
        None => Ok(()),
    }
}

fn change(
    conn: &Connection,
    link: LinkId,
    approval: ApprovalId,
    state: &str,
) -> Result<(), ApplyError> {
    let of: Option<[u8; 8]> = conn
        .prepare_cached("SELECT approval FROM approval_links WHERE id = ?1")?
        .query_row([link.as_bytes()], |row| row.get(0))
        .optional()?;
    if of != Some(*approval.as_bytes()) {
        return Err(rejected("there is no such link for this approval"));
    }
    let changed = conn
        .prepare_cached("UPDATE approval_links SET state = ?2 WHERE id = ?1 AND state = 'open'")?
        .execute(params![link.as_bytes(), state])?;
    match changed {
        0 => Err(CommitError::ApprovalChanged.into()),
        _ => Ok(()),
    }
}
