//! Why a request gets its answer: which policies applied, which condition of the others failed on which
//! value, and the smallest change of facts that would turn it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy_core::{
    ast::{
        self, BinaryOp, Context, EntityUID, EntityUIDEntry, Expr, ExprKind, Literal,
        Request as CedarRequest, SlotEnv, UnaryOp, Value, ValueKind, Var,
    },
    entities::{Dereference, Entities, TCComputation},
    evaluator::Evaluator,
    extensions::Extensions,
    validator::CoreSchema,
};
use serde::Serialize;

use super::{Pdp, Trial, Unfit};
use crate::policy::{LoadedPolicy, Mode};
use tollgate_model::{
    decision::{Decision, Outcome},
    entity::{Kind, NAMESPACE},
    request::{Facts, Request},
};

/// Single changes that are tried in pairs; all are tried alone.
const MAX_PAIRED: usize = 48;
/// Changes that are tried at all.
const MAX_TRIED: usize = 512;
/// Changes that are told.
const MAX_TOLD: usize = 5;

/// Why a request gets its answer.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The answer.
    pub decision: Decision,
    /// Every policy about this action, in the order of their ids.
    pub policies: Vec<Traced>,
    /// Smallest changes that would turn the answer, each one fact or two; empty if none was found.
    pub changes: Vec<Vec<String>>,
}

/// What one policy made of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traced {
    /// Its `@id`.
    pub id: String,
    /// Its file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Whether it permits; else it forbids.
    pub permits: bool,
    /// Enforced or shadow.
    pub mode: Mode,
    /// Whether it determined the answer.
    pub determined: bool,
    /// What it made of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a policy made of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It applies.
    Applies,
    /// It does not.
    Fails(Failed),
    /// It could not be evaluated.
    Errs {
        /// Why.
        error: String,
    },
}

/// What keeps a policy from applying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// `principal`, `resource` or `condition`.
    pub part: String,
    /// As it is written.
    pub expression: String,
    /// What that saw.
    pub values: Vec<Seen>,
}

/// A value that a condition saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Such as `context.input.amount`.
    pub name: String,
    /// As Cedar writes it.
    pub value: String,
}

/// Where a fact stands that could be another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// A field of the context, by its path.
    Context(Vec<String>),
    /// What the principal is in.
    Principal,
    /// What the resource is in.
    Resource,
}

/// Another fact instead.
#[derive(Debug, Clone)]
struct Change {
    fact: Fact,
    to: To,
    said: String,
}

#[derive(Debug, Clone)]
enum To {
    Value(Value),
    In(EntityUID),
    NotIn(EntityUID),
}

/// A request, ready to be evaluated.
struct Prepared {
    request: CedarRequest,
    entities: Entities,
}

impl Pdp {
    fn prepared(&self, request: &Request, facts: &Facts) -> Result<Prepared, Unfit> {
        let entities = self.entities_for(request, facts)?.into_owned();
        let plain = self.cedar_request(request, facts)?;
        let request = match &facts.approval {
            Some(granted) => self.approved(&plain, granted)?,
            None => plain,
        };
        Ok(Prepared { request, entities })
    }

    /// Ids of the policies that apply to a request, whether they determine its answer or not.
    #[must_use]
    pub fn applied(&self, request: &Request, facts: &Facts) -> BTreeSet<String> {
        let Ok(prepared) = self.prepared(request, facts) else {
            return BTreeSet::new();
        };
        let evaluator = prepared.evaluator();
        let slice = self.set.slice(&prepared.request, &prepared.entities);
        slice
            .into_iter()
            .filter(|p| is_true(&evaluator, &p.condition, p.cedar.as_ref().env()))
            .map(|p| p.determining.policy.id.clone())
            .collect()
    }

    /// Decide, and say why. Values are shown: whoever asks must be one who may see the arguments.
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
        let policies: Vec<(&LoadedPolicy, Traced)> = self
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

