//! Policies that are completely covered by another one.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher as _},
};

use cedar_policy::Effect;
use cedar_policy_core::{
    ast::{
        self, EntityReference, EntityUID, Expr, ExprKind,
        PrincipalOrResourceConstraint as Constraint,
    },
    entities::Dereference,
};

use super::{RequestSpace, Scope};
use crate::{
    pdp::{
        Pdp,
        index::{Index, Position},
    },
    policy::{Diagnostic, Level, LoadedPolicy},
};

/// The policies of a set by the parts of their conditions, so that candidates for covering another policy
/// are found without looking at all of them.
///
/// A policy covers another only if each part of its condition is also a part of the other's. So it is
/// indexed under its rarest part, and looked up by the parts of the other.
pub(super) struct Coverage {
    /// Policies by their rarest part.
    by_part: HashMap<u64, Vec<Position>>,
    /// Policies without a condition, and their positions in the set.
    unconditional: Index,
    positions: Vec<Position>,
}

impl Coverage {
    pub(super) fn new(pdp: &Pdp) -> Self {
        let parts: Vec<Vec<u64>> = pdp
            .set
            .ordered
            .iter()
            .map(|policy| part_hashes(policy))
            .collect();
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for part in parts.iter().flatten() {
            *counts.entry(*part).or_default() += 1;
        }
        let mut by_part: HashMap<u64, Vec<Position>> = HashMap::new();
        let mut positions = Vec::new();
        let mut unconditional = Vec::new();
        for ((position, policy), parts) in (0..).zip(&pdp.set.ordered).zip(&parts) {
            match parts.iter().min_by_key(|part| counts.get(part)) {
                Some(rarest) => by_part.entry(*rarest).or_default().push(position),
                None => {
                    positions.push(position);
                    unconditional.push(policy.cedar.as_ref());
                }
            }
        }
        Self {
            by_part,
            unconditional: Index::new(unconditional),
            positions,
        }
    }

