//! Standing approvals that would have answered as people did.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;
use tollgate::config::StandingLimits;
use tollgate_model::{
    entity::Uid,
    ids::{ApprovalId, RunId},
    provenance::ArgumentRoles,
    time::Timestamp,
};

use super::bounds::{Bounds, bounds, difference, shell_word};
use crate::units::count;

/// The longest command, in bytes.
const MAX_COMMAND: usize = 4000;

/// The calls that one standing approval could cover, but for their arguments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct CallKind {
    /// The policies that asked.
    pub(super) policies: BTreeSet<String>,
    pub(super) tool: String,
    pub(super) principal: Uid,
    pub(super) on_behalf_of: Uid,
    /// Components through which the calls are made, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) via: Vec<String>,
}

/// What people said to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallAnswer {
    Approved,
    /// Approved with other arguments.
    Edited,
    Rejected,
    /// It still waits.
    Pending,
}

/// Whether strangers wrote what decides where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SinkTrust {
    Safe,
    Untrusted,
    /// The gate has not seen everything.
    Unknown,
}

/// A call that people were asked about.
#[derive(Debug, Clone)]
pub(super) struct AskedCall {
    pub(super) kind: CallKind,
    pub(super) approval: ApprovalId,
    pub(super) question: ApprovalId,
    pub(super) run: RunId,
    pub(super) at: Timestamp,
    pub(super) answer: CallAnswer,
    /// Absent if they are not kept, or may not be read.
    pub(super) arguments: Option<Value>,
    pub(super) sinks: SinkTrust,
}

/// What is enough for a proposal.
#[derive(Debug, Clone)]
pub(super) struct Thresholds {
    /// The fewest questions that were approved.
    pub(super) answers: usize,
    /// The most calls that were not.
    pub(super) rejected: usize,
    /// Arguments that may have any value, by pointer.
    pub(super) any: BTreeSet<String>,
    /// The longest time and the most uses of a standing approval.
    pub(super) limits: StandingLimits,
}

/// A standing approval to give.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Proposal {
    #[serde(flatten)]
    pub(super) kind: CallKind,
    pub(super) command: String,
    /// The waiting call with whose answer it can be given now.
    pub(super) approval: Option<ApprovalId>,
    pub(super) calls: usize,
    pub(super) questions: usize,
    /// Questions that it would have answered.
    pub(super) saved: usize,
    /// Calls of which it is not known where all values came from.
    pub(super) unknown_origins: usize,
    /// Approved calls that it is not drawn from, and why.
    pub(super) left_out: Vec<String>,
}

/// Calls for which nothing is proposed.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Omission {
    #[serde(flatten)]
    pub(super) kind: CallKind,
    pub(super) reasons: Vec<String>,
}

/// A proposal, or why there is none, for each kind of call; the most saved questions first.
pub(super) fn proposals<'a>(
    calls: &[AskedCall],
    thresholds: &Thresholds,
    roles: impl Fn(&str) -> Option<&'a ArgumentRoles>,
) -> (Vec<Proposal>, Vec<Omission>) {
    let mut kinds: BTreeMap<&CallKind, Vec<&AskedCall>> = BTreeMap::new();
    for call in calls {
        kinds.entry(&call.kind).or_default().push(call);
    }
    let (mut found, mut omitted) = (Vec::new(), Vec::new());
    for (kind, asked) in kinds {
        if asked.iter().all(|call| call.answer == CallAnswer::Pending) {
            continue;
        }
        let study = Study {
            kind,
            asked: &asked,
            all: calls,
            thresholds,
        };
        let drawn = match roles(&kind.tool) {
            Some(roles) => study.draw(roles),
            None => Err(vec!["the tool is not loaded".into()]),
        };
        match drawn {
            Ok(proposals) => found.extend(proposals),
            Err(reasons) => omitted.push(Omission {
                kind: kind.clone(),
                reasons,
            }),
        }
    }
    found.sort_by_key(|proposal| std::cmp::Reverse(proposal.saved));
    (found, omitted)
}

