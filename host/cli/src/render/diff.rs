//! Two runs side by side.

use tollgate_trace::run::{AlignedStep, Difference, DifferenceKind, RunDiff, RunSteps, Step};

use crate::style::{Tone, line, pad, paint, width};

/// The smallest and largest width of a side.
const SIDE: (usize, usize) = (24, 60);
/// Equal steps that are shown around different ones.
const AROUND: usize = 2;
/// The longest shown part of a value.
const MAX_VALUE: usize = 160;

/// The comparison of `a` and `b`, in lines of at most `columns`. `full` shows equal steps as well.
pub(crate) fn diff(
    found: &RunDiff,
    a: &RunSteps,
    b: &RunSteps,
    columns: usize,
    full: bool,
) -> String {
    let side = (columns.saturating_sub(8) / 2).clamp(SIDE.0, SIDE.1);
    let mut text = String::new();
    for difference in &found.runs {
        text.push_str(&values(difference, 0));
    }
    if !found.runs.is_empty() {
        text.push('\n');
    }
    let differs = |at: usize| {
        let pair = found.steps.get(at);
        pair.is_some_and(|pair| !pair.differs.is_empty())
    };
    let mut left_out = 0;
    for (at, pair) in found.steps.iter().enumerate() {
        let near = at.saturating_sub(AROUND)..=at.saturating_add(AROUND);
        if !full && !near.into_iter().any(differs) {
            left_out += 1;
            continue;
        }
        text.push_str(&alike(left_out));
        left_out = 0;
        text.push_str(&row(pair, a, b, side));
        if found.first == Some(at) {
            text.push_str(&format!(
                "{}\n",
                paint("     ↑ here they part", Tone::Strong)
            ));
        }
        if found.first_decision == Some(at) && found.first != Some(at) {
            let words = "     ↑ here a decision or its outcome first differs";
            text.push_str(&format!("{}\n", paint(words, Tone::Strong)));
        }
        for difference in &pair.differs {
            if difference.what != DifferenceKind::Step {
                text.push_str(&values(difference, 5));
            }
        }
    }
    text.push_str(&alike(left_out));
    if found.is_same() {
        text.push_str(&format!("{} they do not differ\n", paint("✓", Tone::Good)));
    }
    text
}

fn alike(n: usize) -> String {
    match n {
        0 => String::new(),
        1 => format!("{}\n", paint("   … 1 step that is alike", Tone::Weak)),
        n => format!(
            "{}\n",
            paint(&format!("   … {n} steps that are alike"), Tone::Weak)
        ),
    }
}

fn row(pair: &AlignedStep, a: &RunSteps, b: &RunSteps, side: usize) -> String {
    let step = |run: &RunSteps, at: Option<usize>| match at.and_then(|at| run.steps.get(at)) {
        Some(step) => told(step, side),
        None => (String::new(), Tone::Weak),
    };
    let ((left, left_tone), (right, right_tone)) = (step(a, pair.a), step(b, pair.b));
    let (mark, tone) = match (pair.a, pair.b) {
        (Some(_), None) => ("-", Tone::Bad),
        (None, Some(_)) => ("+", Tone::Good),
        _ if pair.differs.is_empty() => ("=", Tone::Weak),
        _ => ("≠", Tone::Wait),
    };
    let row = format!(
        "  {}  {}  {}",
        paint(mark, tone),
        pad(&left, side, left_tone),
        paint(&right, right_tone)
    );
    format!("{}\n", row.trim_end())
}

fn told(step: &Step, side: usize) -> (String, Tone) {
    let indent = "  ".repeat(usize::try_from(step.depth.min(8)).unwrap_or(0));
    let outcome = step.outcome.as_str().replace('_', " ");
    let room = side.saturating_sub(width(&indent) + width(&outcome) + 1);
    let words = format!("{indent}{} {outcome}", line(&step.tool, room.max(8)));
    let tone = match step.outcome.is_failure() {
        true => Tone::Bad,
        false => Tone::Plain,
    };
    (words, tone)
}

fn values(difference: &Difference, indent: usize) -> String {
    let value = |value: &str| match value {
        "" => paint("(none)", Tone::Weak),
        value => shortened(value),
    };
    format!(
        "{}{} {} {} {}\n",
        " ".repeat(indent),
        pad(&difference.what.as_str().replace('_', " "), 11, Tone::Weak),
        value(&difference.a),
        paint("→", Tone::Weak),
        value(&difference.b)
    )
}

/// Digests are shown by their first digits, which is enough to distinguish them.
fn shortened(value: &str) -> String {
    let digest = |prefix: &str| {
        let digits = value.strip_prefix(prefix)?;
        let is_hex = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| format!("{prefix}{}…", digits.get(..12).unwrap_or(digits)))
    };
    let version = value
        .rsplit_once(':')
        .map(|(version, _)| format!("{version}:"));
    version
        .and_then(|prefix| digest(&prefix))
        .unwrap_or_else(|| line(value, MAX_VALUE))
}
