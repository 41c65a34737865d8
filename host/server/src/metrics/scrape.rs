//! One scrape in the OpenMetrics format.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
};
use tollgate::stats::{Histogram, CallEnd, Totals};
use tollgate_model::{record::Status, span::decision_action};

use super::Sample;

/// The values of one scrape.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) totals: Totals,
    pub(super) gauges: Vec<(&'static str, &'static str, f64)>,
    pub(super) samples: Vec<Sample>,
}

/// No labels.
const NONE: [(&str, String); 0] = [];

type EncodeResult = Result<(), fmt::Error>;

/// The samples of one metric, each with its labels.
type Family<const N: usize> = Vec<([(&'static str, String); N], u64)>;

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> EncodeResult {
        let totals = &self.totals;
        tell_decisions(&mut encoder, totals)?;
        tell_calls(&mut encoder, totals)?;
        tell_approvals(&mut encoder, totals)?;
        encode_plain_counts(&mut encoder, totals)?;
        encode_refusals(&mut encoder, totals)?;
        tell_effects(&mut encoder, totals)?;
        tell_ended_runs(&mut encoder, totals)?;
        for (name, help, value) in &self.gauges {
            gauge(&mut encoder, name, help, *value)?;
        }
        self.samples(&mut encoder)
    }
}

fn tell_decisions(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> EncodeResult {
    let decisions: Family<5> = totals
        .decisions
        .iter()
        .map(|((outcome, enforced, tool, policy), n)| {
            let mode = if *enforced { "enforce" } else { "shadow" };
            let labels = [
                ("outcome", outcome.as_str().to_owned()),
                ("action", decision_action(*outcome).to_owned()),
                ("mode", mode.to_owned()),
                ("tool", tool.clone()),
                ("policy", policy.clone()),
            ];
            (labels, *n)
        })
        .collect();
    counters(encoder, "decisions", "Decisions", &decisions)?;
    let deciding = [(NONE, &totals.deciding)];
    let help = "How long deciding took";
    histogram(encoder, "decision_seconds", help, &deciding)
}

fn tell_calls(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> EncodeResult {
    let calls = totals.calls.iter();
    let calls = calls
        .map(|((tool, end), n)| (of_call(tool, end), *n))
        .collect();
    counters(encoder, "calls", "Calls that came to an end", &calls)?;
    let executions = totals.executions.iter();
    let executions: Vec<_> = executions
        .map(|((tool, end), bars)| (of_call(tool, end), bars))
        .collect();
    let help = "How long executions took";
    histogram(encoder, "call_seconds", help, &executions)?;
    let errors = [
        Status::ToolError,
        Status::Trap,
        Status::FuelExhausted,
        Status::MemoryExhausted,
    ];
    counters(
        encoder,
        "tool_errors",
        "Calls that failed in the tool",
        &calls_ended(totals, &errors),
    )?;
    counters(
        encoder,
        "tool_timeouts",
        "Calls that ran out of time",
        &calls_ended(totals, &[Status::Timeout]),
    )
}

/// Calls with one of these outcomes, by tool.
fn calls_ended(totals: &Totals, outcomes: &[Status]) -> Family<1> {
    let mut by_tool: BTreeMap<&String, u64> = BTreeMap::new();
    for ((tool, end), n) in &totals.calls {
        if let CallEnd::Outcome(status) = end
            && outcomes.contains(status)
        {
            *by_tool.entry(tool).or_default() += n;
        }
    }
    by_tool
        .into_iter()
        .map(|(tool, n)| one("tool", tool, n))
        .collect()
}

fn tell_approvals(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> EncodeResult {
    let approvals = totals.approvals.iter();
    let approvals = approvals
        .map(|(status, n)| one("status", status.as_str(), *n))
        .collect();
    let help = "Approvals, by the state that they came to";
    counters(encoder, "approvals", help, &approvals)?;
    let elicitations = totals.elicitations.iter();
    let elicitations = elicitations
        .map(|(status, n)| one("status", status, *n))
        .collect();
    let help = "Questions of upstream servers to people, by the state that they came to";
    counters(encoder, "elicitations", help, &elicitations)?;
    let waits = [(NONE, &totals.waits)];
    let help = "How long people were waited for";
    histogram(encoder, "approval_wait_seconds", help, &waits)?;
    if let Some(ratio) = totals.rejection_ratio() {
        let help = "Rejected approvals among those that were answered";
        gauge(encoder, "approval_rejection_ratio", help, ratio)?;
    }
    Ok(())
}

/// Counts without labels.
fn encode_plain_counts(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> EncodeResult {
    for (name, help, n) in [
        (
            "retries",
            "Executions that the gate has tried again",
            totals.retries,
        ),
        (
            "repeated_calls",
            "Calls that their run had made before, with the same arguments",
            totals.repeated,
        ),
        (
            "silent_recoveries",
            "Successes of a tool that had failed in the same run",
            totals.recovered,
        ),
        ("runs", "Runs that began", totals.runs),
    ] {
        counters(encoder, name, help, &vec![([], n)])?;
    }
    Ok(())
}

/// Exhausted budgets, and attempts that policies denied.
fn encode_refusals(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> EncodeResult {
    let exhausted = totals.exhausted.iter();
    let exhausted = exhausted.map(|(budget, n)| one("budget", budget, *n));
    let help = "Denials because a budget was used up";
    counters(encoder, "budget_exhausted", help, &exhausted.collect())?;
    let attempts = totals.unsafe_attempts.iter();
    let attempts = attempts.map(|(tool, n)| one("tool", tool, *n));
    let help = "What policies forbade";
    counters(encoder, "unsafe_attempts", help, &attempts.collect())
}

fn tell_effects(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> EncodeResult {
    let effects = totals.effects.iter().map(|((operation, failed), n)| {
        let outcome = if *failed { "failed" } else { "done" };
        let labels = [
            ("capability", operation.clone()),
            ("outcome", outcome.to_owned()),
        ];
        (labels, *n)
    });
    let help = "Effects within tools";
    counters(encoder, "capability_uses", help, &effects.collect())
}

fn tell_ended_runs(encoder: &mut DescriptorEncoder<'_>, totals: &Totals) -> EncodeResult {
    let ended = totals.ended.iter();
    let ended = ended.map(|(outcome, n)| one("outcome", outcome.as_str(), *n));
    counters(encoder, "runs_ended", "Runs that ended", &ended.collect())
}

impl Scrape {
    /// Samples of other parts of the process, grouped by name.
    fn samples(&self, encoder: &mut DescriptorEncoder<'_>) -> EncodeResult {
        let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            by_name.entry(sample.name).or_default().push(sample);
        }
        for (name, samples) in by_name {
            let Some(first) = samples.first() else {
                continue;
            };
            let kind = if first.counter {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut metric = encoder.encode_descriptor(name, first.help, None, kind)?;
            for sample in &samples {
                let mut member = metric.encode_family(&sample.labels)?;
                if first.counter {
                    member.encode_counter::<NoLabelSet, _, u64>(&sample.value, None)?;
                } else {
                    member.encode_gauge(&sample.value)?;
                }
            }
        }
        Ok(())
    }
}

fn of_call(tool: &str, end: &CallEnd) -> [(&'static str, String); 2] {
    let outcome = end.as_str().to_owned();
    [("tool", tool.to_owned()), ("outcome", outcome)]
}

fn one(name: &'static str, value: &str, n: u64) -> ([(&'static str, String); 1], u64) {
    ([(name, value.to_owned())], n)
}

fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    family: &Family<N>,
) -> EncodeResult {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, n) in family {
        let mut member = metric.encode_family(labels)?;
        member.encode_counter::<NoLabelSet, _, u64>(n, None)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> EncodeResult {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    metric.encode_gauge(&value)
}

fn histogram<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    family: &[(L, &Histogram)],
) -> EncodeResult {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, times) in family {
        let bars: Vec<(f64, u64)> = times.bars().collect();
        let mut member = metric.encode_family(labels)?;
        let sum = number(times.sum) / 1e6;
        member.encode_histogram::<NoLabelSet>(sum, times.count, &bars, None)?;
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows floating point only"
)]
pub(super) fn number(n: u64) -> f64 {
    n as f64
}
