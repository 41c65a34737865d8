//! Why a request gets its answer: which policies applied, which condition of the others failed on which
//! value, and the smallest change of facts that would change the answer.

mod counterfactual;
mod trace;

use std::collections::BTreeSet;

use cedar_policy_core::{
    ast::{Expr, SlotEnv, Value},
    entities::Entities,
    evaluator::Evaluator,
    extensions::Extensions,
};
use serde::Serialize;
use tollgate_model::{
    decision::Decision,
    entity::NAMESPACE,
    request::{Facts, Request},
};

use super::{
    Pdp, RequestError, cedar_request::TypedRequest, context_path::context_path,
    redaction::Arguments,
};
use crate::policy::{LoadedPolicy, Mode};

/// Why a request gets its answer.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The answer.
    pub decision: Decision,
    /// Every policy about this action, in the order of their ids.
    pub policies: Vec<PolicyTrace>,
    /// Smallest changes that would change the answer, each of one or two facts; empty if none was found.
    pub changes: Vec<Vec<String>>,
}

/// The result of one policy for the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyTrace {
    /// Its `@id`.
    pub id: String,
    /// Its file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Whether it is a permit; otherwise it is a forbid.
    pub permits: bool,
    /// Enforced or shadow.
    pub mode: Mode,
    /// Whether it determined the answer.
    pub determined: bool,
    /// The policy's result.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The result of a policy for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It applies.
    Applies,
    /// It would apply, but the arguments are redacted as it asks.
    Redacted,
    /// It does not apply.
    Fails(FailedPart),
    /// It could not be evaluated.
    Errs {
        /// The kind of the error.
        error: String,
    },
}

/// What keeps a policy from applying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedPart {
    /// `principal`, `resource` or `condition`.
    pub part: String,
    /// Its source text.
    pub expression: String,
    /// The values that it read.
    pub values: Vec<ObservedValue>,
}

/// A value that a condition read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedValue {
    /// Such as `context.input.amount`.
    pub name: String,
    /// As Cedar writes it.
    pub value: String,
}

/// A request, ready to be evaluated.
struct PreparedRequest<'a> {
    request: TypedRequest,
    entities: Entities,
    arguments: Option<Arguments<'a>>,
}

impl Pdp {
    fn prepared<'a>(
        &'a self,
        request: &'a Request,
        facts: &Facts,
    ) -> Result<PreparedRequest<'a>, RequestError> {
        let arguments = self.arguments(request);
        let entities = self.entities_for(request, facts)?.into_owned();
        let plain = self.cedar_request(request, facts)?;
        let request = match &facts.approval {
            Some(granted) => self.approved(&plain, granted)?,
            None => plain,
        };
        Ok(PreparedRequest {
            request,
            entities,
            arguments,
        })
    }

    /// Ids of the policies that apply to a request, whether or not they determine its answer.
    #[must_use]
    pub fn applied(&self, request: &Request, facts: &Facts) -> BTreeSet<String> {
        let Ok(prepared) = self.prepared(request, facts) else {
            return BTreeSet::new();
        };
        let evaluator = prepared.evaluator();
        let slice = self.set.slice(&prepared.request.cedar, &prepared.entities);
        slice
            .into_iter()
            .filter(|p| is_true(&evaluator, &p.condition, p.cedar.as_ref().env()))
            .map(|p| p.determining.policy.id.clone())
            .collect()
    }

    /// The value of a Cedar expression for a request, as Cedar writes it. Call it only for someone who may see the
    /// arguments.
    ///
    /// # Errors
    /// The expression does not parse or cannot be evaluated, or there is no such request.
    pub fn evaluate(
        &self,
        request: &Request,
        facts: &Facts,
        expression: &str,
    ) -> Result<String, String> {
        if let Some(problem) = crate::policy::too_deep(expression) {
            return Err(problem);
        }
        let prepared = self.prepared(request, facts).map_err(|e| e.to_string())?;
        let evaluate = || {
            let expr = expression
                .parse::<Expr>()
                .map_err(|errors| format!("it is not an expression: {errors}"))?;
            let value = prepared.evaluator().interpret(&expr, &SlotEnv::new());
            value
                .map(|value| value.to_string())
                .map_err(|e| e.to_string())
        };
        crate::policy::on_large_stack(evaluate)
    }

    /// Decides, and explains the decision. The explanation shows values: call it only for someone who may
    /// see the arguments.
    #[must_use]
    pub fn explain(&self, request: &Request, facts: &Facts) -> Explanation {
        let decision = self.decide(request, facts);
        let Ok(prepared) = self.prepared(request, facts) else {
            return Explanation {
                decision,
                policies: Vec::new(),
                changes: Vec::new(),
            };
        };
        let determined: BTreeSet<&str> = decision.basis().ids().collect();
        let policies: Vec<(&LoadedPolicy, PolicyTrace)> = self
            .set
            .ordered
            .iter()
            .filter_map(|policy| {
                let mut traced = prepared.trace(policy)?;
                traced.determined = determined.contains(traced.id.as_str());
                Some((policy.as_ref(), traced))
            })
            .collect();
        let about: Vec<&LoadedPolicy> = policies.iter().map(|(policy, _)| *policy).collect();
        let changes = self.changes(&prepared, facts, &decision, &about);
        Explanation {
            policies: policies.into_iter().map(|(_, traced)| traced).collect(),
            changes,
            decision,
        }
    }
}

impl PreparedRequest<'_> {
    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(
            self.request.cedar.clone(),
            &self.entities,
            Extensions::all_available(),
        )
    }
}

fn spelled(path: &[String]) -> String {
    format!("context.{}", path.join("."))
}

fn is_true(evaluator: &Evaluator<'_>, expr: &Expr, slots: &SlotEnv) -> bool {
    evaluator
        .interpret(expr, slots)
        .is_ok_and(|value| value == Value::from(true))
}

/// Without the namespace, which is always the same.
fn short(text: &str) -> String {
    text.replace(&format!("{NAMESPACE}::"), "")
}
