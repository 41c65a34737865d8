//! Approvals, from the records that requested and answered them.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    decision::Outcome,
    entity::Uid,
    ids::{ApprovalId, DecisionId, RunId, SpanId},
    life::ApprovalState,
    record::{ApprovalRequested, DecisionRecord, Event, KeyedDigest},
    time::Timestamp,
};

use super::{LedgerReader, stored};
use crate::{
    ApprovalAnswer, ApprovalRow, Binding, EarlierRejection, EditedCall, LedgerError,
    PendingApprovals,
    error::ReadError,
    sqlite::{from_sql_u64, to_sql_i64},
    state::approvals::binding_digest,
};

/// How many records before the request of an approval are searched for its decision. Both are in one commit.
const NEAR: u64 = 8;

/// A filter for approvals. Results are sorted by severity, highest first, then by age, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Only those in one of these states; all if empty.
    pub states: BTreeSet<ApprovalState>,
    /// Only those requested by this principal's calls.
    pub principal: Option<Uid>,
    /// The most results.
    pub limit: Option<u64>,
}

impl ApprovalFilter {
    /// Those that need more answers.
    #[must_use]
    pub fn pending() -> Self {
        Self {
            states: BTreeSet::from([ApprovalState::Pending]),
            ..Self::default()
        }
    }

    /// Those that can still let a call run: pending, or approved and not consumed.
    #[must_use]
    pub fn open() -> Self {
        Self {
            states: BTreeSet::from([ApprovalState::Pending, ApprovalState::Approved]),
            ..Self::default()
        }
    }
}

/// The most earlier rejections that an approval shows.
const MAX_REJECTIONS: usize = 5;
/// The most rejections that are compared with an approval, latest first.
const MAX_COMPARED: i64 = 200;
/// Approvals that are read at a time before they are filtered.
const AT_A_TIME: usize = 64;

impl ApprovalFilter {
    fn limit(&self) -> usize {
        let limit = self.limit.and_then(|n| usize::try_from(n).ok());
        limit.unwrap_or(usize::MAX)
    }
}

