//! What a principal could ever do: three-valued evaluation of a request of which only its scope and the environment are
//! known.
//!
//! Policies are evaluated as far as that goes; the rest may be true and may be false. This is sound: what is said
//! to be out of reach is neither allowed nor does it wait for an approval, with any arguments and facts.
//! It is not complete: two conditions that contradict each other are not noticed.

use std::{collections::BTreeMap, sync::Arc};

use cedar_policy::Effect;
use cedar_policy_core::{
    ast::{
        Context, EntityUID, EntityUIDEntry, Expr, ExprKind, Literal, PartialValue,
        Request as CedarRequest, UnaryOp, Unknown, Value,
    },
    evaluator::Evaluator,
    extensions::Extensions,
    validator::types::Type,
};
use tollgate_model::{entity::Uid, request::Action};

use super::{Pdp, in_force};
use crate::policy::LoadedPolicy;

/// The attribute of every context that is known before a call.
const ENVIRONMENT: &str = "environment";

/// Which values a condition may have. An error is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Truth {
    may_hold: bool,
    may_fail: bool,
}

impl Truth {
    const UNKNOWN: Self = Self {
        may_hold: true,
        may_fail: true,
    };

    fn of(value: bool) -> Self {
        Self {
            may_hold: value,
            may_fail: !value,
        }
    }

    fn not(self) -> Self {
        Self {
            may_hold: self.may_fail,
            may_fail: self.may_hold,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            may_hold: self.may_hold && other.may_hold,
            may_fail: self.may_fail || other.may_fail,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    /// Of what is evaluated as far as that goes.
    fn residual(expr: &Expr) -> Self {
        match expr.expr_kind() {
            ExprKind::Lit(Literal::Bool(value)) => Self::of(*value),
            ExprKind::And { left, right } => Self::residual(left).and(Self::residual(right)),
            ExprKind::Or { left, right } => Self::residual(left).or(Self::residual(right)),
            ExprKind::UnaryApp {
                op: UnaryOp::Not,
                arg,
            } => Self::residual(arg).not(),
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => {
                let test = Self::residual(test_expr);
                let (then, other) = (Self::residual(then_expr), Self::residual(else_expr));
                let either =
                    |then: bool, other: bool| test.may_hold && then || test.may_fail && other;
                Self {
                    may_hold: either(then.may_hold, other.may_hold),
                    may_fail: either(then.may_fail, other.may_fail),
                }
            }
            _ => Self::UNKNOWN,
        }
    }
}

impl Pdp {
    /// Whether such a request could be allowed, or wait for an approval, with any arguments, facts and approvals.
    /// True where that cannot be told: for an entity or an action that is not known, and after an error.
    #[must_use]
    pub fn may_allow(
        &self,
        principal: &Uid,
        action: &Action,
        resource: &Uid,
        environment: &str,
    ) -> bool {
        let known = (
            self.known.get(principal),
            self.actions.get(action.id()),
            self.known.get(resource),
        );
        let (Some(principal), Some(action), Some(resource)) = known else {
            return true;
        };
        let entry = |uid: &Arc<EntityUID>| EntityUIDEntry::Known {
            euid: Arc::clone(uid),
            loc: None,
        };
        let request = CedarRequest::new_unchecked(
            entry(principal),
            entry(action),
            entry(resource),
            self.open_context(action, environment),
        );
        let slice = self.set.slice(&request, &self.entities);
        let evaluator = Evaluator::new(request, &self.entities, Extensions::all_available());
        let mut permitted = false;
        for policy in in_force(&slice) {
            let truth = truth(&evaluator, policy);
            match policy.effect {
                Effect::Permit => permitted |= truth.may_hold,
                // One that asks for a redaction does not apply to arguments that are redacted.
                Effect::Forbid if policy.redact.is_empty() && !truth.may_fail => return false,
                Effect::Forbid => {}
            }
        }
        permitted
    }

    /// The context of an action, with nothing known but the environment. `None`, so that nothing at all is known, if
    /// it is not known which attributes there are.
    fn open_context(&self, action: &EntityUID, environment: &str) -> Option<Context> {
        let Some(Type::Record { attrs, .. }) = self.schema.as_ref().context_type(action) else {
            return None;
        };
        let mut members = BTreeMap::new();
        for (name, attribute) in attrs.iter() {
            if !attribute.is_required {
                return None;
            }
            let value = match name.as_str() {
                ENVIRONMENT => Expr::from(Value::from(environment)),
                _ => Expr::unknown(Unknown::new_untyped(name.clone())),
            };
            members.insert(name.clone(), value);
        }
        // The engine requires that a residual has something unknown.
        (members.len() > 1).then(|| Context::RestrictedResidual(Arc::new(members)))
    }
}

/// Which values the condition of a policy may have.
fn truth(evaluator: &Evaluator<'_>, policy: &LoadedPolicy) -> Truth {
    let env = policy.cedar.as_ref().env();
    match evaluator.partial_interpret(&policy.condition, env) {
        Ok(PartialValue::Value(value)) if value == Value::from(true) => Truth::of(true),
        Ok(PartialValue::Value(value)) if value == Value::from(false) => Truth::of(false),
        Ok(PartialValue::Residual(residual)) => Truth::residual(&residual),
        Ok(PartialValue::Value(_)) | Err(_) => Truth::UNKNOWN,
    }
}
