//! `tollgate decisions`: decisions and acts of operators, across runs.

use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use serde::Serialize;
use tollgate::{config::Config, ids::Clock};
use tollgate_ledger::{LedgerReader, RecordFilter};
use tollgate_model::{
    decision::Outcome,
    ids::DecisionId,
    record::{DecisionRecord, Event, Record},
    request::Action,
    time::Timestamp,
};

use crate::{
    client::ApiRequest,
    commands::time_arg::TimeArg,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::decision::{COLUMNS, cells, list, whole},
    reply::{Entry, FactsView},
    style::{Tone, paint},
};

const LIST: &str = "\
Examples:
  $ tollgate decisions list --outcome deny --since 2h
  $ tollgate decisions list --policy large-refunds-need-finance --csv > refunds.csv

Newest first. The list also has answers to approvals, calls that were refused before any policy, activations of
policies, halts, ends of runs, and acts of administration. Their ids are #N instead of dec-N.

With --json, one object per line: {index, id, time, kind, outcome, principal, on_behalf_of, action, resource,
policies, reason, run, approval}. CSV has the same columns.";
const SHOW: &str = "\
Examples:
  $ tollgate decisions show dec-12
  $ tollgate decisions show dec-12 --facts

--facts also shows the facts that were decided about, arguments included. This needs the permission
`view_payload` and is recorded.

With --json: {id, run, tenant, time, decision, facts}.";

/// What to do with decisions.
#[derive(Debug, Subcommand)]
pub(crate) enum Decisions {
    /// List decisions and acts of operators, newest first.
    #[command(after_help = LIST)]
    List(List),
    /// Show everything about one decision.
    #[command(after_help = SHOW)]
    Show {
        /// The decision, such as dec-12.
        id: DecisionId,
        /// Also show the facts, arguments included.
        #[arg(long)]
        facts: bool,
    },
}

/// Filters of the list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only from this time on: 2h (ago), 2026-11-21, or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    since: Option<TimeArg>,
    /// Only before this time, written like --since.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    until: Option<TimeArg>,
    /// Only this outcome.
    #[arg(long, value_parser = ["allow", "deny", "escalate", "error"])]
    outcome: Option<String>,
    /// Only decisions that this policy determined.
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Only requests of this agent, user or component.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only requests about this tool.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only answers to approvals by this user.
    #[arg(long, value_name = "NAME")]
    approver: Option<String>,
    /// Show at most this many; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl List {
    fn wants(&self, entry: &Entry, record: &Record) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let policy = self
            .policy
            .as_deref()
            .is_none_or(|wanted| entry.policies.iter().any(|p| p == wanted));
        let tool = self
            .tool
            .as_deref()
            .is_none_or(|wanted| match &record.event {
                Event::Decision(d) => {
                    d.called().is_some_and(|tool| tool == wanted)
                        || (d.action == Action::ReturnResult && d.resource.id == wanted)
                }
                Event::CallInvalid(call) => call.tool == wanted,
                Event::Halted(_) | Event::Resumed(_) => entry.resource == format!("tool {wanted}"),
                Event::BundleActivated(_)
                | Event::RunStarted(_)
                | Event::RunEnded(_)
                | Event::Start(_)
                | Event::Outcome(_)
                | Event::Effect(_)
                | Event::ComponentLog(_)
                | Event::LabelsJoined(_)
                | Event::ApprovalRequested(_)
                | Event::ApprovalAnswered(_)
                | Event::ApprovalResolved(_)
                | Event::ApprovalEscalated(_)
                | Event::ApprovalLinkIssued(_)
                | Event::ApprovalLinkRevoked(_)
                | Event::ApprovalAnswerRefused(_)
                | Event::StandingGranted(_)
                | Event::StandingEnded(_)
                | Event::Administered(_) => false,
            });
        let answered = matches!(record.event, Event::ApprovalAnswered(_));
        let approver = self
            .approver
            .as_deref()
            .is_none_or(|wanted| answered && entry.principal == wanted);
        let outcome = self.outcome.is_none() || matches!(record.event, Event::Decision(_));
        outcome
            && is(&self.outcome, &entry.outcome)
            && policy
            && is(&self.principal, &entry.principal)
            && tool
            && approver
    }
}

/// Run `tollgate decisions`.
pub(crate) async fn run(command: Decisions, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Decisions::List(args) => shown(&args, cx),
        Decisions::Show { id, facts } => show(id, facts, cx).await,
    }
}