impl LedgerReader {
    /// An approval.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn approval(&self, id: ApprovalId) -> Result<Option<ApprovalRow>, LedgerError> {
        self.snapshot(|conn| {
            let found = conn
                .prepare_cached("SELECT opened, state, version FROM approvals WHERE id = ?1")?
                .query_row([id.as_bytes()], found)
                .optional()?;
            found.map(|found| row(conn, found)).transpose()
        })
    }

    /// The decision that requested an approval; `None` if it is not found near the request.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn requesting_decision(
        &self,
        row: &ApprovalRow,
    ) -> Result<Option<(DecisionId, Box<DecisionRecord>)>, LedgerError> {
        for index in (row.opened.saturating_sub(NEAR)..row.opened).rev() {
            if let Some(record) = self.record(index)?
                && record.run == Some(row.run)
                && let Event::Decision(decision) = record.event
                && decision.outcome == Outcome::Escalate
            {
                return Ok(Some((DecisionId(index), decision)));
            }
        }
        Ok(None)
    }

    /// Approvals, the most severe first, and of these the oldest.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn approvals(&self, filter: &ApprovalFilter) -> Result<Vec<ApprovalRow>, LedgerError> {
        self.snapshot(|conn| {
            let found = all_found(conn, filter)?.into_iter();
            let limited = found.take(filter.limit());
            limited.map(|found| row(conn, found)).collect()
        })
    }

    /// Those for which `visible` is true, in the same order and up to the same limit. They are read in chunks.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn visible_approvals(
        &self,
        filter: &ApprovalFilter,
        visible: impl Fn(&ApprovalRow) -> bool,
    ) -> Result<Vec<ApprovalRow>, LedgerError> {
        let all = self.snapshot(|conn| all_found(conn, filter))?;
        let mut rows = Vec::new();
        for some in all.chunks(AT_A_TIME) {
            let read: Vec<ApprovalRow> =
                self.snapshot(|conn| some.iter().map(|found| row(conn, *found)).collect())?;
            for row in read {
                if rows.len() >= filter.limit() {
                    return Ok(rows);
                }
                if visible(&row) {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    /// The latest approval for exactly this call.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn approval_for(&self, binding: &Binding) -> Result<Option<ApprovalRow>, LedgerError> {
        let digest = binding_digest(binding);
        self.snapshot(|conn| {
            let found = conn
                .prepare_cached(
                    "SELECT opened, state, version FROM approvals WHERE binding = ?1 ORDER BY opened DESC LIMIT 1",
                )?
                .query_row([digest], found)
                .optional()?;
            found.map(|found| row(conn, found)).transpose()
        })
    }

    /// The latest open or rejected approval for which exactly this call was suspended, and the call's span.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn suspended_call(
        &self,
        binding: &Binding,
    ) -> Result<Option<(ApprovalRow, SpanId)>, LedgerError> {
        let digest = binding_digest(binding);
        self.snapshot(|conn| {
            let waits = conn
                .prepare_cached(
                    "SELECT a.opened, a.state, a.version, w.call FROM suspended_calls w \
                     JOIN approvals a ON a.id = w.approval \
                     JOIN calls c ON c.run = w.run AND c.call = w.call \
                     WHERE w.binding = ?1 AND a.state IN ('pending', 'approved', 'rejected') \
                     AND c.state = 'suspended' ORDER BY a.opened DESC LIMIT 1",
                )?
                .query_row([digest], |row| {
                    Ok((found(row)?, SpanId::from_bytes(row.get(3)?)))
                })
                .optional()?;
            waits
                .map(|(found, call)| Ok((row(conn, found)?, call)))
                .transpose()
        })
    }

    /// The pending approvals of a run, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn pending_of_run(&self, run: RunId) -> Result<Vec<ApprovalRow>, LedgerError> {
        self.snapshot(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT a.opened, a.state, a.version FROM approvals a JOIN runs r ON r.opened = a.run \
                 WHERE r.id = ?1 AND a.state IN ('pending', 'approved') AND a.state = 'pending' \
                 ORDER BY a.opened",
            )?;
            let pending = select
                .query_map([run.as_bytes()], found)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            pending.into_iter().map(|found| row(conn, found)).collect()
        })
    }

    /// How many approvals of a principal are pending.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn pending_of(&self, whose: &PendingApprovals) -> Result<u64, LedgerError> {
        self.with(|conn| Ok(pending_of(conn, whose)?))
    }

    /// Pending approvals that were requested before `before` and not escalated yet.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn unanswered(&self, before: Timestamp) -> Result<Vec<ApprovalRow>, LedgerError> {
        self.snapshot(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT opened, state, version FROM approvals a \
                 WHERE state IN ('pending', 'approved') AND state = 'pending' AND requested <= ?1 \
                 AND NOT EXISTS (SELECT 1 FROM approval_escalations g WHERE g.approval = a.id) ORDER BY opened",
            )?;
            let waiting = select
                .query_map(params![before.0], found)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            waiting.into_iter().map(|found| row(conn, found)).collect()
        })
    }

    /// Whether any approval was ever requested.
    pub(crate) fn has_requested_approvals(&self) -> Result<bool, LedgerError> {
        self.snapshot(|conn| {
            let asked = conn.query_row("SELECT EXISTS (SELECT 1 FROM approvals)", [], |row| {
                row.get(0)
            });
            Ok(asked?)
        })
    }

    pub(crate) fn suspended_runs(&self) -> Result<Vec<RunId>, LedgerError> {
        self.snapshot(|conn| {
            let mut runs = conn.prepare(
                "SELECT DISTINCT r.id FROM suspended_calls w JOIN runs r ON r.opened = w.run \
                 WHERE r.ended IS NULL",
            )?;
            let ids = runs.query_map([], |row| Ok(RunId::from_bytes(row.get(0)?)))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Open approvals that have expired at `now`.
    pub(crate) fn overdue_approvals(
        &self,
        now: Timestamp,
    ) -> Result<Vec<ApprovalRow>, LedgerError> {
        self.snapshot(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT opened, state, version FROM approvals \
                 WHERE state IN ('pending', 'approved') AND expires <= ?1 ORDER BY expires",
            )?;
            let overdue = select
                .query_map(params![now.0], found)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            overdue.into_iter().map(|found| row(conn, found)).collect()
        })
    }
}

