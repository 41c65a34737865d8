//! Which standing approvals allow a call.

use std::{collections::BTreeSet, sync::Arc};

use tollgate_ledger::{Batch, LedgerError, StandingRow};
use tollgate_model::{
    decision::{Decision, Requirement},
    entity::Uid,
    ids::StandingId,
    record::KeyedDigest,
    request::{Action, PriorApproval},
    standing::{ArgumentPattern, StandingScope},
    time::Timestamp,
};

use super::{super::subject::Subject, terms};
use crate::enforce::{CallContext, Pep, Refusal, Ruleset, ToolCall, UnrecordedDecision};

/// Standing approvals that together meet what a call needs.
pub(crate) struct StandingCover {
    /// The approval as policies see it.
    pub(crate) prior: PriorApproval,
    members: Vec<Member>,
}

/// A standing approval whose approver might approve the call now.
struct Member {
    row: StandingRow,
    /// Its approver's roles that count.
    roles: BTreeSet<String>,
    /// That the approver may approve the call, and the like of it.
    rights: [UnrecordedDecision; 2],
}

impl Member {
    /// The people who can have given it: its approver, and the makers of the approver's token.
    fn people(&self) -> impl Iterator<Item = &str> {
        let granted = &self.row.granted;
        let makers = granted.token_makers.iter().map(String::as_str);
        makers.chain([granted.by.id.as_str()])
    }

    fn id(&self) -> StandingId {
        self.row.granted.id
    }
}

impl StandingCover {
    /// The standing approvals.
    pub(crate) fn ids(&self) -> BTreeSet<StandingId> {
        self.members.iter().map(Member::id).collect()
    }

    /// Adds the decisions about the rights of the approvers.
    pub(crate) fn add_rights(
        &self,
        pep: &Pep,
        cx: &CallContext,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        for member in &self.members {
            for right in &member.rights {
                let (record, payload) =
                    pep.standing_record(&cx.ruleset, right, cx.run, member.id())?;
                batch.records.push(record);
                batch.payloads.push(payload);
            }
        }
        Ok(())
    }
}

fn unread(error: LedgerError) -> Refusal {
    Refusal::Unrecorded {
        reason: error.to_string(),
    }
}

impl Pep {
    /// The standing approvals that meet `requirement` for this call: as few as suffice. `declared` is the
    /// digest of the arguments that the tool declares, by which a rejection of the same call is found.
    pub(crate) fn standing_cover(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        declared: &KeyedDigest,
        requirement: &Requirement,
    ) -> Result<Option<StandingCover>, Refusal> {
        let (tenant, tool) = (&cx.ruleset.config.gate.tenant, &call.tool().name);
        let reader = self.ledger.reader();
        let rows = reader.standing_for(tenant, &cx.principal, tool);
        let mut members = Vec::new();
        for row in rows.map_err(unread)? {
            if !row.covers(cx, call, requirement, self.now()) {
                continue;
            }
            let pattern = self
                .ledger
                .unseal(row.opened, row.granted.pattern, "pattern");
            // Without its key it is not known what it covers.
            let pattern = pattern
                .ok()
                .and_then(|plain| serde_json::from_slice::<ArgumentPattern>(&plain).ok());
            let roles = &call.tool().provenance.roles;
            let admits =
                |pattern: ArgumentPattern| pattern.suits(roles) && pattern.admits(call.arguments());
            if pattern.is_some_and(admits) {
                members.extend(self.member(cx, row, requirement));
            }
        }
        let Some(cover) = fewest(members, requirement) else {
            return Ok(None);
        };
        // A person has said no to this very call, and may be asked again.
        let rejected = reader.is_rejected(tenant, &cx.principal, tool, declared, self.now());
        Ok((!rejected.map_err(unread)?).then_some(cover))
    }

