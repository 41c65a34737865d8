//! A run as an incident report: context, actions, signals, enforcement, and missing evidence.

use tollgate_model::{decision::Outcome, entity::Uid};
use tollgate_trace::{
    run::{CaseView, DecisionSummary, Findings, Verdict},
    self_report::SelfReport,
};

use crate::{
    style::{Tone, line, pad, paint, wrap},
    units::{amount, count, duration, moment},
};

/// The width of the left column.
const LEFT: usize = 12;
/// The longest shown part of a foreign name.
const MAX_NAME: usize = 120;

/// Text in sections, with names on the left.
struct Page {
    text: String,
    columns: usize,
}

impl Page {
    fn section(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text
            .push_str(&format!("{}\n", paint(title, Tone::Strong)));
    }

    fn entry(&mut self, name: &str, words: &str, tone: Tone) {
        let mut name = pad(name, LEFT, Tone::Weak);
        for text in wrap(words, self.columns.saturating_sub(LEFT + 2)) {
            self.text
                .push_str(&format!("  {name}{}\n", paint(&text, tone)));
            name = " ".repeat(LEFT);
        }
    }
}

/// The view, in lines of at most `columns`.
pub(crate) fn case(view: &CaseView, columns: usize) -> String {
    let mut page = Page {
        text: String::new(),
        columns,
    };
    context(&mut page, view);
    actions(&mut page, view);
    signals(&mut page, view);
    enforcement(&mut page, view);
    page.section("MISSING EVIDENCE");
    if view.missing.is_empty() {
        page.entry("", "nothing", Tone::Good);
    }
    for gap in &view.missing {
        page.entry(gap.what, &gap.why, Tone::Plain);
    }
    page.text
}

fn id(uid: Option<&Uid>) -> String {
    uid.map_or_else(|| "?".into(), |uid| line(&uid.id, 64))
}

fn context(page: &mut Page, view: &CaseView) {
    let context = &view.context;
    page.section("CONTEXT");
    let (who, whom) = (context.principal.as_ref(), context.on_behalf_of.as_ref());
    let who = match who == whom {
        true => id(who),
        false => format!("{} for {}", id(who), id(whom)),
    };
    page.entry("who", &who, Tone::Plain);
    if let Some(began) = context.started {
        let mut when = moment(began);
        if let Some(until) = context.until {
            when.push_str(&format!(", for {}", duration(until.since(began))));
        }
        page.entry("when", &when, Tone::Plain);
    }
    let ended = match (context.outcome, context.stop_reason.as_deref()) {
        (None, _) => "not ended".to_owned(),
        (Some(outcome), None | Some("")) => outcome.replace('_', " "),
        (Some(outcome), Some(reason)) => {
            format!("{}: {}", outcome.replace('_', " "), line(reason, 200))
        }
    };
    page.entry("end", &ended, Tone::Plain);
    for (name, value) in [
        ("conversation", &context.conversation),
        ("session", &context.session),
    ] {
        if let Some(value) = value {
            page.entry(name, &line(value, MAX_NAME), Tone::Plain);
        }
    }
    if !context.inherited.is_empty() {
        let labels: Vec<&str> = context.inherited.iter().map(String::as_str).collect();
        page.entry(
            "labels",
            &format!("{} from earlier runs", labels.join(", ")),
            Tone::Plain,
        );
    }
    for told in &context.self_reports {
        tell(page, told);
    }
    for bundle in &context.bundles {
        page.entry("policies", &bundle.to_string(), Tone::Weak);
    }
}

fn tell(page: &mut Page, told: &SelfReport) {
    let name = told.topic.as_str().replace('_', " ");
    let words = line(&told.text, 400);
    match told.topic.is_name() {
        true => page.entry(&name, &format!("{words} (told)"), Tone::Plain),
        false => page.entry(&name, &format!("“{words}” (told)"), Tone::Plain),
    }
}

fn actions(page: &mut Page, view: &CaseView) {
    page.section("ACTIONS");
    if view.actions.is_empty() {
        page.entry("", "no tool was called", Tone::Weak);
    }
    for action in &view.actions {
        let indent = "  ".repeat(usize::try_from(action.depth.min(8)).unwrap_or(0));
        let mut words = format!(
            "{indent}{} {}",
            line(&action.tool, MAX_NAME),
            action.outcome.as_str().replace('_', " ")
        );
        if !action.ran {
            words.push_str(", nothing ran");
        }
        if action.effects > 0 {
            words.push_str(&format!(", {}", count(action.effects, "effect")));
        }
        let tone = match action.outcome.is_failure() {
            true => Tone::Bad,
            false => Tone::Plain,
        };
        page.entry(&format!("+{}", duration(action.at)), &words, tone);
        for told in &action.self_reports {
            let words = line(&told.text, 400);
            let name = told.topic.as_str().replace('_', " ");
            page.entry("", &format!("{indent}{name}: “{words}” (told)"), Tone::Weak);
        }
    }
}