/// The approvals of a filter, without its limit.
fn all_found(conn: &Connection, filter: &ApprovalFilter) -> Result<Vec<ApprovalKey>, ReadError> {
    // This spelling lets SQLite use the partial index over open approvals.
    let is_open =
        !filter.states.is_empty() && filter.states.is_subset(&ApprovalFilter::open().states);
    let states = if is_open {
        "a.state IN ('pending', 'approved')"
    } else {
        "1"
    };
    let order = "ORDER BY a.severity DESC, a.opened";
    let all = match &filter.principal {
        None => conn
            .prepare_cached(&format!(
                "SELECT a.opened, a.state, a.version FROM approvals a WHERE {states} {order}"
            ))?
            .query_map([], found)?
            .collect::<rusqlite::Result<Vec<_>>>()?,
        Some(principal) => conn
            .prepare_cached(&format!(
                "SELECT a.opened, a.state, a.version FROM approvals a JOIN runs r ON r.opened = a.run \
                 WHERE {states} AND r.principal_type = ?1 AND r.principal_id = ?2 {order}"
            ))?
            .query_map(params![principal.kind.name(), principal.id], found)?
            .collect::<rusqlite::Result<Vec<_>>>()?,
    };
    let wanted = |(_, state, _): &ApprovalKey| {
        filter.states.is_empty() || state.is_some_and(|state| filter.states.contains(&state))
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// How many approvals of a principal are pending.
pub(crate) fn pending_of(conn: &Connection, whose: &PendingApprovals) -> rusqlite::Result<u64> {
    conn.prepare_cached(
        "SELECT count(*) FROM approvals a JOIN runs r ON r.opened = a.run \
         WHERE a.state IN ('pending', 'approved') AND a.state = 'pending' AND a.expires > ?1 \
         AND a.tenant = ?2 AND r.principal_type = ?3 AND r.principal_id = ?4",
    )?
    .query_row(
        params![
            whose.now.0,
            whose.tenant,
            whose.principal.kind.name(),
            whose.principal.id
        ],
        |row| row.get(0).map(from_sql_u64),
    )
}

/// Roles that an escalation added.
fn escalated_to(conn: &Connection, id: ApprovalId) -> Result<BTreeSet<String>, ReadError> {
    let index = conn
        .prepare_cached("SELECT idx FROM approval_escalations WHERE approval = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0).map(from_sql_u64))
        .optional()?;
    let Some(index) = index else {
        return Ok(BTreeSet::new());
    };
    let Event::ApprovalEscalated(escalated) = stored(conn, index)?.event else {
        let damage = format!("record {index} is not an escalation");
        return Err(ReadError::Damaged(damage));
    };
    Ok(escalated.roles)
}

/// Index of the requesting record, state, version.
type ApprovalKey = (u64, Option<ApprovalState>, u64);

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<ApprovalKey> {
    let state = ApprovalState::from_name(row.get_ref(1)?.as_str()?);
    Ok((from_sql_u64(row.get(0)?), state, from_sql_u64(row.get(2)?)))
}

fn row(conn: &Connection, (opened, state, version): ApprovalKey) -> Result<ApprovalRow, ReadError> {
    let damaged = || ReadError::Damaged(format!("record {opened} does not ask for an approval"));
    let record = stored(conn, opened)?;
    let (Some(run), Event::ApprovalRequested(asked)) = (record.run, record.event) else {
        return Err(damaged());
    };
    let state = state.ok_or_else(damaged)?;
    let open = matches!(state, ApprovalState::Pending | ApprovalState::Approved);
    let answers = answers(conn, asked.id)?;
    let rejected_before = rejections(conn, &record.tenant, &asked, opened, record.time)?;
    let edited = answers
        .iter()
        .rev()
        .find_map(|answer| answer.edited.clone());
    let mut row = ApprovalRow {
        approvers: Vec::new(),
        answers,
        edited,
        question: asked.question.unwrap_or(asked.id),
        rejected_before,
        escalated_to: escalated_to(conn, asked.id)?,
        id: asked.id,
        opened,
        tenant: record.tenant,
        run,
        call: asked.call,
        span: asked.span,
        principal: asked.principal,
        on_behalf_of: asked.on_behalf_of,
        speaker: asked.speaker,
        makers: asked.makers,
        tool: asked.tool,
        component: asked.component,
        arguments: asked.arguments,
        payload: open.then_some(asked.payload),
        severity: asked.requirement.severity,
        requirement: asked.requirement,
        state,
        version,
        requested: record.time,
        expires: asked.expires,
        round: asked.round,
        via: asked.via,
        capability: asked.capability,
        elicitation: asked.elicitation,
        waiting: asked.waiting,
    };
    let counted = row.counted();
    row.approvers = counted
        .map(|answer| (answer.by.clone(), answer.roles.clone()))
        .collect();
    Ok(row)
}

/// Earlier rejections of the same call of the same principal that held when `asked` was requested at `at`,
/// in any run, latest first.
fn rejections(
    conn: &Connection,
    tenant: &str,
    asked: &ApprovalRequested,
    opened: u64,
    at: Timestamp,
) -> Result<Vec<EarlierRejection>, ReadError> {
    let mut select = conn.prepare_cached(
        "SELECT id, opened FROM approvals WHERE state = 'rejected' AND expires > ?1 AND opened < ?2 \
         AND tenant = ?3 ORDER BY opened DESC LIMIT ?4",
    )?;
    let rejected = select
        .query_map(
            params![at.0, to_sql_i64(opened), tenant, MAX_COMPARED],
            |row| {
                Ok((
                    ApprovalId::from_bytes(row.get(0)?),
                    from_sql_u64(row.get(1)?),
                ))
            },
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut rejections = Vec::new();
    for (id, opened) in rejected {
        let Event::ApprovalRequested(earlier) = stored(conn, opened)?.event else {
            continue;
        };
        if !is_same_subject(&earlier, asked) {
            continue;
        }
        let answers = answers(conn, id)?.into_iter();
        let mut rejection = answers.filter(|answer| !answer.approve && answer.took_effect);
        rejections.extend(rejection.next_back().map(|answer| EarlierRejection {
            id,
            at: answer.at,
            by: answer.by.id,
            note: answer.note,
        }));
        if rejections.len() == MAX_REJECTIONS {
            break;
        }
    }
    Ok(rejections)
}

/// Whether two approvals are about the same, in any run: the principal, the tool, and the arguments that the
/// tool declares, or the effect.
fn is_same_subject(a: &ApprovalRequested, b: &ApprovalRequested) -> bool {
    fn declared(asked: &ApprovalRequested) -> &KeyedDigest {
        asked.declared.as_ref().unwrap_or(&asked.arguments)
    }
    a.principal == b.principal && a.tool == b.tool && declared(a) == declared(b)
}

fn answers(conn: &Connection, id: ApprovalId) -> Result<Vec<ApprovalAnswer>, ReadError> {
    let mut select =
        conn.prepare_cached("SELECT idx FROM approval_answers WHERE approval = ?1 ORDER BY idx")?;
    let indices = select.query_map([id.as_bytes()], |row| row.get(0).map(from_sql_u64))?;
    let mut answers = Vec::new();
    for index in indices {
        let index = index?;
        let record = stored(conn, index)?;
        if let Event::ApprovalAnswered(answer) = record.event {
            let edited = answer.edited.filter(|_| answer.took_effect);
            answers.push(ApprovalAnswer {
                approve: answer.approve,
                elicitation: answer.elicitation,
                at: record.time,
                by: answer.by.clone(),
                channel: answer.channel,
                link: answer.link,
                edited: edited.map(|arguments| EditedCall {
                    arguments,
                    answered: index,
                    by: answer.by,
                }),
                note: answer.note,
                roles: answer.roles,
                took_effect: answer.took_effect,
                token_makers: answer.token_makers,
            });
        }
    }
    Ok(answers)
}
