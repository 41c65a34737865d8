//! `context.facts`: what earlier calls have done, and which policies read it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use cedar_policy_core::{
    ast::{self, EntityUID, Expr, ExprKind, Value, Var},
    entities::{Dereference, Entities},
};
use tollgate_model::{
    history::{FactShape, FactValue},
    request::Action,
};

use super::{Pdp, RequestError, request_error};
use crate::{cedar_value, policy::LoadedPolicy};

/// The attribute of a call's context.
const FACTS: &str = "facts";

/// The facts that policies read, by the id of the action that they are about.
#[derive(Debug, Default)]
pub(super) struct FactReads(HashMap<String, BTreeSet<String>>);

impl FactReads {
    pub(super) fn new<'a>(
        facts: &BTreeMap<String, FactShape>,
        policies: impl Iterator<Item = &'a LoadedPolicy>,
        actions: &HashMap<String, Arc<EntityUID>>,
        entities: &Entities,
    ) -> Self {
        let mut reads: HashMap<String, BTreeSet<String>> = HashMap::new();
        if facts.is_empty() {
            return Self(reads);
        }
        for policy in policies {
            let read = facts_read(&policy.condition, facts);
            if read.is_empty() {
                continue;
            }
            let cedar: &ast::Policy = policy.cedar.as_ref();
            for (id, action) in actions {
                if is_about(cedar.action_constraint(), action, entities) {
                    reads
                        .entry(id.clone())
                        .or_default()
                        .extend(read.iter().cloned());
                }
            }
        }
        Self(reads)
    }
}

/// Whether a policy with this constraint may apply to the action.
fn is_about(constraint: &ast::ActionConstraint, action: &EntityUID, entities: &Entities) -> bool {
    let is_in = |above: &EntityUID| {
        above == action
            || matches!(entities.entity(action), Dereference::Data(a) if a.is_descendant_of(above))
    };
    match constraint {
        ast::ActionConstraint::Any => true,
        ast::ActionConstraint::Eq(uid) => uid.as_ref() == action,
        ast::ActionConstraint::In(uids) => uids.iter().any(|uid| is_in(uid)),
    }
}

/// The facts that a condition reads: those that it names or, if it uses the context as a whole, all.
fn facts_read(condition: &Expr, facts: &BTreeMap<String, FactShape>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    // How often the context and its facts occur, less the places where a field of them is named.
    let (mut contexts, mut wholes) = (0_i64, 0_i64);
    for part in condition.subexpressions() {
        if matches!(part.expr_kind(), ExprKind::Var(Var::Context)) {
            contexts += 1;
        }
        if is_facts(part) {
            wholes += 1;
        }
        if let ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } =
            part.expr_kind()
        {
            if matches!(expr.expr_kind(), ExprKind::Var(Var::Context)) {
                contexts -= 1;
            }
            if is_facts(expr) {
                wholes -= 1;
                named.insert(attr.to_string());
            }
        }
    }
    match contexts > 0 || wholes > 0 {
        true => facts.keys().cloned().collect(),
        false => named,
    }
}

fn is_facts(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::GetAttr { expr, attr }
        if attr == FACTS && matches!(expr.expr_kind(), ExprKind::Var(Var::Context)))
}

/// The fact whose presence this asks for, as in `context.facts has refunds`.
pub(super) fn asked_fact(expr: &Expr) -> Option<&str> {
    match expr.expr_kind() {
        ExprKind::HasAttr { expr, attr } if is_facts(expr) => Some(attr.as_str()),
        _ => None,
    }
}

/// The fact whose value this is, as in `context.facts.refunds`.
pub(super) fn read_fact(expr: &Expr) -> Option<&str> {
    match expr.expr_kind() {
        ExprKind::GetAttr { expr, attr } if is_facts(expr) => Some(attr.as_str()),
        _ => None,
    }
}

impl Pdp {
    /// The facts that policies about this action read. A decision about it depends on no other.
    #[must_use]
    pub fn facts_read(&self, action: &Action) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.facts_read.0.get(action.id()).unwrap_or(&NONE)
    }

    /// The attribute of the context of a call, if the schema has it.
    pub(super) fn history(
        &self,
        facts: &BTreeMap<String, FactValue>,
    ) -> Result<Option<(&'static str, Value)>, RequestError> {
        if !self.names.history {
            return Ok(None);
        }
        let mut known = Vec::new();
        for (name, shape) in &self.facts {
            match facts.get(name) {
                Some(value) => known.push((name.as_str(), value_of(name, *shape, *value)?)),
                None if shape.absent.is_some() => {}
                None => return Err(request_error(format!("the fact `{name}` was not counted"))),
            }
        }
        Ok(Some((FACTS, cedar_value::record(known))))
    }
}

fn value_of(name: &str, shape: FactShape, value: FactValue) -> Result<Value, RequestError> {
    let out_of_range = || request_error(format!("the fact `{name}` is out of range"));
    if value.ty() != shape.ty {
        return Err(request_error(format!(
            "the fact `{name}` is of another type"
        )));
    }
    match value {
        FactValue::Long(n) => Ok(cedar_value::long(n)),
        FactValue::Decimal(_) => cedar_value::decimal(&value.to_string()).ok_or_else(out_of_range),
        FactValue::Datetime(time) => cedar_value::datetime(time.millis()).ok_or_else(out_of_range),
    }
}