    fn changes(
        &self,
        prepared: &Prepared,
        facts: &Facts,
        decision: &Decision,
        about: &[&LoadedPolicy],
    ) -> Vec<Vec<String>> {
        let mut told: Vec<Vec<String>> = Vec::new();
        if let Decision::Escalate(_, requirement) = decision {
            let ways = requirement.alternatives.iter();
            told.extend(ways.map(|a| vec![format!("an approval by {a}")]));
        }
        let was = decision.outcome() == Outcome::Allow;
        let turns = |changes: &[&Change]| {
            let outcome = self.outcome_with(prepared, facts, changes);
            outcome.is_some_and(|outcome| (outcome == Outcome::Allow) != was)
        };
        let mut candidates = prepared.candidates(about);
        candidates.truncate(MAX_TRIED);
        // Of several values for one fact the first that turns it is enough.
        let mut turned: BTreeSet<&Fact> = BTreeSet::new();
        for change in &candidates {
            if !turned.contains(&change.fact) && turns(&[change]) {
                turned.insert(&change.fact);
                told.push(vec![change.said.clone()]);
            }
        }
        if told.is_empty() {
            let few: Vec<&Change> = candidates.iter().take(MAX_PAIRED).collect();
            'pairs: for (i, a) in few.iter().enumerate() {
                for b in few.iter().skip(i + 1).filter(|b| b.fact != a.fact) {
                    if turns(&[a, b]) {
                        told.push(vec![a.said.clone(), b.said.clone()]);
                        if told.len() >= MAX_TOLD {
                            break 'pairs;
                        }
                    }
                }
            }
        }
        told.truncate(MAX_TOLD);
        told
    }

    /// What the answer would be with other facts.
    fn outcome_with(
        &self,
        prepared: &Prepared,
        facts: &Facts,
        changes: &[&Change],
    ) -> Option<Outcome> {
        let Some(Context::Value(context)) = prepared.request.context() else {
            return None;
        };
        let mut context = Value::record_arc(Arc::clone(context), None);
        let mut entities = prepared.entities.clone();
        for change in changes {
            match (&change.fact, &change.to) {
                (Fact::Context(path), To::Value(value)) => {
                    context = with(&context, path, value)?;
                }
                (fact, to) => {
                    let entry = match fact {
                        Fact::Principal => prepared.request.principal(),
                        _ => prepared.request.resource(),
                    };
                    entities = self.moved(entities, entry.uid()?, to)?;
                }
            }
        }
        let ValueKind::Record(context) = context.value_kind() else {
            return None;
        };
        let request = CedarRequest::new_unchecked(
            prepared.request.principal().clone(),
            prepared.request.action().clone(),
            prepared.request.resource().clone(),
            Some(Context::Value(Arc::clone(context))),
        );
        let slice = self.set.slice(&request, &entities);
        let enforced = super::in_force(&slice);
        Some(
            Trial::new(self, &enforced, facts, &entities, &request)
                .decide()
                .outcome(),
        )
    }

    /// `entities` with `uid` in another entity, or no longer in one.
    fn moved(&self, entities: Entities, uid: &EntityUID, to: &To) -> Option<Entities> {
        let Dereference::Data(entity) = entities.entity(uid) else {
            return None;
        };
        let mut entity = entity.clone();
        match to {
            To::In(parent) => entity.add_parent(parent.clone()),
            To::NotIn(parent) => {
                entity.remove_parent(parent);
                entity.remove_indirect_ancestor(parent);
            }
            To::Value(_) => return None,
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

impl Prepared {
    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(
            self.request.clone(),
            &self.entities,
            Extensions::all_available(),
        )
    }

    /// What `policy` makes of the request; `None` if it is about other actions.
    fn trace(&self, policy: &LoadedPolicy) -> Option<Traced> {
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
                        error: super::trial::message(&error).into(),
                    },
                    Ok(value) if value == Value::from(true) => Verdict::Applies,
                    Ok(_) => {
                        let smallest = responsible(&evaluator, slots, condition, false);
                        Verdict::Fails(self.failed("condition", smallest, &evaluator, slots))
                    }
                },
            },
        };
        Some(Traced {
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
    ) -> Failed {
        let mut seen = Vec::new();
        for named in facts_of(expr) {
            let Ok(value) = evaluator.interpret(named, slots) else {
                continue;
            };
            // Not as it is written: of what a method is called on, Cedar knows only where the call is.
            let name = path(named).map_or_else(|| named.to_string(), |path| spelt(&path));
            let mut text = short(&value.to_string());
            if let (
                ExprKind::Var(Var::Principal | Var::Resource),
                ValueKind::Lit(Literal::EntityUID(uid)),
            ) = (named.expr_kind(), value.value_kind())
            {
                text.push_str(&self.within(uid));
            }
            let entry = Seen { name, value: text };
            if !seen.contains(&entry) {
                seen.push(entry);
            }
        }
        Failed {
            part: part.into(),
            expression: written(expr),
            values: seen,
        }
    }

    /// Roles, labels and the like that an entity is in.
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

    /// Other facts that the policies look at, with the values at which they change their mind.
    fn candidates(&self, about: &[&LoadedPolicy]) -> Vec<Change> {
        let mut found: Vec<Change> = Vec::new();
        for policy in about {
            let cedar: &ast::Policy = policy.cedar.as_ref();
            let scope = [
                cedar.principal_constraint().as_expr(),
                cedar.resource_constraint().as_expr(),
            ];
            for expr in scope.iter().chain(cedar.non_scope_constraints()) {
                for part in expr.subexpressions() {
                    for change in self.turned(part) {
                        if !found.iter().any(|known| known.said == change.said) {
                            found.push(change);
                        }
                    }
                }
            }
        }
        found
    }

    /// Changes by which this part of a condition would turn.
    fn turned(&self, part: &Expr) -> Vec<Change> {
        let ExprKind::BinaryApp { op, arg1, arg2 } = part.expr_kind() else {
            return match path(part).map(|path| (self.value(&path), path)) {
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
            BinaryOp::Less | BinaryOp::LessEq | BinaryOp::Eq => self.compared(arg1, arg2),
            BinaryOp::Contains => match (path(arg1), literal(arg2)) {
                (Some(path), Some(item)) => self.toggled(path, &[item]),
                _ => Vec::new(),
            },
            BinaryOp::ContainsAll | BinaryOp::ContainsAny => match (path(arg1), arg2.expr_kind()) {
                (Some(path), ExprKind::Set(items)) => {
                    let items: Vec<Literal> = items.iter().filter_map(literal).collect();
                    self.toggled(path, &items)
                }
                _ => Vec::new(),
            },
            BinaryOp::In => {
                let parents: Vec<Literal> = match arg2.expr_kind() {
                    ExprKind::Set(items) => items.iter().filter_map(literal).collect(),
                    _ => literal(arg2).into_iter().collect(),
                };
                let (fact, entry) = match arg1.expr_kind() {
                    ExprKind::Var(Var::Principal) => (Fact::Principal, self.request.principal()),
                    ExprKind::Var(Var::Resource) => (Fact::Resource, self.request.resource()),
                    _ => return Vec::new(),
                };
                let moved = parents
                    .iter()
                    .filter_map(|parent| self.in_or_out(&fact, entry, parent));
                moved.collect()
            }
            _ => Vec::new(),
        }
    }

    /// Numbers around the one that is compared with, or the very value.
    fn compared(&self, left: &Expr, right: &Expr) -> Vec<Change> {
        let sides = [(left, right), (right, left)];
        let Some((path, literal)) = sides
            .iter()
            .find_map(|(a, b)| Some((path(a)?, literal(b)?)))
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

    /// A set with an item more, or less.
    fn toggled(&self, path: Vec<String>, items: &[Literal]) -> Vec<Change> {
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
            changes.push(Change {
                said: format!("if {} {word} {}", spelt(&path), names.join(" and ")),
                fact: Fact::Context(path.clone()),
                to: To::Value(value),
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

    fn in_or_out(&self, fact: &Fact, entry: &EntityUIDEntry, parent: &Literal) -> Option<Change> {
        let Literal::EntityUID(parent) = parent else {
            return None;
        };
        // What can be given or taken away: no entity can be made another.
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
        Some(Change {
            fact: fact.clone(),
            said: format!("if {who} {word} in {}", short(&parent.to_string())),
            to: if is_in {
                To::NotIn(parent.as_ref().clone())
            } else {
                To::In(parent.as_ref().clone())
            },
        })
    }

    fn value(&self, path: &[String]) -> Option<Value> {
        let Some(Context::Value(context)) = self.request.context() else {
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

fn set(path: Vec<String>, value: Value, text: &str) -> Change {
    Change {
        said: format!("if {} were {text}", spelt(&path)),
        fact: Fact::Context(path),
        to: To::Value(value),
    }
}

fn spelt(path: &[String]) -> String {
    format!("context.{}", path.join("."))
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

fn is_true(evaluator: &Evaluator<'_>, expr: &Expr, slots: &SlotEnv) -> bool {
    evaluator
        .interpret(expr, slots)
        .is_ok_and(|value| value == Value::from(true))
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
            // `!` of a comparison is how `>` and `!=` are kept: what is written is the whole.
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
        ExprKind::GetAttr { .. } => path(e).is_some(),
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

/// The path of a field of the context, but for an approval's: that is told in other words.
fn path(expr: &Expr) -> Option<Vec<String>> {
    let ExprKind::GetAttr { expr, attr } = expr.expr_kind() else {
        return None;
    };
    let mut path = match expr.expr_kind() {
        ExprKind::Var(Var::Context) if attr == "approval" => return None,
        ExprKind::Var(Var::Context) => Vec::new(),
        _ => path(expr)?,
    };
    path.push(attr.to_string());
    Some(path)
}

fn literal(expr: &Expr) -> Option<Literal> {
    match expr.expr_kind() {
        ExprKind::Lit(literal) => Some(literal.clone()),
        _ => None,
    }
}

/// As it is written, on one line.
fn written(expr: &Expr) -> String {
    let source = expr.source_loc().and_then(|loc| loc.snippet());
    let text = source.map_or_else(|| expr.to_string(), str::to_owned);
    let words: Vec<&str> = text.split_whitespace().collect();
    short(&words.join(" "))
}

/// Without the namespace, which is the same everywhere.
fn short(text: &str) -> String {
    text.replace(&format!("{NAMESPACE}::"), "")
}
