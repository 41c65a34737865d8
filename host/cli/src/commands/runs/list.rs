//! `tollgate runs list`.

use clap::{Args, ValueEnum};
use tollgate::ids::Clock;
use tollgate_ledger::{RunFilter, RunRow};
use tollgate_model::record::RunOutcome;
use tollgate_trace::search::{self, RunSearch};

use crate::{
    commands::{runs::trace, time_arg::TimeArg},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::run,
};

const LIST: &str = "\
Examples:
  $ tollgate runs list
  $ tollgate runs list --open --json
  $ tollgate runs list --tool payments__refund --decision escalate --since 7d

With --json: [{id, opened, tenant, principal, on_behalf_of, key, root, started, last, ended, outcome,
stop_reason, calls, denials, errors, pending, labels}]. Times are microseconds since 1970.";
/// Filters of the list.
#[derive(Debug, Args)]
#[command(after_help = LIST)]
pub(crate) struct List {
    /// Only runs that have not ended.
    #[arg(long)]
    open: bool,
    /// Only runs that began at this time or later: 2h (ago), 2026-11-21, or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    since: Option<TimeArg>,
    /// Only runs that began before this time, written like --since.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    until: Option<TimeArg>,
    /// Only runs of this agent or user.
    #[arg(long, value_name = "NAME", visible_alias = "agent")]
    principal: Option<String>,
    /// Only runs with this outcome.
    #[arg(long, value_enum)]
    outcome: Option<OutcomeFilter>,
    /// Only runs in which this tool was called.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only runs in which this policy determined a decision.
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Only runs that have a decision with this outcome.
    #[arg(long, value_parser = ["allow", "deny", "escalate", "error"])]
    decision: Option<String>,
    /// Only runs of this tenant.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only runs of this conversation.
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only runs whose self-reports, notes or reported spans contain this text; at least three letters.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only runs with a note that has this label.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Only runs of this version: prompt:3, workflow:2, agent:1.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Only runs whose agent reported calls of this model.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only runs in this set.
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// The next page: N is the last number of the previous page.
    #[arg(long, value_name = "N")]
    before: Option<u64>,
    /// Show at most this many; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

impl List {
    /// Whether a filter needs the trace store.
    fn searches(&self) -> bool {
        let words = [
            &self.principal,
            &self.tool,
            &self.policy,
            &self.decision,
            &self.conversation,
            &self.text,
            &self.label,
            &self.version,
            &self.model,
            &self.set,
        ];
        words.iter().any(|word| word.is_some())
    }
}

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutcomeFilter {
    /// It reached its goal.
    Success,
    /// It did not reach its goal.
    Failed,
    /// A denial ended it.
    Denied,
    /// It was idle for too long.
    Abandoned,
    /// A budget was used up.
    BudgetExhausted,
    /// A user cancelled it.
    Cancelled,
}

impl From<OutcomeFilter> for RunOutcome {
    fn from(how: OutcomeFilter) -> Self {
        match how {
            OutcomeFilter::Success => Self::Success,
            OutcomeFilter::Failed => Self::Failed,
            OutcomeFilter::Denied => Self::Denied,
            OutcomeFilter::Abandoned => Self::Abandoned,
            OutcomeFilter::BudgetExhausted => Self::BudgetExhausted,
            OutcomeFilter::Cancelled => Self::Cancelled,
        }
    }
}

/// Run `tollgate runs list`.
pub(super) async fn run(args: &List, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = &cx.config_despite_errors()?;
    let Some(ledger) = cx.reader_if_any(config)? else {
        return shown(&[], None, cx);
    };
    let most = if args.limit == 0 {
        usize::MAX
    } else {
        args.limit
    };
    let now = Clock::system().now();
    let at = |when: &Option<TimeArg>| {
        when.as_ref()
            .map(|when| when.at(now, &config.gate.timezone))
    };
    let (since, until) = (at(&args.since), at(&args.until));
    let outcome = args.outcome.map(RunOutcome::from);
    let open = args.open.then_some(true);
    if args.searches() {
        let search = RunSearch {
            tenant: args
                .tenant
                .clone()
                .unwrap_or_else(|| config.gate.tenant.clone()),
            open,
            outcome,
            principal: args.principal.clone(),
            tool: args.tool.clone(),
            policy: args.policy.clone(),
            decision: args.decision.clone(),
            label: args.label.clone(),
            version: args.version.clone(),
            model: args.model.clone(),
            conversation: args.conversation.clone(),
            text: args.text.clone(),
            set: args.set.clone(),
            since,
            until,
            before: args.before,
            limit: most,
        };
        let store = trace::caught_up(config, &ledger).await?;
        let found = search::runs(&store, &ledger, &search, |_| true);
        let (runs, next) = found.map_err(|e| Failure::plain(e.to_string()))?;
        return shown(&runs, next, cx);
    }
    let runs = ledger.runs(&RunFilter {
        tenant: args.tenant.clone(),
        open,
        outcome,
        since,
        until,
        before: args.before,
        limit: Some(i64::try_from(most).unwrap_or(i64::MAX).unsigned_abs()),
        ..RunFilter::default()
    })?;
    let next = runs.last().map(|run| run.opened);
    shown(&runs, next.filter(|_| runs.len() == most), cx)
}

fn shown(runs: &[RunRow], next: Option<u64>, cx: &Context<'_>) -> Result<Exit, Failure> {
    if runs.is_empty() && !cx.out.is_json() {
        cx.out.remark("no runs");
        return Ok(Exit::Ok);
    }
    cx.out.show(&runs, || run::list(runs))?;
    if let Some(next) = next {
        cx.out
            .remark(&format!("there may be more: --before {next}"));
    }
    Ok(Exit::Ok)
}
