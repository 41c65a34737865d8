//! `tollgate stats --by policy`: what policies cost people.

use std::ops::ControlFlow;

use serde::Serialize;
use tollgate::stats::{CostWatcher, PolicyCost};
use tollgate_ledger::{LedgerReader, Order, RecordFilter, StandingFilter};
use tollgate_model::time::Timestamp;

use super::percent;
use crate::{
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    style::line,
    units::duration,
};

/// The records that count.
pub(super) struct Filter<'a> {
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) tool: Option<&'a str>,
}

#[derive(Serialize)]
struct PolicyCosts {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    policies: Vec<PolicyCost>,
}

pub(super) fn run(filter: &Filter<'_>, cx: &Context<'_>) -> Result<Exit, Failure> {
    let reader = cx.reader_if_any(&cx.config()?)?;
    let step = cx.out.progress().map(|p| p.step("reading the ledger"));
    let policies = reader.map_or_else(|| Ok(Vec::new()), |reader| costs(&reader, filter));
    drop(step);
    let policies = policies?;
    if policies.is_empty() && !cx.out.is_json() {
        cx.out.remark("no policy asked anyone in that time");
        return Ok(Exit::Ok);
    }
    let Filter { since, until, .. } = *filter;
    let counted = PolicyCosts {
        since,
        until,
        policies,
    };
    cx.out.show(&counted, || listed(&counted.policies))?;
    Ok(Exit::Ok)
}

fn costs(reader: &LedgerReader, filter: &Filter<'_>) -> Result<Vec<PolicyCost>, Failure> {
    let mut watcher = CostWatcher::of(filter.tool.map(str::to_owned));
    for row in reader.standing_approvals(&StandingFilter::default())? {
        watcher.add_standing(row.granted.id, &row.granted.requirement);
    }
    let records = RecordFilter {
        since: filter.since,
        until: filter.until,
        order: Order::OldestFirst,
        ..RecordFilter::default()
    };
    reader.records(&records, |_, record| {
        watcher.watch(&record);
        ControlFlow::Continue(())
    })?;
    Ok(watcher.costs())
}

/// One line per policy.
fn listed(policies: &[PolicyCost]) -> String {
    let rows: Vec<[Cell; 9]> = policies
        .iter()
        .map(|cost| {
            let waited = |micros: u64| match cost.wait.count {
                0 => "–".to_owned(),
                _ => duration(micros),
            };
            [
                Cell::from(line(&cost.policy, 64)),
                Cell::from(cost.questions.to_string()),
                Cell::from(cost.calls.to_string()),
                Cell::from(percent(cost.approved_ratio)),
                Cell::from(cost.rejected.to_string()),
                Cell::from(cost.expired.to_string()),
                Cell::from(cost.in_advance.to_string()),
                Cell::from(waited(cost.wait.p50)),
                Cell::from(waited(cost.wait.p95)),
            ]
        })
        .collect();
    let header = [
        "POLICY",
        "QUESTIONS",
        "CALLS",
        "APPROVED",
        "REJECTED",
        "EXPIRED",
        "IN ADVANCE",
        "WAIT P50",
        "P95",
    ];
    table(header, &rows)
}
