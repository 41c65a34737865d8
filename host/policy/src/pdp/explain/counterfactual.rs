//! The smallest changes of facts that would change an answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy_core::{
    ast::{
        self, BinaryOp, Context, EntityUID, EntityUIDEntry, Expr, ExprKind, Literal, Value,
        ValueKind, Var,
    },
    entities::{Dereference, Entities, TCComputation},
    extensions::Extensions,
    validator::CoreSchema,
};
use tollgate_model::{
    decision::{Decision, Outcome},
    entity::{Kind, NAMESPACE},
    request::Facts,
};

use super::{PreparedRequest, context_path, short, spelled};
use crate::{
    pdp::{self, Pdp, PolicyEvaluation},
    policy::LoadedPolicy,
};

/// Single changes that are also tried in pairs. Every change is tried alone.
const MAX_PAIRED: usize = 48;
/// The most changes that are tried.
const MAX_CHANGES: usize = 512;
/// The most changes that an explanation lists.
const MAX_REPORTED: usize = 5;

/// The position of a fact that could be different.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// A field of the context, by its path.
    Context(Vec<String>),
    /// The parents of the principal.
    Principal,
    /// The parents of the resource.
    Resource,
}

/// A different value for a fact.
#[derive(Debug, Clone)]
struct FactChange {
    fact: Fact,
    to: FactReplacement,
    description: String,
}

#[derive(Debug, Clone)]
enum FactReplacement {
    Value(Value),
    In(EntityUID),
    NotIn(EntityUID),
}

impl Pdp {
    pub(super) fn changes(
        &self,
        prepared: &PreparedRequest<'_>,
        facts: &Facts,
        decision: &Decision,
        about: &[&LoadedPolicy],
    ) -> Vec<Vec<String>> {
        let mut found: Vec<Vec<String>> = Vec::new();
        if let Decision::Escalate(_, requirement) = decision {
            let ways = requirement.alternatives.iter();
            found.extend(ways.map(|a| vec![format!("an approval by {a}")]));
        }
        let was = decision.outcome() == Outcome::Allow;
        let turns = |changes: &[&FactChange]| {
            let outcome = self.outcome_with(prepared, facts, changes);
            outcome.is_some_and(|outcome| (outcome == Outcome::Allow) != was)
        };
        let mut candidates = prepared.candidates(about);
        candidates.truncate(MAX_CHANGES);
        // For each fact, the first value that changes the answer is enough.
        let mut turned: BTreeSet<&Fact> = BTreeSet::new();
        for change in &candidates {
            if !turned.contains(&change.fact) && turns(&[change]) {
                turned.insert(&change.fact);
                found.push(vec![change.description.clone()]);
            }
        }
        if found.is_empty() {
            let few: Vec<&FactChange> = candidates.iter().take(MAX_PAIRED).collect();
            'pairs: for (i, a) in few.iter().enumerate() {
                for b in few.iter().skip(i + 1).filter(|b| b.fact != a.fact) {
                    if turns(&[a, b]) {
                        found.push(vec![a.description.clone(), b.description.clone()]);
                        if found.len() >= MAX_REPORTED {
                            break 'pairs;
                        }
                    }
                }
            }
        }
        found.truncate(MAX_REPORTED);
        found
    }

    /// What the answer would be with other facts.
    fn outcome_with(
        &self,
        prepared: &PreparedRequest<'_>,
        facts: &Facts,
        changes: &[&FactChange],
    ) -> Option<Outcome> {
        let Some(Context::Value(context)) = prepared.request.cedar.context() else {
            return None;
        };
        let mut context = Value::record_arc(Arc::clone(context), None);
        let mut entities = prepared.entities.clone();
        for change in changes {
            match (&change.fact, &change.to) {
                (Fact::Context(path), FactReplacement::Value(value)) => {
                    context = with(&context, path, value)?;
                }
                (fact, to) => {
                    let entry = match fact {
                        Fact::Principal => prepared.request.cedar.principal(),
                        _ => prepared.request.cedar.resource(),
                    };
                    entities = self.with_parent_changed(entities, entry.uid()?, to)?;
                }
            }
        }
        let ValueKind::Record(context) = context.value_kind() else {
            return None;
        };
        let request = prepared
            .request
            .with_context(Context::Value(Arc::clone(context)));
        let slice = self.set.slice(&request.cedar, &entities);
        let enforced = pdp::in_force(&slice);
        Some(
            PolicyEvaluation::new(self, &enforced, facts, &entities, &request)
                .with_arguments(prepared.arguments)
                .decide()
                .outcome(),
        )
    }

    /// `entities` with `uid` added to another entity, or removed from one.
    fn with_parent_changed(
        &self,
        entities: Entities,
        uid: &EntityUID,
        to: &FactReplacement,
    ) -> Option<Entities> {
        let Dereference::Data(entity) = entities.entity(uid) else {
            return None;
        };
        let mut entity = entity.clone();
        match to {
            FactReplacement::In(parent) => entity.add_parent(parent.clone()),
            FactReplacement::NotIn(parent) => {
                entity.remove_parent(parent);
                entity.remove_indirect_ancestor(parent);
            }
            FactReplacement::Value(_) => return None,
        }
        entities
            .upsert_entities(
                [Arc::new(entity)],
                None::<&CoreSchema<'_>>,
                TCComputation::AssumeAlreadyComputed,
                Extensions::all_available(),
            )
            .ok()
    }
}