    /// Positions of the policies that may cover this one, in ascending order.
    fn candidates(
        &self,
        space: &RequestSpace<'_>,
        policy: &LoadedPolicy,
        scope: &Scope,
    ) -> Vec<Position> {
        let unconditional = self.unconditional.candidates(
            &scope.principal,
            &scope.action,
            &scope.resource,
            &space.entities,
        );
        let mut found: Vec<Position> = unconditional
            .into_iter()
            .filter_map(|position| self.positions.get(usize::try_from(position).ok()?))
            .copied()
            .collect();
        for part in part_hashes(policy) {
            found.extend(self.by_part.get(&part).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Hashes of the parts of a policy's condition, each once.
fn part_hashes(policy: &LoadedPolicy) -> Vec<u64> {
    let cedar: &ast::Policy = policy.cedar.as_ref();
    let Some(condition) = cedar.non_scope_constraints() else {
        return Vec::new();
    };
    let mut hashes: Vec<u64> = conjuncts(condition)
        .into_iter()
        .map(|part| {
            let mut hasher = DefaultHasher::new();
            part.hash_shape(&mut hasher);
            hasher.finish()
        })
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

impl RequestSpace<'_> {
    /// Another policy that applies wherever this one does, and makes it redundant.
    pub(super) fn covered(
        &self,
        coverage: &Coverage,
        policy: &LoadedPolicy,
        scope: &Scope,
    ) -> Option<Diagnostic> {
        let candidates = coverage
            .candidates(self, policy, scope)
            .into_iter()
            .filter_map(|position| self.pdp.set.ordered.get(usize::try_from(position).ok()?));
        let mut others = candidates.filter(|other| {
            other.determining.policy.id != policy.determining.policy.id
                && other.mode == policy.mode
                && (other.effect == policy.effect || other.effect == Effect::Forbid)
                && other.redact.is_empty()
                && policy.redact.is_empty()
        });
        let other = others.find(|other| self.covers(other, policy))?;
        // Of two policies that cover each other, only one is reported.
        if other.effect == policy.effect
            && other.determining.policy.id > policy.determining.policy.id
            && self.covers(policy, other)
        {
            return None;
        }
        let (id, by) = (&policy.determining.policy.id, &other.determining.policy.id);
        let at = format!("{}:{}", other.file, other.line);
        let message = if other.effect == policy.effect {
            format!("policy `{id}` makes no difference: `{by}` at {at} applies wherever it does")
        } else {
            format!(
                "policy `{id}` never permits anything: `{by}` at {at} forbids wherever it applies"
            )
        };
        Some(policy.diagnostic(
            Level::Warning,
            "policy::shadowed",
            message,
            "remove it, or narrow the other one",
        ))
    }

    /// Whether `wide` applies wherever `narrow` does.
    fn covers(&self, wide: &LoadedPolicy, narrow: &LoadedPolicy) -> bool {
        let (w, n): (&ast::Policy, &ast::Policy) = (wide.cedar.as_ref(), narrow.cedar.as_ref());
        let wider = |a: &Constraint, b: &Constraint| self.wider(a, b);
        wider(
            w.principal_constraint().as_inner(),
            n.principal_constraint().as_inner(),
        ) && wider(
            w.resource_constraint().as_inner(),
            n.resource_constraint().as_inner(),
        ) && self.covers_actions(w.action_constraint(), n.action_constraint())
            && covers_condition(w.non_scope_constraints(), n.non_scope_constraints())
    }

    fn covers_actions(&self, wide: &ast::ActionConstraint, narrow: &ast::ActionConstraint) -> bool {
        use ast::ActionConstraint::{Any, Eq, In};
        match (wide, narrow) {
            (Any, _) => true,
            (_, Any) => false,
            (wide, Eq(action)) => self.is_of(wide, action),
            (Eq(_), In(actions)) => actions.iter().all(|action| {
                // A group covers its members; a single action does not cover a group.
                self.is_of(wide, action) && !self.is_group(action)
            }),
            (In(_), In(actions)) => actions.iter().all(|action| self.is_of(wide, action)),
        }
    }

    fn is_group(&self, action: &EntityUID) -> bool {
        self.entities.iter().any(|e| e.is_descendant_of(action))
    }

    fn wider(&self, wide: &Constraint, narrow: &Constraint) -> bool {
        use EntityReference::EUID;
        let is_in = |uid: &EntityUID, above: &EntityUID| {
            uid == above
                || matches!(self.pdp.entities.entity(uid), Dereference::Data(e) if e.is_descendant_of(above))
        };
        match (wide, narrow) {
            (Constraint::Any, _) => true,
            (Constraint::Eq(EUID(a)), Constraint::Eq(EUID(b))) => a == b,
            (
                Constraint::In(EUID(a)),
                Constraint::Eq(EUID(b)) | Constraint::In(EUID(b)) | Constraint::IsIn(_, EUID(b)),
            ) => is_in(b, a),
            (Constraint::Is(a), Constraint::Is(b) | Constraint::IsIn(b, _)) => a == b,
            (Constraint::Is(a), Constraint::Eq(EUID(b))) => a.as_ref() == b.entity_type(),
            (Constraint::IsIn(a, x), Constraint::IsIn(b, y)) => match (x, y) {
                (EUID(x), EUID(y)) => a == b && is_in(y, x),
                _ => false,
            },
            (Constraint::IsIn(a, EUID(x)), Constraint::Eq(EUID(b))) => {
                a.as_ref() == b.entity_type() && is_in(b, x)
            }
            _ => false,
        }
    }
}

/// Whether everything that satisfies `narrow` satisfies `wide`: either `wide` has no conditions, or all its
/// parts are parts of `narrow`.
fn covers_condition(wide: Option<&Expr>, narrow: Option<&Expr>) -> bool {
    let Some(wide) = wide else { return true };
    let Some(narrow) = narrow else { return false };
    let parts = conjuncts(narrow);
    conjuncts(wide)
        .iter()
        .all(|asked| parts.iter().any(|part| part.eq_shape(asked)))
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr.expr_kind() {
        ExprKind::And { left, right } => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        ExprKind::Lit(ast::Literal::Bool(true)) => Vec::new(),
        _ => vec![expr],
    }
}