fn found(args: &List, config: &Config, reader: &LedgerReader) -> Result<Vec<Entry>, Failure> {
    let now = Clock::system().now();
    let at = |when: &Option<TimeArg>| {
        when.as_ref()
            .map(|when| when.at(now, &config.gate.timezone))
    };
    let filter = RecordFilter {
        since: at(&args.since),
        until: at(&args.until),
        ..RecordFilter::default()
    };
    let limit = if args.limit == 0 {
        usize::MAX
    } else {
        args.limit
    };
    let mut entries = Vec::new();
    reader.records(&filter, |index, record| {
        if let Some(entry) = Entry::of(index, &record).filter(|entry| args.wants(entry, &record)) {
            entries.push(entry);
        }
        if entries.len() >= limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(entries)
}

fn shown(args: &List, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let reader = cx.reader_if_any(&config)?;
    let entries = reader.map_or_else(|| Ok(Vec::new()), |reader| found(args, &config, &reader))?;
    if args.csv {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| Failure::plain(e.to_string());
        writer.write_record(COLUMNS).map_err(failed)?;
        for entry in &entries {
            writer.write_record(cells(entry)).map_err(failed)?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|e| Failure::plain(e.to_string()))?;
        cx.out.text(&String::from_utf8_lossy(&bytes))?;
    } else if cx.out.is_json() {
        for entry in &entries {
            cx.out.json(entry)?;
        }
    } else if entries.is_empty() {
        cx.out.remark("nothing like that was decided");
    } else {
        cx.out.text(&list(&entries))?;
        if entries.len() == args.limit {
            cx.out
                .remark(&format!("the newest {}; more with --limit", args.limit));
        }
    }
    Ok(Exit::Ok)
}

/// A decision as programs read it.
#[derive(Serialize)]
struct DecisionView<'a> {
    id: DecisionId,
    tenant: &'a str,
    run: Option<tollgate_model::ids::RunId>,
    time: Timestamp,
    decision: &'a DecisionRecord,
    facts: Option<FactsView>,
}

async fn show(id: DecisionId, facts: bool, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let nothing = || {
        Failure::plain(format!("there is no decision `{id}`"))
            .help("list them with `tollgate decisions list`")
    };
    let record = cx.reader(&config)?.record(id.0)?.ok_or_else(nothing)?;
    let Event::Decision(decision) = &record.event else {
        return Err(nothing());
    };
    let facts = if facts {
        let request = ApiRequest::get(format!("/v1/decisions/{id}/facts"));
        Some(cx.execute(request).await?)
    } else {
        None
    };
    if cx.out.is_json() {
        cx.out.json(&DecisionView {
            id,
            tenant: &record.tenant,
            run: record.run,
            time: record.time,
            decision,
            facts,
        })?;
        return Ok(Exit::Ok);
    }
    let hint =
        facts.is_none() && decision.outcome != Outcome::Allow && decision.facts_digest.is_some();
    let sources = config.policy_files().unwrap_or_default();
    let place = |policy: &str| place_of(&config, &sources, policy);
    let mut text = whole(id.0, &record, decision, place, cx.out.width());
    if let Some(facts) = facts {
        for (title, value) in [("Request", &facts.request), ("Facts", &facts.facts)] {
            let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
            text.push_str(&format!("\n  {}\n", paint(title, Tone::Strong)));
            for piece in tollgate::text::printable(&pretty, 1 << 20).lines() {
                text.push_str(&format!("    {piece}\n"));
            }
        }
    }
    cx.out.text(&text)?;
    if hint {
        cx.out.remark(&format!(
            "what it was made from: {}",
            paint(&format!("tollgate decisions show {id} --facts"), Tone::Name)
        ));
    }
    Ok(Exit::Ok)
}

/// The present file and line of each policy, by `@id`, without loading the gate.
fn place_of(
    config: &Config,
    sources: &[tollgate_policy::policy::PolicyFile],
    policy: &str,
) -> Option<String> {
    let needle = format!("@id(\"{policy}\")");
    sources.iter().find_map(|file| {
        let before = file.text.get(..file.text.find(&needle)?)?;
        let line = before.matches('\n').count() + 1;
        Some(format!(
            "{}:{line}",
            config.policies.join(&file.name).display()
        ))
    })
}
