//! What a policy is about, by its scope: its actions, with the principals, resources and attributes that they have.

use std::collections::BTreeSet;

use cedar_policy_core::{
    ast::{
        self, ActionConstraint, BinaryOp, EntityReference, EntityType, EntityUID, Expr, ExprKind,
        Literal, PrincipalOrResourceConstraint as Constraint, Var,
    },
    parser::Loc,
    validator::{ValidatorActionId, ValidatorSchema, types::Type},
};
use tollgate_model::entity::NAMESPACE;

use super::nearest;

/// A part of a policy that no request fits.
pub(super) struct Misfit {
    pub(super) loc: Option<Loc>,
    pub(super) message: String,
    pub(super) help: String,
}

/// An attribute for which a policy asks and that no request has.
pub(super) struct UnknownAttribute {
    pub(super) loc: Option<Loc>,
    /// Such as `context.input`.
    pub(super) of: String,
    pub(super) name: String,
    pub(super) near: Option<String>,
    /// The attributes that there are.
    pub(super) names: BTreeSet<String>,
}

/// The actions that a policy is about.
pub(super) struct PolicyScope<'a> {
    pub(super) schema: &'a ValidatorSchema,
    cedar: &'a ast::Policy,
    actions: Vec<&'a ValidatorActionId>,
}

/// The variable of a scope: what it stands for in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Principal,
    Resource,
}

impl<'a> PolicyScope<'a> {
    pub(super) fn new(schema: &'a ValidatorSchema, cedar: &'a ast::Policy) -> Self {
        let of = |uid: &EntityUID| {
            let action = schema.get_action_id(uid);
            let below = action.into_iter().flat_map(|a| a.descendants());
            let below = below.filter_map(|uid| schema.get_action_id(uid));
            action.into_iter().chain(below).collect::<Vec<_>>()
        };
        let mut actions: Vec<&ValidatorActionId> = match cedar.action_constraint() {
            ActionConstraint::Any => schema.action_ids().collect(),
            ActionConstraint::Eq(uid) => schema.get_action_id(uid).into_iter().collect(),
            ActionConstraint::In(uids) => uids.iter().flat_map(|uid| of(uid)).collect(),
        };
        actions.retain(|action| action.applies_to_principals().next().is_some());
        actions.sort_by_key(|action| action.name());
        actions.dedup_by_key(|action| action.name());
        Self {
            schema,
            cedar,
            actions,
        }
    }

    /// How many actions it is about.
    pub(super) fn len(&self) -> usize {
        self.actions.len()
    }

    /// The actions at whose `path` below the context there is an attribute, and those where there is none.
    pub(super) fn with_attribute(&self, path: &[&str]) -> (Vec<&str>, Vec<&str>) {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for action in &self.actions {
            let found = action.context_type().and_then(|ty| at(ty, path));
            let id: &str = action.name().eid().as_ref();
            match found {
                Some(_) => with.push(id),
                None => without.push(id),
            }
        }
        (with, without)
    }

    /// The names of attributes at `path` below the context, of all actions.
    pub(super) fn attributes(&self, path: &[&str]) -> BTreeSet<String> {
        let types = self.actions.iter();
        let types = types.filter_map(|action| at(action.context_type()?, path));
        let mut names = BTreeSet::new();
        for ty in types {
            if let Type::Record { attrs, .. } = ty {
                names.extend(attrs.iter().map(|(name, _)| name.to_string()));
            }
        }
        names
    }

    /// Attributes for which a `has` asks and that no action has.
    pub(super) fn unknown_attributes(&self, condition: &Expr) -> Vec<UnknownAttribute> {
        let mut unknown = Vec::new();
        for part in condition.subexpressions() {
            let (base, name) = match part.expr_kind() {
                ExprKind::HasAttr { expr, attr } => (expr, attr),
                ExprKind::ExtHasAttr { expr, attrs } => (expr, &attrs.head),
                _ => continue,
            };
            let Some(path) = context_path(base) else {
                continue;
            };
            let names = self.attributes(&path);
            if names.is_empty() && !path.is_empty() || names.contains(name.as_str()) {
                continue;
            }
            let mut of = "context".to_owned();
            path.iter().for_each(|segment| {
                of.push('.');
                of.push_str(segment);
            });
            unknown.push(UnknownAttribute {
                loc: part.source_loc().cloned(),
                near: nearest(name, names.iter().map(String::as_str)).map(str::to_owned),
                of,
                name: name.to_string(),
                names,
            });
        }
        unknown
    }

    /// The part of the scope or of a condition that no request fits, if it is one alone.
    pub(super) fn misfit(&self) -> Option<Misfit> {
        let of_scope = self.group_taken_for_an_action();
        let of_scope = of_scope.or_else(|| {
            let principal = self.cedar.principal_constraint();
            self.misfit_of(Part::Principal, principal.as_inner())
        });
        let of_scope = of_scope.or_else(|| {
            let resource = self.cedar.resource_constraint();
            self.misfit_of(Part::Resource, resource.as_inner())
        });
        of_scope.or_else(|| self.misfits_of_condition().into_iter().next())
    }

    /// Parts of the condition that no request fits: they are never so, and under `!` or in `unless` always.
    pub(super) fn misfits_of_condition(&self) -> Vec<Misfit> {
        let condition = self.cedar.non_scope_constraints().into_iter();
        let parts = condition.flat_map(Expr::subexpressions);
        parts.filter_map(|part| self.misfit_in(part)).collect()
    }

    /// Whether the scope names each action that it is about, so that no later tool can be meant.
    pub(super) fn names_its_actions(&self) -> bool {
        match self.cedar.action_constraint() {
            ActionConstraint::Any => false,
            ActionConstraint::Eq(_) => true,
            ActionConstraint::In(uids) => uids.len() == self.actions.len(),
        }
    }

