//! Policies that are completely covered by another one.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
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

use super::RequestSpace;
use crate::{
    pdp::{
        Pdp,
        index::{Index, Position},
    },
    policy::{Diagnostic, Level, LoadedPolicy},
};

/// Policies that two of which are compared, at most. A set with more is compared in part, and a note says so.
const MAX_COMPARISONS: u64 = 20_000_000;

/// From this number on, policies that share their rarest part are found by their scopes.
const MANY: usize = 16;

/// The policies of a set by the parts of their conditions and by their scopes, so that those that may cover another
/// policy are found without looking at all of them.
///
/// A policy covers another only if each part of its condition is also a part of the other's. So it is
/// indexed under its rarest part, and looked up by the parts of the other.
pub(super) struct Coverage {
    /// Policies by their rarest part; those without a condition have none.
    by_part: HashMap<Option<u64>, Alike>,
    /// The parts of each policy's condition, by its position.
    parts: Vec<Vec<u64>>,
    compared: Cell<u64>,
}

/// Policies with one rarest part.
struct Alike {
    positions: Vec<Position>,
    /// By scope, if they are many.
    index: Option<Index>,
}

impl Alike {
    fn new(pdp: &Pdp, positions: Vec<Position>) -> Self {
        let policies = positions.iter().filter_map(|position| of(pdp, *position));
        let index = (positions.len() >= MANY)
            .then(|| Index::new(policies.map(|policy| policy.cedar.as_ref())));
        Self { positions, index }
    }

    /// Those whose scope may contain that of `policy`.
    fn wider(&self, pdp: &Pdp, policy: &LoadedPolicy) -> Vec<Position> {
        let Some(index) = &self.index else {
            return self.positions.clone();
        };
        let within = index.wider(policy.cedar.as_ref(), &pdp.entities);
        within
            .into_iter()
            .filter_map(|position| self.positions.get(usize::try_from(position).ok()?))
            .copied()
            .collect()
    }
}

fn of(pdp: &Pdp, position: Position) -> Option<&LoadedPolicy> {
    let policy = pdp.set.ordered.get(usize::try_from(position).ok()?)?;
    Some(policy)
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
        let mut by_part: HashMap<Option<u64>, Vec<Position>> = HashMap::new();
        for (position, parts) in (0..).zip(&parts) {
            let rarest = parts.iter().min_by_key(|part| counts.get(part));
            by_part.entry(rarest.copied()).or_default().push(position);
        }
        let alike = |positions| Alike::new(pdp, positions);
        Self {
            by_part: by_part
                .into_iter()
                .map(|(part, positions)| (part, alike(positions)))
                .collect(),
            parts,
            compared: Cell::new(0),
        }
    }

    /// Positions of the policies that may cover the one at `position`, in ascending order.
    fn candidates(&self, pdp: &Pdp, position: Position) -> Vec<Position> {
        let (Some(policy), Some(parts)) = (of(pdp, position), self.parts_of(position)) else {
            return Vec::new();
        };
        let keys = parts.iter().copied().map(Some).chain([None]);
        let mut found: Vec<Position> = keys
            .filter_map(|key| self.by_part.get(&key))
            .flat_map(|alike| alike.wider(pdp, policy))
            .take_while(|_| self.may_compare())
            .filter(|other| {
                let mut asked = self.parts_of(*other).into_iter().flatten();
                *other != position && asked.all(|part| parts.binary_search(part).is_ok())
            })
            .collect();
        found.sort_unstable();
        found
    }

    fn parts_of(&self, position: Position) -> Option<&Vec<u64>> {
        self.parts.get(usize::try_from(position).ok()?)
    }

    /// Counts a comparison, unless there were too many.
    fn may_compare(&self) -> bool {
        let compared = self.compared.get();
        self.compared.set(compared.saturating_add(1));
        compared < MAX_COMPARISONS
    }

    /// Whether some policies were not compared.
    pub(super) fn is_incomplete(&self) -> bool {
        self.compared.get() > MAX_COMPARISONS
    }
}

/// A policy that covers so many others is reported, and they are not.
const MANY_VICTIMS: usize = 3;

/// The most policies that one diagnostic names.
const MAX_NAMES: usize = 5;

/// Whether it has neither scope nor condition, as in `permit (principal, action, resource);`.
fn is_unrestricted(policy: &LoadedPolicy) -> bool {
    let cedar: &ast::Policy = policy.cedar.as_ref();
    let is_any = |constraint: &Constraint| matches!(constraint, Constraint::Any);
    is_any(cedar.principal_constraint().as_inner())
        && is_any(cedar.resource_constraint().as_inner())
        && matches!(cedar.action_constraint(), ast::ActionConstraint::Any)
        && part_hashes(policy).is_empty()
}

