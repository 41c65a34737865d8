//! Policies that make no difference: those that nothing that is loaded can satisfy, and those that another
//! one covers. And redactions that no call can satisfy, and rules that do not hold where a history fact is
//! unknown, or in a new run.
//!
//! To find the first kind, each policy is evaluated for every principal, action and resource of the
//! configuration, with an unknown context. A configuration does not name files, hosts, runs and the like:
//! one placeholder represents each of these kinds. `Resource::"<server>/"` represents the resources of a server.

mod covered;
mod dead;
mod new_run;
mod redaction;
mod unknown_fact;

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use cedar_policy_core::{
    ast::{
        self, EntityReference, EntityType, EntityUID, EntityUIDEntry, ExprKind, PartialValue,
        PrincipalOrResourceConstraint as Constraint, Request as CedarRequest, Value,
    },
    entities::{Dereference, Entities, TCComputation},
    evaluator::Evaluator,
    extensions::Extensions,
    validator::CoreSchema,
};
use tollgate_model::entity::{Kind, Uid};

use super::Pdp;
use crate::{
    cedar_uid, cedar_value,
    policy::{Diagnostic, Level, LoadedPolicy},
};
use covered::Coverage;

/// Requests that are tried for one policy. If there are more, it is assumed to apply.
const MAX_REQUESTS: usize = 20_000;

/// Requests that are tried for all policies together.
const MAX_REQUESTS_OF_ALL: u64 = 5_000_000;

/// Kinds of entities that come with a request, not from the configuration.
const REQUEST_KINDS: &[Kind] = &[
    Kind::Approval,
    Kind::ConfigEntry,
    Kind::Directory,
    Kind::File,
    Kind::Host,
    Kind::Run,
    Kind::State,
];

/// A request with an unknown context.
struct Scope {
    principal: EntityUID,
    action: EntityUID,
    resource: EntityUID,
}

/// Every principal, action and resource that a request can combine.
struct RequestSpace<'a> {
    pdp: &'a Pdp,
    /// As configured, with one placeholder for each kind that comes with requests.
    entities: Entities,
    /// The same with every tool and secret in every label.
    labelled: Entities,
    by_type: BTreeMap<EntityType, Vec<EntityUID>>,
    /// Requests that were tried.
    tried: Cell<u64>,
}

impl Pdp {
    /// Policies that make no difference, or do not hold where a fact is unknown or in a new run.
    #[must_use]
    pub fn lint(&self) -> Vec<Diagnostic> {
        self.lint_with(&|_| {})
    }

    /// Like [`Pdp::lint`]; `checked` is called with the number of policies that are done, after each.
    #[must_use]
    pub fn lint_with(&self, checked: &dyn Fn(usize)) -> Vec<Diagnostic> {
        let Some(space) = RequestSpace::new(self) else {
            return Vec::new();
        };
        let coverage = Coverage::new(self);
        let mut diagnostics = self.unknown_facts();
        diagnostics.extend(self.forgotten_in_new_runs());
        let reported = self.reported();
        let mut covered = Vec::new();
        for (position, policy) in (0..).zip(&self.set.ordered) {
            diagnostics.extend(space.useless_pointers(policy));
            match space.satisfiability(policy, &space.entities) {
                Satisfiability::Satisfiable => {
                    let by = space.covered(&coverage, position);
                    covered.extend(by.map(|by| (position, by)));
                }
                Satisfiability::Unknown => {}
                // Loading has already reported the unknown name.
                Satisfiability::Unsatisfiable if is_reported(&reported, policy) => {}
                Satisfiability::Unsatisfiable => diagnostics.push(space.dead(policy)),
            }
            checked(
                usize::try_from(position)
                    .unwrap_or(usize::MAX)
                    .saturating_add(1),
            );
        }
        diagnostics.extend(space.coverings(&covered));
        let is_incomplete = coverage.is_incomplete() || space.tried.get() > MAX_REQUESTS_OF_ALL;
        if let (true, Some(first)) = (is_incomplete, self.set.ordered.first()) {
            diagnostics.push(first.diagnostic(
                Level::Note,
                "policy::not-compared",
                "there are too many policies alike to compare each with all others: some that make no difference or never \
                 apply may not be reported"
                    .into(),
                "nothing to do; check parts of the set by themselves with `tollgate policy check DIR`",
            ));
        }
        diagnostics
    }

    /// Where loading already found why nothing can satisfy a policy: offsets by file, ascending.
    fn reported(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut reported: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for warning in &self.warnings {
            if REPORTS.contains(&warning.code) {
                let of_file = reported.entry(&warning.file).or_default();
                of_file.push(warning.offset);
            }
        }
        reported
            .values_mut()
            .for_each(|offsets| offsets.sort_unstable());
        reported
    }
}

/// Diagnostics of loading that say why a policy can never apply.
const REPORTS: &[&str] = &[
    "policy::unknown-entity",
    "policy::unknown-value",
    "policy::unknown-attribute",
    "policy::suspicious",
];

fn is_reported(reported: &BTreeMap<&str, Vec<usize>>, policy: &LoadedPolicy) -> bool {
    let Some(offsets) = reported.get(policy.file.as_str()) else {
        return false;
    };
    let first = offsets.partition_point(|offset| *offset < policy.offset);
    offsets
        .get(first)
        .is_some_and(|offset| *offset < policy.offset + policy.length)
}