    /// The standing approval, if its approver might approve this call now.
    fn member(
        &self,
        cx: &CallContext,
        row: StandingRow,
        requirement: &Requirement,
    ) -> Option<Member> {
        let ruleset = &cx.ruleset;
        let granted = &row.granted;
        let user = ruleset.config.users.get(&granted.by.id)?;
        let subject = Subject::covered(cx, &row, requirement);
        let config = &ruleset.config;
        if subject
            .side
            .maker_among(config, &granted.token_makers)
            .is_some()
        {
            return None;
        }
        let approve = self.right(ruleset, &granted.by, &subject, Action::Approve)?;
        let subject = subject.with_terms(terms(&row));
        let standing = self.right(ruleset, &granted.by, &subject, Action::ApproveStanding)?;
        Some(Member {
            roles: granted.roles.intersection(&user.roles).cloned().collect(),
            rights: [approve, standing],
            row,
        })
    }

    fn right(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        subject: &Subject<'_>,
        action: Action,
    ) -> Option<UnrecordedDecision> {
        let (request, entities) = subject.request(ruleset, user, action);
        let judged = self.judge(ruleset, request, entities);
        matches!(judged.decision, Decision::Allow(_)).then_some(judged)
    }
}

/// What a standing approval says of a call, but for its arguments and its approver.
trait Covers {
    fn covers(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        requirement: &Requirement,
        now: Timestamp,
    ) -> bool;
}

impl Covers for StandingRow {
    fn covers(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        requirement: &Requirement,
        now: Timestamp,
    ) -> bool {
        let granted = &self.granted;
        let speaker = cx.speaker.as_ref().map(|speaker| &speaker.by);
        granted.expires > now
            && self.uses_left() > 0
            && granted.on_behalf_of == cx.on_behalf_of
            // The approver was shown who makes such calls.
            && granted.speaker.as_ref() == speaker
            && granted.makers.is_superset(&cx.makers)
            && granted.component == call.tool().source.digest
            && granted.via == cx.via()
            && (granted.scope == StandingScope::Principal || self.run == cx.run)
            // A policy that was added or changed since then is not lifted.
            && requirement.lifts.is_subset(&granted.requirement.lifts)
    }
}

/// As few members as meet the requirement: one if any is enough, otherwise several of different people.
fn fewest(mut members: Vec<Member>, requirement: &Requirement) -> Option<StandingCover> {
    // What ends first is used first.
    members.sort_by_key(|member| (member.row.granted.expires, member.id()));
    let alone = members
        .iter()
        .position(|member| requirement.met_by(&member.roles, 1));
    let mut chosen = match alone {
        Some(at) => vec![members.swap_remove(at)],
        None => of_different_people(members),
    };
    let mut at = 0;
    while at < chosen.len() {
        let others = chosen.iter().enumerate().filter(|(other, _)| *other != at);
        let prior = prior(others.map(|(_, member)| member), requirement);
        if requirement.met_by(&prior.roles, prior.count) {
            chosen.remove(at);
        } else {
            at += 1;
        }
    }
    let prior = prior(chosen.iter(), requirement);
    requirement
        .met_by(&prior.roles, prior.count)
        .then_some(StandingCover {
            prior,
            members: chosen,
        })
}

/// Those that no two were given by one person.
fn of_different_people(members: Vec<Member>) -> Vec<Member> {
    let mut people: BTreeSet<String> = BTreeSet::new();
    let mut chosen = Vec::new();
    for member in members {
        if member.people().all(|person| !people.contains(person)) {
            people.extend(member.people().map(str::to_owned));
            chosen.push(member);
        }
    }
    chosen
}

fn prior<'a>(
    members: impl Iterator<Item = &'a Member>,
    requirement: &Requirement,
) -> PriorApproval {
    let mut prior = PriorApproval {
        count: 0,
        lifts: requirement.lifts.clone(),
        roles: BTreeSet::new(),
    };
    for member in members {
        prior.count += 1;
        prior.roles.extend(member.roles.iter().cloned());
    }
    prior
}