impl PreparedRequest<'_> {
    /// Other values for the facts that the policies read, at which a policy would decide differently.
    fn candidates(&self, about: &[&LoadedPolicy]) -> Vec<FactChange> {
        let mut found: Vec<FactChange> = Vec::new();
        for policy in about {
            let cedar: &ast::Policy = policy.cedar.as_ref();
            let scope = [
                cedar.principal_constraint().as_expr(),
                cedar.resource_constraint().as_expr(),
            ];
            for expr in scope.iter().chain(cedar.non_scope_constraints()) {
                for part in expr.subexpressions() {
                    for change in self.turning_changes(part) {
                        if !found
                            .iter()
                            .any(|known| known.description == change.description)
                        {
                            found.push(change);
                        }
                    }
                }
            }
        }
        found
    }

    /// Changes that would flip this part of a condition.
    fn turning_changes(&self, part: &Expr) -> Vec<FactChange> {
        let ExprKind::BinaryApp { op, arg1, arg2 } = part.expr_kind() else {
            return match context_path(part).map(|path| (self.value(&path), path)) {
                Some((
                    Some(Value {
                        value: ValueKind::Lit(Literal::Bool(is)),
                        ..
                    }),
                    path,
                )) => {
                    vec![set(path, Value::from(!is), &(!is).to_string())]
                }
                _ => Vec::new(),
            };
        };
        match op {
            BinaryOp::Less | BinaryOp::LessEq | BinaryOp::Eq => self.compared_values(arg1, arg2),
            BinaryOp::Contains => match (context_path(arg1), literal(arg2)) {
                (Some(path), Some(item)) => self.toggled_items(path, &[item]),
                _ => Vec::new(),
            },
            BinaryOp::ContainsAll | BinaryOp::ContainsAny => {
                match (context_path(arg1), arg2.expr_kind()) {
                    (Some(path), ExprKind::Set(items)) => {
                        let items: Vec<Literal> = items.iter().filter_map(literal).collect();
                        self.toggled_items(path, &items)
                    }
                    _ => Vec::new(),
                }
            }
            BinaryOp::In => {
                let parents: Vec<Literal> = match arg2.expr_kind() {
                    ExprKind::Set(items) => items.iter().filter_map(literal).collect(),
                    _ => literal(arg2).into_iter().collect(),
                };
                let (fact, entry) = match arg1.expr_kind() {
                    ExprKind::Var(Var::Principal) => {
                        (Fact::Principal, self.request.cedar.principal())
                    }
                    ExprKind::Var(Var::Resource) => (Fact::Resource, self.request.cedar.resource()),
                    _ => return Vec::new(),
                };
                let moved = parents
                    .iter()
                    .filter_map(|parent| self.toggled_parent(&fact, entry, parent));
                moved.collect()
            }
            _ => Vec::new(),
        }
    }

    /// Numbers around the compared one, or the compared value itself.
    fn compared_values(&self, left: &Expr, right: &Expr) -> Vec<FactChange> {
        let sides = [(left, right), (right, left)];
        let Some((path, literal)) = sides
            .iter()
            .find_map(|(a, b)| Some((context_path(a)?, literal(b)?)))
        else {
            return Vec::new();
        };
        let now = self.value(&path);
        let around = match &literal {
            Literal::Long(n) => [Some(*n), n.checked_add(1), n.checked_sub(1)]
                .into_iter()
                .flatten()
                .map(Literal::Long)
                .collect(),
            _ => vec![literal],
        };
        around
            .into_iter()
            .map(|literal| Value::new(literal, None))
            .filter(|value| now.as_ref() != Some(value))
            .map(|value| {
                let text = short(&value.to_string());
                set(path.clone(), value, &text)
            })
            .collect()
    }

    /// A set with one item added or removed.
    fn toggled_items(&self, path: Vec<String>, items: &[Literal]) -> Vec<FactChange> {
        let Some(Value {
            value: ValueKind::Set(now),
            ..
        }) = self.value(&path)
        else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        let mut change = |of: &[Literal], add: bool| {
            let of: Vec<Value> = of.iter().map(|l| Value::new(l.clone(), None)).collect();
            let names: Vec<String> = of.iter().map(|v| short(&v.to_string())).collect();
            let kept = now.iter().filter(|v| !of.contains(v)).cloned();
            let value = if add {
                Value::set(kept.chain(of.iter().cloned()), None)
            } else {
                Value::set(kept, None)
            };
            let word = if add { "had" } else { "did not have" };
            changes.push(FactChange {
                description: format!("if {} {word} {}", spelled(&path), names.join(" and ")),
                fact: Fact::Context(path.clone()),
                to: FactReplacement::Value(value),
            });
        };
        let has = |item: &Literal| now.contains(&Value::new(item.clone(), None));
        for item in items {
            change(std::slice::from_ref(item), !has(item));
        }
        if items.len() > 1 && !items.iter().all(has) {
            change(items, true);
        }
        changes
    }

    fn toggled_parent(
        &self,
        fact: &Fact,
        entry: &EntityUIDEntry,
        parent: &Literal,
    ) -> Option<FactChange> {
        let Literal::EntityUID(parent) = parent else {
            return None;
        };
        // Only memberships that can be granted or removed: an entity cannot become another one.
        let given = [Kind::Role, Kind::Label];
        let ty = parent.entity_type().to_string();
        given
            .iter()
            .any(|kind| ty == format!("{NAMESPACE}::{}", kind.name()))
            .then_some(())?;
        let Dereference::Data(entity) = self.entities.entity(entry.uid()?) else {
            return None;
        };
        let is_in = entity.is_descendant_of(parent);
        let who = short(&entry.uid()?.to_string());
        let word = if is_in { "were not" } else { "were" };
        Some(FactChange {
            fact: fact.clone(),
            description: format!("if {who} {word} in {}", short(&parent.to_string())),
            to: if is_in {
                FactReplacement::NotIn(parent.as_ref().clone())
            } else {
                FactReplacement::In(parent.as_ref().clone())
            },
        })
    }

    fn value(&self, path: &[String]) -> Option<Value> {
        let Some(Context::Value(context)) = self.request.cedar.context() else {
            return None;
        };
        let (first, rest) = path.split_first()?;
        let mut at = context.get(first.as_str())?;
        for name in rest {
            let ValueKind::Record(record) = at.value_kind() else {
                return None;
            };
            at = record.get(name.as_str())?;
        }
        Some(at.clone())
    }
}

fn set(path: Vec<String>, value: Value, text: &str) -> FactChange {
    FactChange {
        description: format!("if {} were {text}", spelled(&path)),
        fact: Fact::Context(path),
        to: FactReplacement::Value(value),
    }
}

/// `record` with `value` at `path`.
fn with(record: &Value, path: &[String], value: &Value) -> Option<Value> {
    let Some((name, rest)) = path.split_first() else {
        return Some(value.clone());
    };
    let ValueKind::Record(members) = record.value_kind() else {
        return None;
    };
    let mut members: BTreeMap<_, _> = BTreeMap::clone(members);
    let member = members.get_mut(name.as_str())?;
    *member = with(member, rest, value)?;
    Some(Value::record_arc(Arc::new(members), None))
}

fn literal(expr: &Expr) -> Option<Literal> {
    match expr.expr_kind() {
        ExprKind::Lit(literal) => Some(literal.clone()),
        _ => None,
    }
}