/// The calls of one kind.
struct Study<'a> {
    kind: &'a CallKind,
    asked: &'a [&'a AskedCall],
    /// Those of every kind.
    all: &'a [AskedCall],
    thresholds: &'a Thresholds,
}

impl Study<'_> {
    /// A proposal for each set of arguments' names, or the reasons why there is none at all.
    fn draw(&self, roles: &ArgumentRoles) -> Result<Vec<Proposal>, Vec<String>> {
        let refused = self.asked.iter().filter(|call| is_refused(call)).count();
        let mut reasons = self.left_out();
        if refused > self.thresholds.rejected {
            let calls = count(refused as u64, "call");
            reasons.push(format!(
                "{calls} rejected, or approved with other arguments"
            ));
            return Err(reasons);
        }
        let mut shapes: BTreeMap<Vec<&String>, Vec<&AskedCall>> = BTreeMap::new();
        for call in self.asked.iter().filter(|call| is_evidence(call)) {
            let members = call.arguments.as_ref().and_then(Value::as_object);
            let names = members
                .map(|members| members.keys().collect())
                .unwrap_or_default();
            shapes.entry(names).or_default().push(call);
        }
        let mut found = Vec::new();
        let few = shapes.is_empty();
        for mut calls in shapes.into_values() {
            calls.sort_by_key(|call| call.at);
            match self.proposal(&calls, roles) {
                Ok(proposal) => found.push(proposal),
                Err(reason) => reasons.push(reason),
            }
        }
        if few {
            reasons.push("no approved call to draw on".into());
        }
        match found.is_empty() {
            true => Err(reasons),
            false => Ok(found),
        }
    }

    /// Approved calls that nothing is drawn from.
    fn left_out(&self) -> Vec<String> {
        let number = |is: fn(&AskedCall) -> bool| {
            let approved = self
                .asked
                .iter()
                .filter(|c| c.answer == CallAnswer::Approved);
            approved.filter(|call| is(call)).count() as u64
        };
        let untrusted = number(|call| call.sinks == SinkTrust::Untrusted);
        let unread = number(|call| call.arguments.is_none());
        let mut reasons = Vec::new();
        if untrusted > 0 {
            let calls = count(untrusted, "approved call");
            reasons.push(format!(
                "{calls} left out: what strangers wrote decided where it goes"
            ));
        }
        if unread > 0 {
            let calls = count(unread, "approved call");
            reasons.push(format!(
                "{calls} left out: the arguments are not kept, or you may not read them"
            ));
        }
        reasons
    }

    /// A proposal from approved calls, in order, whose arguments have the same names.
    fn proposal(&self, calls: &[&AskedCall], roles: &ArgumentRoles) -> Result<Proposal, String> {
        let questions: BTreeSet<ApprovalId> = calls.iter().map(|call| call.question).collect();
        let (few, enough) = (questions.len(), self.thresholds.answers);
        if few < enough {
            return Err(format!(
                "{few} of {enough} approved questions with arguments like these"
            ));
        }
        let arguments: Vec<&Value> = calls.iter().filter_map(|c| c.arguments.as_ref()).collect();
        let bounds = bounds(&arguments, roles, &self.thresholds.any)?;
        self.check_refused(&bounds)?;
        let terms = Terms::of(calls, self.thresholds.limits);
        let saved = questions.len() - terms.asked(calls).len();
        if saved == 0 {
            return Err("it would have saved no question".into());
        }
        let waiting = self.asked.iter().find(|call| {
            call.answer == CallAnswer::Pending
                && call.sinks != SinkTrust::Untrusted
                && call
                    .arguments
                    .as_ref()
                    .is_some_and(|of| bounds.pattern.admits(of))
        });
        let approval = waiting.map(|call| call.approval);
        let unknown = calls.iter().filter(|call| call.sinks == SinkTrust::Unknown);
        Ok(Proposal {
            kind: self.kind.clone(),
            command: command(approval, &terms, &bounds)?,
            approval,
            calls: calls.len(),
            questions: questions.len(),
            saved,
            unknown_origins: unknown.count(),
            left_out: self.left_out(),
        })
    }

    /// Requires that no call is covered that people refused, or that strangers sent somewhere: a standing
    /// approval does not see where a value came from.
    fn check_refused(&self, bounds: &Bounds) -> Result<(), String> {
        let alike = self.all.iter().filter(|call| {
            call.kind.tool == self.kind.tool
                && call.kind.principal == self.kind.principal
                && call.kind.on_behalf_of == self.kind.on_behalf_of
        });
        let refused = alike.filter(|call| is_refused(call) || call.sinks == SinkTrust::Untrusted);
        for call in refused {
            let id = call.approval;
            let what = match call.answer {
                CallAnswer::Rejected => "was rejected",
                CallAnswer::Edited => "was approved with other arguments",
                CallAnswer::Approved | CallAnswer::Pending => {
                    "has a value from strangers that decides where it goes"
                }
            };
            match &call.arguments {
                None => return Err(format!("{id} {what}, and its arguments are not known")),
                Some(arguments) if bounds.pattern.admits(arguments) => {
                    return Err(format!("it would let {id} through, which {what}"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

fn is_refused(call: &AskedCall) -> bool {
    matches!(call.answer, CallAnswer::Edited | CallAnswer::Rejected)
}

/// Whether a proposal may be drawn from it.
fn is_evidence(call: &AskedCall) -> bool {
    call.answer == CallAnswer::Approved
        && call.sinks != SinkTrust::Untrusted
        && call.arguments.is_some()
}

/// The end, the uses and the reach of a standing approval.
struct Terms {
    lifetime: Duration,
    uses: u64,
    any_run: bool,
}

impl Terms {
    /// The narrowest that save what can be saved of these calls, which are in order.
    fn of(calls: &[&AskedCall], limits: StandingLimits) -> Self {
        let lifetime = Duration::from_secs(limits.lifetime.as_secs());
        let runs: BTreeSet<RunId> = calls.iter().map(|call| call.run).collect();
        let most = calls.iter().enumerate().map(|(at, first)| {
            let end = first.at.after(lifetime);
            let later = calls.iter().skip(at + 1);
            later.take_while(|call| call.at < end).count() as u64
        });
        Self {
            lifetime,
            uses: most.max().unwrap_or(0).clamp(1, limits.uses.max(1)),
            any_run: runs.len() > 1,
        }
    }

    /// The questions that remain, if a standing approval is given with the answer to each.
    fn asked(&self, calls: &[&AskedCall]) -> BTreeSet<ApprovalId> {
        let mut asked = BTreeSet::new();
        let mut given: Option<(Timestamp, RunId, u64)> = None;
        for call in calls {
            match &mut given {
                Some((end, run, uses))
                    if *uses > 0 && call.at < *end && (self.any_run || *run == call.run) =>
                {
                    *uses -= 1;
                }
                _ => {
                    asked.insert(call.question);
                    given = Some((call.at.after(self.lifetime), call.run, self.uses));
                }
            }
        }
        asked
    }
}

fn command(approval: Option<ApprovalId>, terms: &Terms, bounds: &Bounds) -> Result<String, String> {
    let approval = approval.map_or("APPROVAL".into(), |id| id.to_string());
    let seconds = terms.lifetime.as_secs();
    let lifetime = match seconds {
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    };
    let uses = terms.uses;
    let mut command =
        format!("tollgate approvals approve {approval} --standing {lifetime} --uses {uses}");
    if terms.any_run {
        command.push_str(" --any-run");
    }
    for (pointer, allowance) in &bounds.allowances {
        let word = shell_word(&difference(pointer, allowance)?);
        command.push_str(&format!(" --differ {word}"));
    }
    match command.len() > MAX_COMMAND {
        true => Err("the values that it would have to name are too long".into()),
        false => Ok(command),
    }
}

#[cfg(test)]
mod tests;
