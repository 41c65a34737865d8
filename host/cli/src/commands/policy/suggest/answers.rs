//! `tollgate policy suggest --answers`: standing approvals that would have answered as people did.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tollgate::{
    config::{Config, StandingLimits},
    ids::Clock,
    load,
};
use tollgate_ledger::{ApprovalFilter, ApprovalRow, LedgerReader};
use tollgate_model::{
    ids::DecisionId,
    life::ApprovalState,
    provenance::{Origin, ProvenanceSummary},
};

use super::{
    Suggest, arguments,
    proposal::{
        AskedCall, CallAnswer, CallKind, Omission, Proposal, SinkTrust, Thresholds, proposals,
    },
};
use crate::{
    component::compiler,
    context::Context,
    error::Failure,
    exit_code::Exit,
    style::{Tone, line, paint},
    units::count,
};

/// Of a standing approval that no operator has allowed yet.
const USUAL: StandingLimits = StandingLimits {
    lifetime: Duration::from_secs(8 * 3600),
    uses: 20,
};

/// What is enough for a proposal.
#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// Propose standing approvals from how people answered, instead of permits.
    #[arg(long, conflicts_with_all = ["no_arguments", "owner"])]
    pub(super) answers: bool,
    /// The fewest approved questions for a proposal.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "answers")]
    min_answers: usize,
    /// The most rejected calls next to them; none of these is let through.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "answers")]
    max_rejected: usize,
    /// Let this argument have any value, such as /reason. Not one that decides where the call goes.
    #[arg(long, value_name = "POINTER", requires = "answers")]
    any: Vec<String>,
}

#[derive(Serialize)]
struct Answers {
    proposals: Vec<Proposal>,
    omitted: Vec<Omission>,
}

pub(super) async fn run(args: &Suggest, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let rows = match cx.reader_if_any(&config)? {
        Some(reader) => rows(args, &config, &reader)?,
        None => Vec::new(),
    };
    let decisions: Vec<DecisionId> = rows.iter().filter_map(|asked| asked.decision).collect();
    let mut inputs = match decisions.is_empty() {
        true => BTreeMap::new(),
        false => arguments(config.clone(), &decisions, cx).await?,
    };
    let calls = rows.into_iter().filter_map(|asked| {
        let input = asked.decision.and_then(|decision| inputs.remove(&decision));
        asked.call(input)
    });
    let calls: Vec<AskedCall> = calls.collect();
    let limits = config.approvals.standing;
    let thresholds = Thresholds {
        answers: args.answers.min_answers.max(1),
        rejected: args.answers.max_rejected,
        any: args.answers.any.iter().cloned().collect(),
        limits: limits.unwrap_or(USUAL),
    };
    let step = cx.out.progress().map(|p| p.step("loading what is called"));
    let ruleset = load::check(config, Some(compiler())).await?.ruleset;
    drop(step);
    let (proposals, omitted) = proposals(&calls, &thresholds, |tool| {
        ruleset.callable(tool).map(|tool| &tool.provenance.roles)
    });
    let found = Answers { proposals, omitted };
    cx.out.show(&found, || text(&found))?;
    remark(&found, limits.is_some(), cx);
    Ok(Exit::Ok)
}

fn remark(found: &Answers, has_limits: bool, cx: &Context<'_>) {
    if found.proposals.is_empty() {
        cx.out
            .remark("no standing approval would have answered as people did");
    } else if !has_limits {
        cx.out.remark(
            "there are no standing approvals until an operator sets [approvals.standing] max_lifetime in tollgate.toml",
        );
    }
}

/// An approval, and what its record says of the call.
struct AskedRow {
    row: ApprovalRow,
    /// Absent if it is not found near the request.
    decision: Option<DecisionId>,
    provenance: Option<Box<ProvenanceSummary>>,
}

