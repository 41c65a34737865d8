//! Alignment of two runs, step by step, and their first difference.
//!
//! Steps are aligned by tool and by the keyed digest of their arguments, so no argument is read. Both runs
//! must belong to one tenant: digests of different tenants never match.

use serde::Serialize;
use tollgate_model::{canonical::Sha256Digest, decision::Outcome, record::KeyedDigest};

use super::{RunSteps, Step};

/// The most pairs of steps to align optimally. Beyond it, the steps between the common beginning and the
/// common end are aligned by index.
const MAX_PAIRS: usize = 4_000_000;
/// The cost of a step without a partner.
const ALONE: u32 = 2;
/// The cost of pairing two steps of one tool with different arguments.
const OTHER_ARGUMENTS: u32 = 1;

/// Two runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDiff {
    /// Every step of both, aligned, in order.
    pub steps: Vec<AlignedStep>,
    /// Index in `steps` of the first difference; `None` if there is none.
    pub first: Option<usize>,
    /// Index in `steps` of the first difference in a decision, approval, effect or outcome.
    pub first_decision: Option<usize>,
    /// Differences of the runs themselves.
    pub runs: Vec<Difference>,
}

/// A step of one run, and its partner in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlignedStep {
    /// Its index among the steps of the first run.
    pub a: Option<usize>,
    /// Its index among the steps of the second run.
    pub b: Option<usize>,
    /// The differences of the two steps.
    pub differs: Vec<Difference>,
}

/// One difference, with the value of each run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What.
    pub what: DifferenceKind,
    /// In the first run; empty where it is absent.
    pub a: String,
    /// In the second run.
    pub b: String,
}

/// What can differ.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum DifferenceKind {
    /// Only one of the runs has this step.
    Step,
    /// The keyed digest of the arguments.
    Arguments,
    /// The tool's component, or the upstream server's definitions.
    Version,
    /// The policies in force.
    Policies,
    /// The decision on the call: its outcome, and by which policies.
    Decision,
    /// Who answered, and how.
    Approval,
    /// The effects that the component requested, and the decisions about them.
    Effects,
    /// The keyed digest of the result, or its release.
    Result,
    /// Labels that the content added.
    Labels,
    /// The outcome of the step.
    Outcome,
    /// Who acted, for whom.
    Principal,
    /// Why the run stopped.
    StopReason,
}

tollgate_model::named!(DifferenceKind);

impl DifferenceKind {
    /// Whether it is a decision of a policy or a person, or follows from one.
    fn is_decision(self) -> bool {
        matches!(
            self,
            Self::Decision | Self::Approval | Self::Effects | Self::Outcome
        )
    }
}

/// Compare two runs.
#[must_use]
pub fn diff(a: &RunSteps, b: &RunSteps) -> RunDiff {
    let steps: Vec<AlignedStep> = align(&a.steps, &b.steps)
        .into_iter()
        .map(|(at, bt)| {
            let pair = (
                at.and_then(|i| a.steps.get(i)),
                bt.and_then(|i| b.steps.get(i)),
            );
            let differs = match pair {
                (Some(one), Some(other)) => differences(one, other),
                (one, other) => {
                    let told = |step: Option<&Step>| match step {
                        Some(step) => format!("{} {}", step.tool, step.outcome.as_str()),
                        None => String::new(),
                    };
                    vec![Difference {
                        what: DifferenceKind::Step,
                        a: told(one),
                        b: told(other),
                    }]
                }
            };
            AlignedStep {
                a: at,
                b: bt,
                differs,
            }
        })
        .collect();
    let decided = |pair: &AlignedStep| {
        let failed = |run: &RunSteps, at: Option<usize>| {
            let step = at.and_then(|at| run.steps.get(at));
            step.is_some_and(|step| step.outcome.is_failure())
        };
        pair.differs.iter().any(|d| d.what.is_decision())
            || ((pair.a.is_none() || pair.b.is_none()) && (failed(a, pair.a) || failed(b, pair.b)))
    };
    RunDiff {
        first: steps.iter().position(|pair| !pair.differs.is_empty()),
        first_decision: steps.iter().position(decided),
        steps,
        runs: whole(a, b),
    }
}