/// About a policy that makes others redundant.
fn culprit(wide: &LoadedPolicy, victims: &[&LoadedPolicy], is_alike: bool) -> Diagnostic {
    let id = &wide.determining.policy.id;
    let does = match wide.effect {
        Effect::Permit => "permits",
        Effect::Forbid => "forbids",
    };
    let all = match is_unrestricted(wide) {
        true => "every request",
        false => "what they are about",
    };
    let named = victims.iter().take(MAX_NAMES);
    let named: Vec<String> = named
        .map(|victim| format!("`{}`", victim.determining.policy.id))
        .collect();
    let mut names = named.join(", ");
    if victims.len() > MAX_NAMES {
        names.push_str(&format!(" and {} more", victims.len() - MAX_NAMES));
    }
    let pointless = match (is_alike, victims.len()) {
        (true, 1) => format!("{names} makes no difference"),
        (true, n) => format!("{n} policies make no difference: {names}"),
        (false, 1) => format!("{names} never permits anything"),
        (false, n) => format!("{n} policies never permit anything: {names}"),
    };
    wide.diagnostic(
        Level::Warning,
        "policy::covers-others",
        format!("policy `{id}` {does} {all}, so {pointless}"),
        match is_unrestricted(wide) {
            true => "narrow its principal, action or resource, or give it a condition",
            false => "narrow it, or remove the others",
        },
    )
}

/// About a policy that `wide` makes redundant.
fn victim(policy: &LoadedPolicy, wide: &LoadedPolicy) -> Diagnostic {
    let (id, by) = (&policy.determining.policy.id, &wide.determining.policy.id);
    let at = format!("{}:{}", wide.file, wide.line);
    let message = if wide.effect == policy.effect {
        format!("policy `{id}` makes no difference: `{by}` at {at} applies wherever it does")
    } else {
        format!("policy `{id}` never permits anything: `{by}` at {at} forbids wherever it applies")
    };
    policy.diagnostic(
        Level::Warning,
        "policy::shadowed",
        message,
        "remove it, or narrow the other one",
    )
}

/// Hashes of the parts of a policy's condition, ascending, each once.
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
    /// Another policy that applies wherever the one at `position` does, and makes it redundant.
    pub(super) fn covered(&self, coverage: &Coverage, position: Position) -> Option<Position> {
        let policy = of(self.pdp, position)?;
        let candidates = coverage.candidates(self.pdp, position).into_iter();
        let mut others =
            candidates.filter_map(|position| Some((position, of(self.pdp, position)?)));
        let (found, other) = others.find(|(_, other)| {
            other.mode == policy.mode
                && (other.effect == policy.effect || other.effect == Effect::Forbid)
                && other.redact.is_empty()
                && policy.redact.is_empty()
                && self.covers(other, policy)
        })?;
        // Of two policies that cover each other, only one is reported.
        let is_mutual = other.effect == policy.effect
            && other.determining.policy.id > policy.determining.policy.id
            && self.covers(policy, other);
        (!is_mutual).then_some(found)
    }

    /// A diagnostic for each policy that covers others: about it, if it covers many or everything, else about those.
    pub(super) fn coverings(&self, covered: &[(Position, Position)]) -> Vec<Diagnostic> {
        type Victims<'p> = Vec<(Position, &'p LoadedPolicy)>;
        let mut by_wide: BTreeMap<(Position, bool), Victims<'_>> = BTreeMap::new();
        for (position, wide) in covered {
            let (Some(narrow), Some(other)) = (of(self.pdp, *position), of(self.pdp, *wide)) else {
                continue;
            };
            let is_alike = narrow.effect == other.effect;
            let victims = by_wide.entry((*wide, is_alike)).or_default();
            victims.push((*position, narrow));
        }
        let mut diagnostics = Vec::new();
        for ((position, is_alike), victims) in by_wide {
            let Some(wide) = of(self.pdp, position) else {
                continue;
            };
            let (alike, victims): (Victims<'_>, Victims<'_>) = victims
                .into_iter()
                .partition(|(_, policy)| is_unrestricted(policy) && is_alike);
            let about = |(position, policy)| (position, victim(policy, wide));
            diagnostics.extend(alike.into_iter().map(about));
            let is_culprit = is_unrestricted(wide) && !victims.is_empty();
            if is_culprit || victims.len() >= MANY_VICTIMS {
                let victims: Vec<&LoadedPolicy> = victims.into_iter().map(|(_, p)| p).collect();
                diagnostics.push((position, culprit(wide, &victims, is_alike)));
            } else {
                diagnostics.extend(victims.into_iter().map(about));
            }
        }
        // In the order of the policies.
        diagnostics.sort_by_key(|(position, _)| *position);
        diagnostics
            .into_iter()
            .map(|(_, diagnostic)| diagnostic)
            .collect()
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

#[cfg(test)]
mod tests;