/// The newest approvals of calls that people answered or may answer, and all that they rejected or edited, however
/// old: nothing is proposed that would let such a call through. Effects inside calls have no standing approvals.
fn rows(args: &Suggest, config: &Config, reader: &LedgerReader) -> Result<Vec<AskedRow>, Failure> {
    let zone = &config.gate.timezone;
    let now = Clock::system().now();
    let since = args.since.as_ref().map(|when| when.at(now, zone));
    let mut rows = reader.approvals(&ApprovalFilter::default())?;
    rows.retain(|row| {
        let principal = args.principal.as_ref();
        row.tenant == config.gate.tenant
            && row.elicitation.is_none()
            && row.capability.is_none()
            && row.waiting.is_empty()
            && (is_refused(row)
                || since.is_none_or(|since| row.requested >= since)
                    && !matches!(row.state, ApprovalState::Expired | ApprovalState::Cancelled))
            && principal.is_none_or(|name| *name == row.principal.id)
    });
    rows.sort_by_key(|row| std::cmp::Reverse(row.requested));
    let mut room = args.limit;
    rows.retain(|row| {
        let is_kept = is_refused(row) || room > 0;
        room = room.saturating_sub(usize::from(!is_refused(row)));
        is_kept
    });
    let mut found = Vec::new();
    for row in rows {
        let asked = reader.requesting_decision(&row)?;
        let (decision, provenance) =
            asked.map_or((None, None), |(id, record)| (Some(id), record.provenance));
        found.push(AskedRow {
            row,
            decision,
            provenance,
        });
    }
    Ok(found)
}

/// Whether a person did not let the call through as it was.
fn is_refused(row: &ApprovalRow) -> bool {
    row.state == ApprovalState::Rejected || row.edited.is_some()
}

impl AskedRow {
    /// The call, if people answered it or it still waits for them.
    fn call(self, arguments: Option<Value>) -> Option<AskedCall> {
        let row = self.row;
        let is_approved = row.counted().next().is_some();
        let answer = match row.state {
            ApprovalState::Pending => CallAnswer::Pending,
            ApprovalState::Rejected => CallAnswer::Rejected,
            _ if row.edited.is_some() => CallAnswer::Edited,
            ApprovalState::Approved | ApprovalState::Consumed if is_approved => {
                CallAnswer::Approved
            }
            // Enough people approved it, and it was not used in time.
            ApprovalState::Expired
            | ApprovalState::Cancelled
            | ApprovalState::Approved
            | ApprovalState::Consumed => return None,
        };
        let lifts = row.requirement.lifts.iter();
        Some(AskedCall {
            kind: CallKind {
                policies: lifts.map(|policy| policy.id.clone()).collect(),
                tool: row.tool,
                principal: row.principal,
                on_behalf_of: row.on_behalf_of,
                via: row.via,
            },
            approval: row.id,
            question: row.question,
            run: row.run,
            at: row.requested,
            answer,
            arguments,
            sinks: sink_trust(self.provenance.as_deref()),
        })
    }
}

fn sink_trust(provenance: Option<&ProvenanceSummary>) -> SinkTrust {
    let Some(provenance) = provenance else {
        return SinkTrust::Unknown;
    };
    let mut values = provenance.values.values();
    let is_untrusted = provenance.sinks.contains(&Origin::Untrusted)
        || values.any(|value| value.role.is_some() && value.origin == Origin::Untrusted);
    match (is_untrusted, provenance.known) {
        (true, _) => SinkTrust::Untrusted,
        (false, true) => SinkTrust::Safe,
        (false, false) => SinkTrust::Unknown,
    }
}

fn text(found: &Answers) -> String {
    let mut text = String::new();
    for proposal in &found.proposals {
        let (saved, asked) = (proposal.saved as u64, proposal.questions as u64);
        text.push_str(&format!(
            "{}\n  {}\n  It would have saved {saved} of {}.\n",
            heading(&proposal.kind),
            paint(&line(&proposal.command, 8000), Tone::Name),
            count(asked, "question"),
        ));
        if proposal.unknown_origins > 0 {
            let calls = count(proposal.unknown_origins as u64, "call");
            text.push_str(&format!(
                "  Of {calls} it is not known where all values came from.\n"
            ));
        }
        for reason in &proposal.left_out {
            text.push_str(&format!("  {}.\n", line(reason, 1000)));
        }
        text.push('\n');
    }
    for omission in &found.omitted {
        text.push_str(&format!("{}\n", heading(&omission.kind)));
        for reason in &omission.reasons {
            text.push_str(&format!("  Nothing proposed: {}.\n", line(reason, 1000)));
        }
        text.push('\n');
    }
    text
}

/// `large-refunds: payments__refund, support for alice`.
fn heading(kind: &CallKind) -> String {
    let policies: Vec<&str> = kind.policies.iter().map(String::as_str).collect();
    let whose = match kind.principal == kind.on_behalf_of {
        true => kind.principal.id.clone(),
        false => format!("{} for {}", kind.principal.id, kind.on_behalf_of.id),
    };
    let text = format!("{}: {}, {whose}", policies.join(", "), kind.tool);
    line(&text, 400)
}
