//! A case against a decision point.

use std::collections::BTreeSet;

use tollgate_model::{
    decision::{Decision, Outcome, Redaction},
    request::{Action, ActionContext, Facts, PriorApproval, Request},
};

use super::{Answer, Case, CaseResult, Defaults, ShadowAnswer};
use crate::pdp::Pdp;

impl Case {
    /// The decision on it, with its request and facts.
    ///
    /// # Errors
    /// The errors of [`Case::build`], or the case approves a request that needs no approval.
    pub fn decide(
        &self,
        pdp: &Pdp,
        defaults: &Defaults,
    ) -> Result<(Decision, Request, Facts), String> {
        let (request, mut facts) = self.build(pdp, defaults)?;
        let (first, request) = redacted(pdp, request, &facts);
        if first.outcome() == Outcome::Error
            && self.expect != Outcome::Error
            && let Some(problem) = unfit_arguments(pdp, &request)
        {
            return Err(problem);
        }
        let Some(roles) = self.approved_by.clone() else {
            return Ok((first, request, facts));
        };
        let Decision::Escalate(_, requirement) = first else {
            return Err(format!(
                "there is nothing to approve: without an approval it is {}",
                first.outcome()
            ));
        };
        facts.approval = Some(PriorApproval {
            count: self.approvals.unwrap_or(1),
            lifts: requirement.lifts,
            roles,
        });
        Ok((pdp.decide(&request, &facts), request, facts))
    }

    /// Play it.
    #[must_use]
    pub fn play(&self, pdp: &Pdp, defaults: &Defaults) -> CaseResult {
        let (decision, request, facts) = match self.decide(pdp, defaults) {
            Ok(decided) => decided,
            Err(problem) => {
                return CaseResult {
                    name: self.name.clone(),
                    answer: Answer {
                        outcome: Outcome::Error,
                        by: Vec::new(),
                        needs: Vec::new(),
                        redact: Vec::new(),
                        redacted_by: Vec::new(),
                        shadow: None,
                        errors: vec![problem.clone()],
                    },
                    wrong: vec![problem],
                    applied: BTreeSet::new(),
                };
            }
        };
        let answer = Answer::of(&decision);
        CaseResult {
            name: self.name.clone(),
            wrong: self.wrong(&answer),
            applied: pdp.applied(&request, &facts),
            answer,
        }
    }

    /// Each difference between `answer` and the expected answer.
    fn wrong(&self, answer: &Answer) -> Vec<String> {
        let mut wrong = Vec::new();
        let list = |these: &[String]| match these {
            [] => "nothing".to_owned(),
            these => these.join(", "),
        };
        if answer.outcome != self.expect {
            wrong.push(format!("expected {}, got {}", self.expect, answer.outcome));
        }
        for (what, expected, got) in [
            ("by", &self.by, &answer.by),
            ("needs", &self.needs, &answer.needs),
            ("redact", &self.redact, &answer.redact),
        ] {
            // Their order says nothing.
            let sorted = |these: &[String]| these.iter().cloned().collect::<BTreeSet<String>>();
            if let Some(expected) = expected.as_ref().filter(|e| sorted(e) != sorted(got)) {
                wrong.push(format!(
                    "{what}: expected {}, got {}",
                    list(expected),
                    list(got)
                ));
            }
        }
        if answer.shadow != self.shadow {
            let told = |s: &Option<ShadowAnswer>| match s {
                None => "no change".to_owned(),
                Some(s) => format!("{} by {}", s.outcome, list(&s.by)),
            };
            wrong.push(format!(
                "shadow: expected {}, got {}",
                told(&self.shadow),
                told(&answer.shadow)
            ));
        }
        if !wrong.is_empty() {
            wrong.extend(answer.errors.iter().cloned());
        }
        wrong
    }
}

/// The decision on a request and, if it is a call that policies redact, on the redacted one: as the gate does it.
fn redacted(pdp: &Pdp, mut request: Request, facts: &Facts) -> (Decision, Request) {
    let mut all = Redaction::default();
    loop {
        let mut decision = pdp.decide(&request, facts);
        let basis = decision.basis();
        let again = match basis.redact.is_empty() {
            true => None,
            false => pdp.redacted(&request, &basis.redact),
        };
        let Some(again) = again.filter(|again| *again != request) else {
            decision.basis_mut().redacted.extend(all);
            return (decision, request);
        };
        let policies = basis.determining.iter().map(|d| d.policy.clone());
        all.policies.extend(policies);
        all.pointers.extend(basis.redact.iter().cloned());
        request = again;
    }
}

impl Answer {
    /// The answer that `decision` gives.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let basis = decision.basis();
        let needs = match decision {
            Decision::Escalate(_, r) => r.alternatives.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        Self {
            outcome: decision.outcome(),
            by: basis.ids().map(str::to_owned).collect(),
            needs,
            redact: basis
                .redact
                .union(&basis.redacted.pointers)
                .cloned()
                .collect(),
            redacted_by: basis.redacted.ids().map(str::to_owned).collect(),
            shadow: basis.shadow.clone().map(|s| ShadowAnswer {
                outcome: s.outcome,
                by: s.policies,
            }),
            errors: basis.errors.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What is wrong with the arguments of a call, by the tool's schema: a gate refuses it before any policy.
fn unfit_arguments(pdp: &Pdp, request: &Request) -> Option<String> {
    let (Action::Call(name), ActionContext::Call { input, .. }) =
        (&request.action, &request.context)
    else {
        return None;
    };
    let problems = pdp.tool(name)?.check(input).err()?;
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Some(format!(
        "the arguments do not match the schema of `{name}`, so the gate would refuse the call before any policy: {}",
        problems.join("; ")
    ))
}