    fn group_taken_for_an_action(&self) -> Option<Misfit> {
        let ActionConstraint::Eq(uid) = self.cedar.action_constraint() else {
            return None;
        };
        let action = self.schema.get_action_id(uid)?;
        let is_group = action.applies_to_principals().next().is_none();
        is_group.then(|| Misfit {
            loc: uid.loc().cloned(),
            message: format!("`{uid}` is a group of actions, so no action is equal to it"),
            help: format!("write `action in {uid}`"),
        })
    }

    fn misfit_of(&self, part: Part, constraint: &Constraint) -> Option<Misfit> {
        use EntityReference::EUID;
        match constraint {
            Constraint::Eq(EUID(uid)) => {
                self.misfit_with(part, uid.entity_type(), Some(uid), false)
            }
            Constraint::In(EUID(uid)) => self.misfit_with(part, uid.entity_type(), Some(uid), true),
            Constraint::Is(ty) | Constraint::IsIn(ty, _) => self.misfit_with(part, ty, None, false),
            _ => None,
        }
    }

    fn misfit_in(&self, expr: &Expr) -> Option<Misfit> {
        let part = |expr: &Expr| match expr.expr_kind() {
            ExprKind::Var(Var::Principal) => Some(Part::Principal),
            ExprKind::Var(Var::Resource) => Some(Part::Resource),
            _ => None,
        };
        let misfit = match expr.expr_kind() {
            ExprKind::Is { expr, entity_type } => {
                self.misfit_with(part(expr)?, entity_type, None, false)
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => {
                let below = *op == BinaryOp::In;
                if !below && *op != BinaryOp::Eq {
                    return None;
                }
                let ExprKind::Lit(Literal::EntityUID(uid)) = arg2.expr_kind() else {
                    return None;
                };
                self.misfit_with(part(arg1)?, uid.entity_type(), Some(uid), below)
            }
            _ => None,
        }?;
        Some(Misfit {
            loc: expr.source_loc().cloned().or(misfit.loc),
            ..misfit
        })
    }

    /// The misfit of a principal or resource of type `ty`, or below an entity of it. Absent if an action has such.
    fn misfit_with(
        &self,
        part: Part,
        ty: &EntityType,
        uid: Option<&EntityUID>,
        below: bool,
    ) -> Option<Misfit> {
        // An unknown type is an error of its own.
        let declared = self.schema.get_entity_type(ty)?;
        let mut possible = BTreeSet::new();
        for action in &self.actions {
            match part {
                Part::Principal => possible.extend(action.applies_to_principals()),
                Part::Resource => possible.extend(action.applies_to_resources()),
            }
        }
        let holds = |other: &&&EntityType| declared.has_descendant_entity_type(other);
        let contained = possible.iter().find(holds).is_some();
        if possible.is_empty() || possible.contains(ty) || below && contained {
            return None;
        }
        let written = uid.map_or_else(|| ty.to_string(), ToString::to_string);
        let (word, about) = match part {
            Part::Principal => ("principal", self.about()),
            Part::Resource => ("resource", self.about()),
        };
        let names: Vec<String> = possible.iter().map(|ty| basename(ty)).collect();
        let kinds = names.join(" or ");
        let kind = basename(ty);
        let help = match (part, kind.as_str()) {
            _ if contained => format!("write `{word} in {written}`"),
            (Part::Principal, "Agent" | "Role" | "User" | "Tenant") if kinds == "Component" => {
                let who = if kind == "User" {
                    "on_behalf_of"
                } else {
                    "agent"
                };
                let how = match (uid, kind.as_str()) {
                    (None, _) => "is",
                    (_, "Agent" | "User") => "==",
                    _ => "in",
                };
                format!(
                    "the principal of {about} is the component; use `context.agent` for the agent and `context.on_behalf_of` \
                     for the user, as in `when {{ context.{who} {how} {written} }}`"
                )
            }
            _ => format!(
                "the {word} of {about} is of type {kinds}: write {NAMESPACE}::{}::\"…\"",
                names.join(" or ")
            ),
        };
        Some(Misfit {
            loc: uid.and_then(|uid| uid.loc().cloned()),
            message: format!("no {word} of {about} is or is in `{written}`"),
            help,
        })
    }

    /// The actions, for a sentence.
    fn about(&self) -> String {
        let named = self.actions.iter().take(2);
        let named: Vec<String> = named
            .map(|action| format!("`{}`", AsRef::<str>::as_ref(action.name().eid())))
            .collect();
        match self.actions.len().saturating_sub(named.len()) {
            0 => named.join(" and "),
            more => format!("{} and {more} more actions", named.join(", ")),
        }
    }
}

fn basename(ty: &EntityType) -> String {
    ty.name().basename().to_string()
}

/// The type at `path` below a record.
fn at<'t>(ty: &'t Type, path: &[&str]) -> Option<&'t Type> {
    path.iter().try_fold(ty, |ty, name| match ty {
        Type::Record { attrs, .. } => attrs.get_attr(name).map(|attribute| &*attribute.attr_type),
        _ => None,
    })
}

/// The attributes from the context to here, if the expression is a chain of them.
fn context_path(expr: &Expr) -> Option<Vec<&str>> {
    match expr.expr_kind() {
        ExprKind::Var(Var::Context) => Some(Vec::new()),
        ExprKind::GetAttr { expr, attr } => {
            let mut path = context_path(expr)?;
            path.push(attr.as_str());
            Some(path)
        }
        _ => None,
    }
}
