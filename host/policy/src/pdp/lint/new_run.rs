//! Rules that do not hold in a new run: an agent, which names its runs, would evade them.

use std::collections::BTreeMap;

use cedar_policy::Effect;
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp, Var};
use tollgate_model::history::{Absence, FactShape, decimal_amount};

use crate::{
    pdp::{
        Pdp,
        history::{asked_fact, read_fact},
    },
    policy::{Diagnostic, Level, LoadedPolicy},
};

impl Pdp {
    /// Forbids that never apply in a run in which nothing has been counted yet.
    pub(super) fn forgotten_in_new_runs(&self) -> Vec<Diagnostic> {
        let policies = self.set.ordered.iter().map(AsRef::as_ref);
        let forbids = policies.filter(|policy: &&LoadedPolicy| policy.effect == Effect::Forbid);
        let (new_run, silent) = (NewRun::Uncounted(&self.facts), NewRun::Silent);
        forbids
            .filter_map(|policy| {
                let never = |run: &NewRun<'_>| run.holds(&policy.condition) == Some(false);
                let fact = new_run.fact_read(&policy.condition);
                match fact.filter(|_| never(&new_run)) {
                    Some(fact) => Some(diagnostic(policy, fact)),
                    None if reads_provenance(&policy.condition) && never(&silent) => {
                        Some(request_diagnostic(policy))
                    }
                    None => None,
                }
            })
            .collect()
    }
}

fn request_diagnostic(policy: &LoadedPolicy) -> Diagnostic {
    let id = &policy.determining.policy.id;
    policy.diagnostic(
        Level::Warning,
        "policy::request-of-run",
        format!("policy `{id}` does not hold in a run without a request"),
        "agents name their runs, and can go on in another one: write (context.provenance.request || \
         context.provenance.expected)"
            .to_owned(),
    )
}

/// The fact about provenance that an expression reads.
fn read_provenance(expr: &Expr) -> Option<&str> {
    let ExprKind::GetAttr { expr, attr } = expr.expr_kind() else {
        return None;
    };
    let ExprKind::GetAttr { expr, attr: group } = expr.expr_kind() else {
        return None;
    };
    let is_context = matches!(expr.expr_kind(), ExprKind::Var(Var::Context));
    (is_context && group == "provenance").then_some(attr.as_str())
}

fn reads_provenance(condition: &Expr) -> bool {
    let mut parts = condition.subexpressions();
    parts.any(|part| read_provenance(part).is_some())
}

fn diagnostic(policy: &LoadedPolicy, fact: &str) -> Diagnostic {
    let id = &policy.determining.policy.id;
    policy.diagnostic(
        Level::Warning,
        "policy::fact-of-run",
        format!("policy `{id}` does not hold in a new run: the fact `{fact}` counts by run"),
        format!(
            "agents name their runs, and can go on in another one: in [facts.{fact}], write by = [\"principal\"] or \
             [\"user\"] and a window; count by run what a run must have done before"
        ),
    )
}

/// What is known of a new run. All else may be anything.
enum NewRun<'a> {
    /// Nothing has been counted in it, of facts of these shapes.
    Uncounted(&'a BTreeMap<String, FactShape>),
    /// It has no request, though one is expected.
    Silent,
}

impl NewRun<'_> {
    fn shape(&self, fact: &str) -> Option<FactShape> {
        let Self::Uncounted(facts) = self else {
            return None;
        };
        let shape = facts.get(fact).copied();
        shape.filter(|shape| shape.of_run)
    }

    /// The first fact by run that a condition reads.
    fn fact_read<'e>(&self, condition: &'e Expr) -> Option<&'e str> {
        let mut parts = condition.subexpressions().filter_map(read_fact);
        parts.find(|fact| self.shape(fact).is_some())
    }

    /// The value of a condition; `None` if it depends on something else.
    fn holds(&self, expr: &Expr) -> Option<bool> {
        if let Some(fact) = asked_fact(expr) {
            let shape = self.shape(fact)?;
            // What is by an argument as well is known if the call has the argument.
            return (shape.absent == Some(Absence::Never)).then_some(false);
        }
        if matches!(self, Self::Silent)
            && let Some(fact) = read_provenance(expr)
        {
            return match fact {
                "request" | "known" | "asked" => Some(false),
                "expected" => Some(true),
                _ => None,
            };
        }
        match expr.expr_kind() {
            ExprKind::Lit(Literal::Bool(value)) => Some(*value),
            ExprKind::And { left, right } => match (self.holds(left), self.holds(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            ExprKind::Or { left, right } => match (self.holds(left), self.holds(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            ExprKind::UnaryApp {
                op: UnaryOp::Not,
                arg,
            } => self.holds(arg).map(|value| !value),
            ExprKind::BinaryApp { op, arg1, arg2 } => {
                let (left, right) = (self.number(arg1)?, self.number(arg2)?);
                match op {
                    BinaryOp::Eq => Some(left == right),
                    BinaryOp::Less => Some(left < right),
                    BinaryOp::LessEq => Some(left <= right),
                    _ => None,
                }
            }
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                let [left, right] = args.as_slice() else {
                    return None;
                };
                let (left, right) = (self.number(left)?, self.number(right)?);
                match fn_name.to_string().as_str() {
                    "lessThan" => Some(left < right),
                    "lessThanOrEqual" => Some(left <= right),
                    "greaterThan" => Some(left > right),
                    "greaterThanOrEqual" => Some(left >= right),
                    _ => None,
                }
            }
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => match self.holds(test_expr) {
                Some(true) => self.holds(then_expr),
                Some(false) => self.holds(else_expr),
                None => {
                    let (then, other) = (self.holds(then_expr), self.holds(else_expr));
                    then.filter(|_| then == other)
                }
            },
            _ => None,
        }
    }

    /// A number; a decimal in ten-thousandths.
    fn number(&self, expr: &Expr) -> Option<i64> {
        if let Some(fact) = read_fact(expr) {
            return self.shape(fact).map(|_| 0);
        }
        match expr.expr_kind() {
            ExprKind::Lit(Literal::Long(value)) => Some(*value),
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                let [literal] = args.as_slice() else {
                    return None;
                };
                match literal.expr_kind() {
                    ExprKind::Lit(Literal::String(text)) if fn_name.to_string() == "decimal" => {
                        decimal_amount(text)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