/// The phase of a run's failure, in one line.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    let tool = verdict.tool.as_deref();
    let tool = tool.map_or_else(String::new, |tool| format!(" in {}", line(tool, MAX_NAME)));
    format!(
        "{}{tool}: {}",
        verdict.phase.as_str(),
        line(&verdict.why, 200)
    )
}

/// The slowest step, in one line.
pub(crate) fn slowest(findings: &Findings) -> Option<String> {
    let slowest = findings.slowest.as_ref()?;
    let mut words = format!(
        "{} {}",
        line(&slowest.tool, MAX_NAME),
        duration(slowest.micros)
    );
    if slowest.waited > 0 {
        words.push_str(&format!(
            ", of which {} for a person",
            duration(slowest.waited)
        ));
    }
    Some(words)
}

fn signals(page: &mut Page, view: &CaseView) {
    let signals = &view.signals;
    page.section("SIGNALS");
    let findings = &signals.findings;
    match &findings.verdict {
        Some(found) => page.entry("failure", &verdict(found), Tone::Bad),
        None => page.entry("failure", "none that lasted", Tone::Good),
    }
    if let Some(words) = slowest(findings) {
        page.entry("slowest", &words, Tone::Plain);
    }
    if findings.recovered > 0 {
        let words = format!(
            "{} after which the tool succeeded",
            count(findings.recovered, "failure")
        );
        page.entry("recovered", &words, Tone::Wait);
    }
    if findings.repeats > 0 {
        let words = format!(
            "{} with arguments that came before",
            count(findings.repeats, "call")
        );
        page.entry("repeats", &words, Tone::Wait);
    }
    if !signals.labels.is_empty() {
        let each = signals.labels.iter();
        let each: Vec<String> = each
            .map(|(label, tool)| format!("{label} from {tool}"))
            .collect();
        page.entry("labels", &line(&each.join(", "), 400), Tone::Plain);
    }
    let ids = |ids: &[tollgate_model::ids::DecisionId]| {
        let ids: Vec<String> = ids.iter().take(10).map(ToString::to_string).collect();
        ids.join(", ")
    };
    if !signals.refused_effects.is_empty() {
        let words = format!(
            "components asked for what they may not: {}",
            ids(&signals.refused_effects)
        );
        page.entry("refused", &words, Tone::Bad);
    }
    if !signals.shadow.is_empty() {
        let words = format!(
            "shadow policies would decide otherwise: {}",
            ids(&signals.shadow)
        );
        page.entry("shadow", &words, Tone::Wait);
    }
    if signals.warnings > 0 {
        let words = format!(
            "{} logged as warnings or errors",
            count(signals.warnings, "line")
        );
        page.entry("logs", &words, Tone::Wait);
    }
    if let Some(tokens) = signals.tokens {
        page.entry(
            "tokens",
            &format!("{} (reported)", amount(tokens)),
            Tone::Plain,
        );
    }
    if let Some(nano) = signals.cost_nano {
        let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000 / 100_000);
        page.entry(
            "cost",
            &format!("{whole}.{part:04} (reported)"),
            Tone::Plain,
        );
    }
}

fn enforcement(page: &mut Page, view: &CaseView) {
    let enforced = &view.enforcement;
    page.section("ENFORCEMENT");
    let counts = enforced.decisions.iter();
    let counts: Vec<String> = counts
        .map(|(outcome, n)| format!("{n} {outcome}"))
        .collect();
    let words = match counts.is_empty() {
        true => "none".into(),
        false => counts.join(", "),
    };
    page.entry("decisions", &words, Tone::Plain);
    for decided in &enforced.refused {
        refused(page, decided);
    }
    for asked in &enforced.approvals {
        let by: Vec<String> = asked.by.iter().map(|(who, _)| line(who, 64)).collect();
        let mut words = format!(
            "{} {} {}",
            asked.id,
            line(&asked.tool, MAX_NAME),
            asked.state
        );
        if !by.is_empty() {
            words.push_str(&format!(" by {}", by.join(", ")));
        }
        if let Some(waited) = asked.waited {
            words.push_str(&format!(" after {}", duration(waited)));
        }
        page.entry("approval", &words, Tone::Plain);
    }
    if !enforced.withheld.is_empty() {
        let n = count(enforced.withheld.len() as u64, "result");
        page.entry("results", &format!("{n} kept back or cut"), Tone::Wait);
    }
}

fn refused(page: &mut Page, decided: &DecisionSummary) {
    let tone = match decided.outcome {
        Outcome::Escalate => Tone::Wait,
        _ => Tone::Bad,
    };
    let by = match decided.policies.is_empty() {
        true => "no policy permits it".into(),
        false => format!("by {}", decided.policies.join(", ")),
    };
    let what = match decided.resource.id == decided.action {
        true => line(&decided.action, MAX_NAME),
        false => format!(
            "{} {}",
            decided.action,
            line(&decided.resource.id, MAX_NAME)
        ),
    };
    page.entry(
        &decided.id.to_string(),
        &format!("{} {what}, {}", decided.outcome, line(&by, 200)),
        tone,
    );
}
