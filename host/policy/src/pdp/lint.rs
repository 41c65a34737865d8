//! Policies that make no difference: those that nothing loaded can satisfy, and those that another one
//! covers whole.
//!
//! What nothing can satisfy is found by evaluating each policy for every principal, action and resource
//! that the configuration names, with the context left open. Files, hosts, runs and the like are not
//! named by a configuration: for those, one that is in everything stands.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use cedar_policy::Effect;
use cedar_policy_core::{
    ast::{
        self, EntityReference, EntityType, EntityUID, EntityUIDEntry, Expr, ExprKind, PartialValue,
        PrincipalOrResourceConstraint as Constraint, Request as CedarRequest, Value,
    },
    entities::{Dereference, Entities, TCComputation},
    evaluator::Evaluator,
    extensions::Extensions,
    validator::CoreSchema,
};

use super::Pdp;
use crate::{
    policy::{Diagnostic, Level, LoadedPolicy},
    value,
};
use tollgate_model::entity::{Kind, NAMESPACE, Uid};

/// Requests that are tried for one policy before it is given the benefit of the doubt.
const MAX_TRIED: usize = 20_000;

/// Kinds of entities that a request brings, and the configuration does not name.
const BROUGHT: &[Kind] = &[
    Kind::Approval,
    Kind::Directory,
    Kind::File,
    Kind::Host,
    Kind::Run,
    Kind::State,
];

/// A request with its context left open.
#[derive(Clone)]
struct Scope {
    principal: EntityUID,
    action: EntityUID,
    resource: EntityUID,
}

/// Everything that could ask for anything.
struct Everything<'a> {
    pdp: &'a Pdp,
    /// As configured, and with one of each kind that requests bring.
    entities: Entities,
    /// The same with every tool and secret in every label.
    labelled: Entities,
    by_type: BTreeMap<EntityType, Vec<EntityUID>>,
}

impl Pdp {
    /// Policies that make no difference.
    #[must_use]
    pub fn lint(&self) -> Vec<Diagnostic> {
        let Some(everything) = Everything::new(self) else {
            return Vec::new();
        };
        let mut said = Vec::new();
        for policy in &self.set.ordered {
            match everything.satisfying(policy, &everything.entities) {
                Tried::Found(scope) => said.extend(everything.covered(policy, &scope)),
                Tried::TooMany => {}
                // What it names in vain was said when it was loaded.
                Tried::None if self.said_of(policy) => {}
                Tried::None => said.push(everything.dead(policy)),
            }
        }
        said
    }

    /// Whether loading found why nothing can satisfy the policy.
    fn said_of(&self, policy: &LoadedPolicy) -> bool {
        let within = policy.offset..policy.offset + policy.length;
        self.warnings.iter().any(|warning| {
            warning.file == policy.file
                && within.contains(&warning.offset)
                && matches!(
                    warning.code,
                    "policy::unknown-entity" | "policy::suspicious"
                )
        })
    }
}

enum Tried {
    /// This one may satisfy it.
    Found(Box<Scope>),
    /// Nothing can.
    None,
    /// Nobody knows.
    TooMany,
}

impl<'a> Everything<'a> {
    fn new(pdp: &'a Pdp) -> Option<Self> {
        let labels: HashSet<EntityUID> = pdp
            .known
            .keys()
            .filter(|uid| uid.kind == Kind::Label)
            .filter_map(value::entity)
            .collect();
        // Whatever a request brings could be in anything that a policy names.
        let mut above = labels.clone();
        for policy in &pdp.set.ordered {
            let cedar: &ast::Policy = policy.cedar.as_ref();
            above.extend(named(cedar));
        }
        let own: HashSet<EntityUID> = BROUGHT
            .iter()
            .filter_map(|kind| value::entity(&Uid::new(*kind, "*")))
            .collect();
        let brought = own.iter().map(|uid| {
            Arc::new(ast::Entity::new_with_attr_partial_value(
                uid.clone(),
                [],
                above.clone(),
                HashSet::new(),
                [],
            ))
        });
        let entities = add(&pdp.entities, brought)?;
        let relabelled = pdp.known.keys().filter_map(|uid| {
            if !matches!(uid.kind, Kind::Tool | Kind::Secret) {
                return None;
            }
            let uid = value::entity(uid)?;
            let Dereference::Data(entity) = pdp.entities.entity(&uid) else {
                return None;
            };
            let mut entity = entity.clone();
            labels
                .iter()
                .for_each(|label| entity.add_indirect_ancestor(label.clone()));
            Some(Arc::new(entity))
        });
        let labelled = add(&entities, relabelled)?;
        let mut by_type: BTreeMap<EntityType, Vec<EntityUID>> = BTreeMap::new();
        for entity in entities.iter() {
            let uid = entity.uid().clone();
            by_type
                .entry(uid.entity_type().clone())
                .or_default()
                .push(uid);
        }
        Some(Self {
            pdp,
            entities,
            labelled,
            by_type,
        })
    }

