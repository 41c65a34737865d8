//! The result of one policy for a request, and the value on which its condition failed.

use std::collections::BTreeSet;

use cedar_policy_core::{
    ast::{self, EntityUID, Expr, ExprKind, Literal, SlotEnv, UnaryOp, Value, ValueKind, Var},
    entities::Dereference,
    evaluator::Evaluator,
};

use super::{
    FailedPart, ObservedValue, PolicyTrace, PreparedRequest, Verdict, context_path, is_true, short,
    spelled,
};
use crate::{
    pdp::{evaluate, redaction::Arguments},
    policy::LoadedPolicy,
};

impl PreparedRequest<'_> {
    /// The result of `policy` for the request; `None` if it is about other actions.
    pub(super) fn trace(&self, policy: &LoadedPolicy) -> Option<PolicyTrace> {
        let evaluator = self.evaluator();
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let slots = cedar.env();
        if !is_true(&evaluator, &cedar.action_constraint().as_expr(), slots) {
            return None;
        }
        let scope = [
            ("principal", cedar.principal_constraint().as_expr()),
            ("resource", cedar.resource_constraint().as_expr()),
        ];
        let outside = scope
            .iter()
            .find(|(_, expr)| !is_true(&evaluator, expr, slots));
        let verdict = match outside {
            Some((part, expr)) => Verdict::Fails(self.failed(part, expr, &evaluator, slots)),
            None => match cedar.non_scope_constraints() {
                None => Verdict::Applies,
                Some(condition) => match evaluator.interpret(condition, slots) {
                    Err(error) => Verdict::Errs {
                        error: evaluate::message(&error).into(),
                    },
                    Ok(value) if value == Value::from(true) => Verdict::Applies,
                    Ok(_) => {
                        let smallest = responsible(&evaluator, slots, condition, false);
                        Verdict::Fails(self.failed("condition", smallest, &evaluator, slots))
                    }
                },
            },
        };
        let is_met = |arguments: &Arguments<'_>| arguments.are_redacted(&policy.redact);
        let verdict = match verdict {
            Verdict::Applies | Verdict::Errs { .. }
                if !policy.redact.is_empty() && self.arguments.as_ref().is_some_and(is_met) =>
            {
                Verdict::Redacted
            }
            verdict => verdict,
        };
        Some(PolicyTrace {
            id: policy.determining.policy.id.clone(),
            file: policy.file.clone(),
            line: policy.line,
            permits: policy.permits(),
            mode: policy.mode,
            determined: false,
            verdict,
        })
    }

    fn failed(
        &self,
        part: &str,
        expr: &Expr,
        evaluator: &Evaluator<'_>,
        slots: &SlotEnv,
    ) -> FailedPart {
        let mut seen = Vec::new();
        for named in facts_of(expr) {
            let Ok(value) = evaluator.interpret(named, slots) else {
                continue;
            };
            // Not the source text: for a method call, Cedar knows only the position of the call, not of its
            // receiver.
            let name = context_path(named).map_or_else(|| named.to_string(), |path| spelled(&path));
            let mut text = short(&value.to_string());
            if let (
                ExprKind::Var(Var::Principal | Var::Resource),
                ValueKind::Lit(Literal::EntityUID(uid)),
            ) = (named.expr_kind(), value.value_kind())
            {
                text.push_str(&self.within(uid));
            }
            let entry = ObservedValue { name, value: text };
            if !seen.contains(&entry) {
                seen.push(entry);
            }
        }
        FailedPart {
            part: part.into(),
            expression: written(expr),
            values: seen,
        }
    }

    /// Roles, labels and other parents of an entity.
    fn within(&self, uid: &EntityUID) -> String {
        let Dereference::Data(entity) = self.entities.entity(uid) else {
            return String::new();
        };
        let ancestors: BTreeSet<String> =
            entity.ancestors().map(|a| short(&a.to_string())).collect();
        match ancestors.is_empty() {
            true => ", in nothing".into(),
            false => format!(
                ", in {}",
                ancestors.into_iter().collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// The smallest part of `expr` that makes it `is`.
fn responsible<'e>(
    evaluator: &Evaluator<'_>,
    slots: &SlotEnv,
    expr: &'e Expr,
    is: bool,
) -> &'e Expr {
    let truth = |e: &Expr| is_true(evaluator, e, slots);
    match expr.expr_kind() {
        ExprKind::And { left, right } if !is => {
            let part = if truth(left) { right } else { left };
            responsible(evaluator, slots, part, false)
        }
        ExprKind::Or { left, right } if is => {
            let part = if truth(left) { left } else { right };
            responsible(evaluator, slots, part, true)
        }
        ExprKind::UnaryApp {
            op: UnaryOp::Not,
            arg,
        } => match arg.expr_kind() {
            // `>` and `!=` are stored as `!` of a comparison, so the source text is that of the whole.
            ExprKind::BinaryApp { .. } => expr,
            _ => responsible(evaluator, slots, arg, !is),
        },
        ExprKind::If {
            test_expr,
            then_expr,
            else_expr,
        } => {
            let part = if truth(test_expr) {
                then_expr
            } else {
                else_expr
            };
            responsible(evaluator, slots, part, is)
        }
        _ => expr,
    }
}

/// The facts that `expr` names: variables and fields of the context.
fn facts_of(expr: &Expr) -> Vec<&Expr> {
    let all: Vec<&Expr> = expr.subexpressions().collect();
    let named = |e: &&Expr| match e.expr_kind() {
        ExprKind::Var(Var::Principal | Var::Resource) => true,
        ExprKind::GetAttr { .. } => context_path(e).is_some(),
        _ => false,
    };
    let parents: Vec<&Expr> = all
        .iter()
        .filter_map(|e| match e.expr_kind() {
            ExprKind::GetAttr { expr, .. } => Some(expr.as_ref()),
            _ => None,
        })
        .collect();
    all.into_iter()
        .filter(named)
        .filter(|e| !parents.iter().any(|parent| std::ptr::eq(*parent, *e)))
        .collect()
}

/// The source text, on one line.
fn written(expr: &Expr) -> String {
    let source = expr.source_loc().and_then(|loc| loc.snippet());
    let text = source.map_or_else(|| expr.to_string(), str::to_owned);
    let words: Vec<&str> = text.split_whitespace().collect();
    short(&words.join(" "))
}