/// What is known about one policy.
enum Satisfiability {
    /// A request may satisfy it.
    Satisfiable,
    /// No request can.
    Unsatisfiable,
    /// There were too many requests to try.
    Unknown,
}

impl<'a> RequestSpace<'a> {
    fn new(pdp: &'a Pdp) -> Option<Self> {
        let labels: HashSet<EntityUID> = pdp
            .known
            .keys()
            .filter(|uid| uid.kind == Kind::Label)
            .filter_map(cedar_value::entity)
            .collect();
        // An entity that comes with a request could be in anything that a policy names.
        let mut above = labels.clone();
        for policy in &pdp.set.ordered {
            let cedar: &ast::Policy = policy.cedar.as_ref();
            above.extend(named_entities(cedar));
        }
        let own: HashSet<EntityUID> = REQUEST_KINDS
            .iter()
            .filter_map(|kind| cedar_value::entity(&Uid::new(*kind, "*")))
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
            if !matches!(
                uid.kind,
                Kind::Tool | Kind::Prompt | Kind::Resource | Kind::Secret
            ) {
                return None;
            }
            let uid = cedar_value::entity(uid)?;
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
            tried: Cell::new(0),
        })
    }

    /// A request that may satisfy the policy, among all possible ones.
    fn satisfiability(&self, policy: &LoadedPolicy, entities: &Entities) -> Satisfiability {
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
            let (resources, principals) =
                (cedar.resource_constraint(), cedar.principal_constraint());
            for resource in types
                .applies_to_resources()
                .flat_map(|ty| self.possible(resources.as_inner(), ty))
            {
                // The resource of a call is the tool that its action is named for.
                let other = self.pdp.tools.contains_key(action.eid().as_ref() as &str)
                    && resource.eid() != action.eid();
                if other || !scope(cedar.resource_constraint().as_inner(), resource) {
                    continue;
                }
                for principal in types
                    .applies_to_principals()
                    .flat_map(|ty| self.possible(principals.as_inner(), ty))
                {
                    if !scope(cedar.principal_constraint().as_inner(), principal) {
                        continue;
                    }
                    tried += 1;
                    self.tried.set(self.tried.get().saturating_add(1));
                    if tried > MAX_REQUESTS || self.tried.get() > MAX_REQUESTS_OF_ALL {
                        return Satisfiability::Unknown;
                    }
                    let scope = Scope {
                        principal: principal.clone(),
                        action: action.as_ref().clone(),
                        resource: resource.clone(),
                    };
                    if may_satisfy(policy, &scope, entities) {
                        return Satisfiability::Satisfiable;
                    }
                }
            }
        }
        Satisfiability::Unsatisfiable
    }

    /// Entities of a type that a scope may contain: an entity that it names, or else all.
    fn possible<'s>(&'s self, constraint: &'s Constraint, ty: &EntityType) -> &'s [EntityUID] {
        let named = match constraint {
            Constraint::Eq(EntityReference::EUID(uid)) if uid.entity_type() == ty => {
                Some(uid.as_ref())
            }
            _ => None,
        };
        let known = named.filter(|uid| matches!(self.entities.entity(uid), Dereference::Data(_)));
        match known {
            Some(uid) => std::slice::from_ref(uid),
            None => self.by_type.get(ty).map(Vec::as_slice).unwrap_or_default(),
        }
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
fn named_entities(policy: &ast::Policy) -> impl Iterator<Item = EntityUID> {
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
    // One placeholder represents every entity of its kind, or every resource of its server.
    let represents = |other: &EntityUID| {
        is_placeholder(uid)
            && other.entity_type() == uid.entity_type()
            && (is_wildcard(uid)
                || AsRef::<str>::as_ref(other.eid()).starts_with(AsRef::<str>::as_ref(uid.eid())))
    };
    match constraint {
        Constraint::Any => true,
        Constraint::Is(ty) => ty.as_ref() == uid.entity_type(),
        Constraint::Eq(EUID(other)) => other.as_ref() == uid || represents(other),
        Constraint::In(EUID(above)) => is_in(above) || represents(above),
        Constraint::IsIn(ty, EUID(above)) => {
            ty.as_ref() == uid.entity_type() && (is_in(above) || represents(above))
        }
        _ => true,
    }
}

fn is_placeholder(uid: &EntityUID) -> bool {
    let is_server = cedar_uid::entity_type(Kind::Resource).as_ref() == Some(uid.entity_type());
    is_wildcard(uid) || is_server && AsRef::<str>::as_ref(uid.eid()).ends_with('/')
}

/// Whether it represents every entity of its kind.
fn is_wildcard(uid: &EntityUID) -> bool {
    AsRef::<str>::as_ref(uid.eid()) == "*"
        && REQUEST_KINDS
            .iter()
            .any(|kind| cedar_uid::entity_type(*kind).as_ref() == Some(uid.entity_type()))
}

/// Whether some context may satisfy the policy's condition.
fn may_satisfy(policy: &LoadedPolicy, scope: &Scope, entities: &Entities) -> bool {
    let cedar: &ast::Policy = policy.cedar.as_ref();
    let Some(condition) = cedar.non_scope_constraints() else {
        return true;
    };
    // A result for a placeholder does not hold for other entities of its kind.
    if is_placeholder(&scope.resource) {
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
        // Errors are reported elsewhere.
        Err(_) => true,
    }
}
