//! `tollgate stats --by policy`: what policies cost people.

use tollgate::stats::{CostFilter, PolicyCost, policy_costs};

use super::percent;
use crate::{
    client::{ApiRequest, segment},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    reply::PolicyCosts,
    style::line,
    units::duration,
};

pub(super) async fn run(filter: &CostFilter, cx: &Context<'_>) -> Result<Exit, Failure> {
    let step = cx.out.progress().map(|p| p.step("reading the ledger"));
    let counted = costs(filter, cx).await;
    drop(step);
    let counted = counted?;
    if counted.policies.is_empty() && !cx.out.is_json() {
        cx.out.remark("no policy asked anyone in that time");
        return Ok(Exit::Ok);
    }
    cx.out.show(&counted, || listed(&counted.policies))?;
    Ok(Exit::Ok)
}

/// The costs as the process that serves the gate tells them; else from the ledger.
async fn costs(filter: &CostFilter, cx: &Context<'_>) -> Result<PolicyCosts, Failure> {
    let config = cx.config()?;
    let request = ApiRequest::get(path(filter));
    let client = cx.client(config.clone())?;
    if let Some(counted) = client.ask_if_served(request).await? {
        return Ok(counted);
    }
    let policies = match cx.reader_if_any(&config)? {
        Some(reader) => policy_costs(&reader, filter, |_, _| true)?,
        None => None,
    };
    Ok(PolicyCosts {
        since: filter.since,
        until: filter.until,
        policies: policies.unwrap_or_default(),
    })
}

fn path(filter: &CostFilter) -> String {
    let times = [("since", filter.since), ("until", filter.until)];
    let times = times
        .into_iter()
        .filter_map(|(name, time)| Some((name, time?.0.to_string())));
    let tool = filter.tool.iter().map(|tool| ("tool", segment(tool)));
    let query: Vec<String> = times
        .chain(tool)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("/v1/stats/policies?{}", query.join("&"))
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