/// Differences of the runs themselves.
fn whole(a: &RunSteps, b: &RunSteps) -> Vec<Difference> {
    let mut all = Differences::default();
    let who = |run: &RunSteps| match (&run.principal, &run.on_behalf_of) {
        (Some(who), Some(whom)) => format!("{who} for {whom}"),
        _ => String::new(),
    };
    all.note(DifferenceKind::Principal, who(a), who(b));
    let bundles = |run: &RunSteps| {
        let bundles = run.bundles.iter().map(Sha256Digest::to_string);
        bundles.collect::<Vec<_>>().join(", ")
    };
    all.note(DifferenceKind::Policies, bundles(a), bundles(b));
    let outcome = |run: &RunSteps| match &run.ended {
        Some(ended) => ended.outcome.as_str().to_owned(),
        None => "open".into(),
    };
    all.note(DifferenceKind::Outcome, outcome(a), outcome(b));
    let reason = |run: &RunSteps| {
        let ended = run.ended.as_ref();
        ended.map_or_else(String::new, |ended| ended.stop_reason.clone())
    };
    all.note(DifferenceKind::StopReason, reason(a), reason(b));
    all.0
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn note(&mut self, what: DifferenceKind, a: String, b: String) {
        if a != b {
            self.0.push(Difference { what, a, b });
        }
    }
}

/// In what two steps differ.
fn differences(a: &Step, b: &Step) -> Vec<Difference> {
    let mut all = Differences::default();
    let mut note = |kind, text: &dyn Fn(&Step) -> String| all.note(kind, text(a), text(b));
    note(DifferenceKind::Arguments, &|step| keyed(&step.arguments));
    note(DifferenceKind::Version, &|step| {
        let version = step.version.as_ref();
        version.map_or_else(String::new, Sha256Digest::to_string)
    });
    note(DifferenceKind::Decision, &decisions);
    note(DifferenceKind::Approval, &answers);
    note(DifferenceKind::Effects, &effects);
    note(DifferenceKind::Labels, &|step| {
        let labels: Vec<&str> = step.labels.iter().map(String::as_str).collect();
        labels.join(", ")
    });
    note(DifferenceKind::Result, &|step| keyed(&step.result));
    note(DifferenceKind::Outcome, &|step| step.outcome.to_string());
    all.0
}

fn keyed(digest: &Option<KeyedDigest>) -> String {
    let digest = digest.as_ref();
    digest.map_or_else(String::new, KeyedDigest::to_string)
}