    /// A request that may satisfy the policy, among all that there are.
    fn satisfying(&self, policy: &LoadedPolicy, entities: &Entities) -> Tried {
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let scope = |constraint: &Constraint, uid: &EntityUID| within(constraint, uid, entities);
        let mut tried = 0;
        for action in self.pdp.actions.values() {
            if !self.is_of(cedar.action_constraint(), action) {
                continue;
            }
            let Some(types) = self.pdp.schema.as_ref().get_action_id(action) else {
                continue;
            };
            for resource in types
                .applies_to_resources()
                .filter_map(|ty| self.by_type.get(ty))
                .flatten()
            {
                // A call's resource is the tool that its action is named for.
                let other = self.pdp.tools.contains_key(action.eid().as_ref() as &str)
                    && resource.eid() != action.eid();
                if other || !scope(cedar.resource_constraint().as_inner(), resource) {
                    continue;
                }
                for principal in types
                    .applies_to_principals()
                    .filter_map(|ty| self.by_type.get(ty))
                    .flatten()
                {
                    if !scope(cedar.principal_constraint().as_inner(), principal) {
                        continue;
                    }
                    tried += 1;
                    if tried > MAX_TRIED {
                        return Tried::TooMany;
                    }
                    let scope = Scope {
                        principal: principal.clone(),
                        action: action.as_ref().clone(),
                        resource: resource.clone(),
                    };
                    if may_satisfy(policy, &scope, entities) {
                        return Tried::Found(Box::new(scope));
                    }
                }
            }
        }
        Tried::None
    }

    /// What every request would have to name that the policy's scope is open to, and of which there is
    /// none at all.
    fn kind_that_is_missing(&self, policy: &LoadedPolicy) -> Option<String> {
        let cedar: &ast::Policy = policy.cedar.as_ref();
        // Naming somebody who is not there is a mistake, and no matter of kinds.
        let is_open =
            |constraint: &Constraint| matches!(constraint, Constraint::Any | Constraint::Is(_));
        if !is_open(cedar.principal_constraint().as_inner())
            || !is_open(cedar.resource_constraint().as_inner())
        {
            return None;
        }
        let mut missing = None;
        for action in self.pdp.actions.values() {
            if !self.is_of(cedar.action_constraint(), action) {
                continue;
            }
            let types = self.pdp.schema.as_ref().get_action_id(action)?;
            let absent = |types: &mut dyn Iterator<Item = &EntityType>| {
                let mut last = None;
                for ty in types {
                    if self.by_type.contains_key(ty) {
                        return None;
                    }
                    last = Some(ty.name().basename().to_string().to_lowercase());
                }
                last
            };
            let kind = absent(&mut types.applies_to_principals())
                .or_else(|| absent(&mut types.applies_to_resources()))?;
            missing = Some(kind);
        }
        missing
    }

    fn is_of(&self, constraint: &ast::ActionConstraint, action: &EntityUID) -> bool {
        let is_in = |above: &EntityUID| {
            above == action
                || matches!(self.entities.entity(action), Dereference::Data(a) if a.is_descendant_of(above))
        };
        match constraint {
            ast::ActionConstraint::Any => true,
            ast::ActionConstraint::Eq(uid) => uid.as_ref() == action,
            ast::ActionConstraint::In(uids) => uids.iter().any(|uid| is_in(uid)),
        }
    }

