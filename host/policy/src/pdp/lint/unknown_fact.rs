//! Rules that do not hold where a history fact is unknown: a call that leaves an argument out would evade them.

use cedar_policy::Effect;
use cedar_policy_core::ast::{Expr, ExprKind, Literal, UnaryOp};
use tollgate_model::history::Absence;

use crate::{
    pdp::{Pdp, history::asked_fact},
    policy::{Diagnostic, Level, LoadedPolicy},
};

impl Pdp {
    /// Forbids that never apply where a fact is unknown, and no other forbid does.
    pub(super) fn unknown_facts(&self) -> Vec<Diagnostic> {
        let unknown = self
            .facts
            .iter()
            .filter(|(_, shape)| shape.absent == Some(Absence::Unknown));
        let forbids = || {
            let policies = self.set.ordered.iter().map(AsRef::as_ref);
            policies.filter(|policy: &&LoadedPolicy| policy.effect == Effect::Forbid)
        };
        unknown
            .flat_map(|(name, _)| {
                let asking = |policy: &&LoadedPolicy| asks(&policy.condition, name);
                let never =
                    |policy: &&LoadedPolicy| without(&policy.condition, name) == Some(false);
                let is_covered = forbids().filter(asking).any(|policy| !never(&policy));
                forbids()
                    .filter(asking)
                    .filter(move |policy| !is_covered && never(policy))
                    .map(move |policy| diagnostic(policy, name))
            })
            .collect()
    }
}

fn diagnostic(policy: &LoadedPolicy, fact: &str) -> Diagnostic {
    let id = &policy.determining.policy.id;
    policy.diagnostic(
        Level::Warning,
        "policy::unknown-fact",
        format!("policy `{id}` does not hold where the fact `{fact}` is unknown"),
        format!(
            "write what is allowed after `unless`, as in `unless {{ context.facts has {fact} && … }}`, so that everything \
             else is forbidden"
        ),
    )
}

fn asks(condition: &Expr, fact: &str) -> bool {
    let mut parts = condition.subexpressions();
    parts.any(|part| asked_fact(part) == Some(fact))
}

/// The value of a condition where the fact is absent; `None` if it depends on something else.
fn without(expr: &Expr, fact: &str) -> Option<bool> {
    if asked_fact(expr) == Some(fact) {
        return Some(false);
    }
    match expr.expr_kind() {
        ExprKind::Lit(Literal::Bool(value)) => Some(*value),
        ExprKind::And { left, right } => match (without(left, fact), without(right, fact)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        ExprKind::Or { left, right } => match (without(left, fact), without(right, fact)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        ExprKind::UnaryApp {
            op: UnaryOp::Not,
            arg,
        } => without(arg, fact).map(|value| !value),
        ExprKind::If {
            test_expr,
            then_expr,
            else_expr,
        } => match without(test_expr, fact) {
            Some(true) => without(then_expr, fact),
            Some(false) => without(else_expr, fact),
            None => {
                let (then, other) = (without(then_expr, fact), without(else_expr, fact));
                then.filter(|_| then == other)
            }
        },
        _ => None,
    }
}