/// The decisions about the call. A pending call is decided again each time; equal decisions in a row are one.
fn decisions(step: &Step) -> String {
    let mut texts: Vec<String> = Vec::new();
    for decision in &step.decisions {
        let text = match decision.policies.as_slice() {
            [] => decision.outcome.to_string(),
            policies => format!("{} by {}", decision.outcome, policies.join(", ")),
        };
        if texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    texts.extend(step.problem.clone());
    texts.join(", then ")
}

/// The states of its approvals, and who answered.
fn answers(step: &Step) -> String {
    let texts = step.approvals.iter().map(|asked| {
        let by: Vec<&str> = asked
            .answers
            .iter()
            .map(|(who, _)| who.id.as_str())
            .collect();
        match by.as_slice() {
            [] => asked.state.as_str().to_owned(),
            by => format!("{} by {}", asked.state.as_str(), by.join(", ")),
        }
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// Its effects, with refusals and errors.
fn effects(step: &Step) -> String {
    let texts = step.effects.iter().map(|effect| {
        let decided = effect.decision.as_ref().map(|d| d.outcome);
        let refused = decided.filter(|outcome| *outcome != Outcome::Allow);
        match (refused, &effect.error) {
            (Some(outcome), _) => format!("{} {} {outcome}", effect.operation, effect.target),
            (None, Some(error)) => format!("{} {}: {error}", effect.operation, effect.target),
            (None, None) => format!("{} {}", effect.operation, effect.target),
        }
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// The cost of pairing two steps; `None` if they cannot be paired.
fn cost(a: &Step, b: &Step) -> Option<u32> {
    match (
        a.tool == b.tool,
        a.depth == b.depth,
        a.arguments == b.arguments,
    ) {
        (true, true, true) => Some(0),
        (true, true, false) => Some(OTHER_ARGUMENTS),
        _ => None,
    }
}

type Pair = (Option<usize>, Option<usize>);

/// Pairs of steps, in the order of both.
fn align(a: &[Step], b: &[Step]) -> Vec<Pair> {
    let same = |(x, y): &(&Step, &Step)| cost(x, y) == Some(0);
    let begin = a.iter().zip(b).take_while(same).count();
    let (left, right) = (a.get(begin..).unwrap_or(&[]), b.get(begin..).unwrap_or(&[]));
    let end = left.iter().rev().zip(right.iter().rev());
    let end = end.take_while(same).count();
    let left = left.get(..left.len() - end).unwrap_or(&[]);
    let right = right.get(..right.len() - end).unwrap_or(&[]);
    let middle = match left.len().saturating_mul(right.len()) <= MAX_PAIRS {
        true => weigh(left, right),
        false => by_place(left, right),
    };
    let offset = |at: Option<usize>| at.map(|at| at + begin);
    let mut pairs: Vec<Pair> = (0..begin).map(|at| (Some(at), Some(at))).collect();
    pairs.extend(middle.into_iter().map(|(x, y)| (offset(x), offset(y))));
    let (from_a, from_b) = (a.len() - end, b.len() - end);
    pairs.extend((0..end).map(|at| (Some(from_a + at), Some(from_b + at))));
    pairs
}

/// Aligns by index, for runs that are too long to align optimally.
fn by_place(a: &[Step], b: &[Step]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for at in 0..a.len().max(b.len()) {
        match (a.get(at), b.get(at)) {
            (Some(x), Some(y)) if cost(x, y).is_some() => pairs.push((Some(at), Some(at))),
            (x, y) => {
                pairs.extend(x.map(|_| (Some(at), None)));
                pairs.extend(y.map(|_| (None, Some(at))));
            }
        }
    }
    pairs
}

/// The cheapest pairs (Needleman and Wunsch, 1970).
fn weigh(a: &[Step], b: &[Step]) -> Vec<Pair> {
    let width = b.len() + 1;
    // rest[i][j]: the cost of aligning a[i..] with b[j..].
    let mut rest = vec![0_u32; (a.len() + 1) * width];
    let at = |rest: &[u32], i: usize, j: usize| rest.get(i * width + j).copied().unwrap_or(0);
    for i in (0..=a.len()).rev() {
        for j in (0..=b.len()).rev() {
            let best = match (a.get(i), b.get(j)) {
                (None, None) => 0,
                (Some(_), None) => at(&rest, i + 1, j) + ALONE,
                (None, Some(_)) => at(&rest, i, j + 1) + ALONE,
                (Some(x), Some(y)) => {
                    let alone = at(&rest, i + 1, j).min(at(&rest, i, j + 1)) + ALONE;
                    let paired = cost(x, y).map(|cost| at(&rest, i + 1, j + 1) + cost);
                    paired.map_or(alone, |paired| paired.min(alone))
                }
            };
            if let Some(cell) = rest.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::with_capacity(a.len().max(b.len()));
    while i < a.len() || j < b.len() {
        let here = at(&rest, i, j);
        let paired = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => cost(x, y).map(|cost| at(&rest, i + 1, j + 1) + cost),
            _ => None,
        };
        if paired == Some(here) {
            pairs.push((Some(i), Some(j)));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && at(&rest, i + 1, j) + ALONE == here {
            pairs.push((Some(i), None));
            i += 1;
        } else {
            pairs.push((None, Some(j)));
            j += 1;
        }
    }
    pairs
}

impl RunDiff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.first.is_none() && self.runs.is_empty()
    }
}