    fn dead(&self, policy: &LoadedPolicy) -> Diagnostic {
        let id = &policy.determining.policy.id;
        if let Some(kind) = self.kind_that_is_missing(policy) {
            return policy.diagnostic(
                Level::Note,
                "policy::idle",
                format!("policy `{id}` applies to nothing yet: no {kind} is loaded"),
                "nothing to do, if it is meant for what is to come",
            );
        }
        if let Tried::None = self.satisfying(policy, &self.labelled) {
            return policy.diagnostic(
                Level::Warning,
                "policy::dead",
                format!(
                    "policy `{id}` can never apply: no agent, user, component, tool or secret that is loaded fits \
                     its scope and condition"
                ),
                "compare its principal, action and resource with `tollgate tools list` and tollgate.toml, or remove it",
            );
        }
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let labels: BTreeSet<String> = named(cedar)
            .filter(|uid| uid.entity_type().to_string() == format!("{NAMESPACE}::Label"))
            .map(|uid| AsRef::<str>::as_ref(uid.eid()).to_owned())
            .collect();
        let labels: Vec<String> = labels.into_iter().collect();
        policy.diagnostic(
            Level::Note,
            "policy::idle",
            format!(
                "policy `{id}` applies to nothing yet: nothing that is loaded has a label that it asks for ({})",
                labels.join(", ")
            ),
            "nothing to do, if it is meant for tools to come",
        )
    }

    /// Another policy that applies wherever this one does, and makes it pointless.
    fn covered(&self, policy: &LoadedPolicy, scope: &Scope) -> Option<Diagnostic> {
        // Whatever applies wherever this one does applies here, too.
        let candidates = self.pdp.set.index.candidates(
            &scope.principal,
            &scope.action,
            &scope.resource,
            &self.entities,
        );
        let candidates = candidates
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
        // Two that cover each other are told once.
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
                // A group covers its members, and one action no group.
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

fn add(entities: &Entities, these: impl IntoIterator<Item = Arc<ast::Entity>>) -> Option<Entities> {
    entities
        .clone()
        .upsert_entities(
            these,
            None::<&CoreSchema<'_>>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::all_available(),
        )
        .ok()
}

/// Entities that a policy names.
fn named(policy: &ast::Policy) -> impl Iterator<Item = EntityUID> {
    let condition = policy.condition();
    let named: Vec<EntityUID> = condition
        .subexpressions()
        .filter_map(|e| match e.expr_kind() {
            ExprKind::Lit(ast::Literal::EntityUID(uid)) => Some(uid.as_ref().clone()),
            _ => None,
        })
        .collect();
    named.into_iter()
}

fn within(constraint: &Constraint, uid: &EntityUID, entities: &Entities) -> bool {
    use EntityReference::EUID;
    let is_in = |above: &EntityUID| {
        uid == above
            || matches!(entities.entity(uid), Dereference::Data(e) if e.is_descendant_of(above))
    };
    // One of those that requests bring stands for every other of its kind.
    let stands_for =
        |other: &EntityUID| is_brought(uid) && other.entity_type() == uid.entity_type();
    match constraint {
        Constraint::Any => true,
        Constraint::Is(ty) => ty.as_ref() == uid.entity_type(),
        Constraint::Eq(EUID(other)) => other.as_ref() == uid || stands_for(other),
        Constraint::In(EUID(above)) => is_in(above) || stands_for(above),
        Constraint::IsIn(ty, EUID(above)) => {
            ty.as_ref() == uid.entity_type() && (is_in(above) || stands_for(above))
        }
        _ => true,
    }
}

fn is_brought(uid: &EntityUID) -> bool {
    AsRef::<str>::as_ref(uid.eid()) == "*"
        && BROUGHT
            .iter()
            .any(|kind| crate::uid::entity_type(*kind).as_ref() == Some(uid.entity_type()))
}

/// Whether some context may satisfy the policy's condition.
fn may_satisfy(policy: &LoadedPolicy, scope: &Scope, entities: &Entities) -> bool {
    let cedar: &ast::Policy = policy.cedar.as_ref();
    let Some(condition) = cedar.non_scope_constraints() else {
        return true;
    };
    // What is said of one that requests bring says nothing of the others.
    if is_brought(&scope.resource) {
        return true;
    }
    let entry = |uid: &EntityUID| EntityUIDEntry::Known {
        euid: Arc::new(uid.clone()),
        loc: None,
    };
    let request = CedarRequest::new_unchecked(
        entry(&scope.principal),
        entry(&scope.action),
        entry(&scope.resource),
        None,
    );
    let evaluator = Evaluator::new(request, entities, Extensions::all_available());
    match evaluator.partial_interpret(condition, cedar.env()) {
        Ok(PartialValue::Value(value)) => value != Value::from(false),
        Ok(PartialValue::Residual(_)) => true,
        // That it errs is another matter.
        Err(_) => true,
    }
}

/// Whether whatever satisfies `narrow` satisfies `wide`: because `wide` asks for nothing, or for parts
/// of what `narrow` asks for.
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
