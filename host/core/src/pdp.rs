//! The policy decision point: `decide(request, facts)`, pure, total and synchronous.
//!
//! Cedar's semantics are untouched. What is added fails closed: a request that does not validate, an
//! entity that is not known, an evaluation error in any policy are the outcome *error*, which denies.

mod cedar;
mod trial;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{
    ActionConstraint, Entities, Entity as CedarEntity, EntityUid, PolicySet, Schema,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    canonical::{self, Sha256Digest},
    decision::{Basis, Decision, DecisionError, Determining, Outcome, ShadowFlip},
    entity::{Entity, Kind, NAMESPACE, Uid},
    input::{NumberMapping, ToolInput},
    policy::{self, Diagnostic, LoadedPolicies, LoadedPolicy, Mode, PolicyFile},
    request::{Action, ActionContext, Facts, Request},
    schema,
};

/// Everything that a decision depends on besides the request and its facts. Its digest names it in
/// every decision, and it is stored, so that a decision can be taken again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// Cedar's version, such as `4.14.0`.
    pub cedar: String,
    /// Entities that the configuration names, with what they are in.
    pub entities: Vec<Entity>,
    /// Policy sources.
    pub policies: Vec<PolicyFile>,
    /// The fixed schema.
    pub schema: String,
    /// Loaded tools, by the name that agents see.
    pub tools: BTreeMap<String, ToolTypes>,
}

/// What types a tool's arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolTypes {
    /// The tool's JSON Schema.
    pub input_schema: Value,
    /// Numbers that are no decimals, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, NumberMapping>,
}

impl Bundle {
    /// A bundle for this build's Cedar and fixed schema.
    #[must_use]
    pub fn new(
        entities: Vec<Entity>,
        policies: Vec<PolicyFile>,
        tools: BTreeMap<String, ToolTypes>,
    ) -> Self {
        Self {
            cedar: cedar_policy::get_sdk_version().to_string(),
            entities,
            policies,
            schema: schema::FIXED.into(),
            tools,
        }
    }

    /// Its canonical JSON and the SHA-256 of that.
    ///
    /// # Errors
    /// [`LoadError::Bundle`] if it cannot be written as JSON.
    pub fn seal(&self) -> Result<(Vec<u8>, Sha256Digest), LoadError> {
        let bytes = canonical::to_canonical(self).map_err(|e| LoadError::Bundle(e.to_string()))?;
        let digest = Sha256Digest::of(&bytes);
        Ok((bytes, digest))
    }
}

/// Why a policy set does not load.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Policies that are wrong; errors first, each with its place.
    #[error("{}", first_of(.0))]
    Policies(Vec<Diagnostic>),
    /// A tool's arguments cannot be typed.
    #[error("tool `{tool}`: {error}")]
    Tool {
        /// Its name.
        tool: String,
        /// Why not.
        error: crate::input::InputError,
    },
    /// The schema does not build.
    #[error(transparent)]
    Schema(#[from] schema::SchemaBuildError),
    /// The entities are inconsistent.
    #[error("the configured entities are inconsistent: {0}")]
    Entities(String),
    /// The bundle belongs to another version of Cedar, in which the same policies may mean something
    /// else.
    #[error("this bundle was made for Cedar {0}, and this is Cedar {version}", version = cedar_policy::get_sdk_version())]
    Engine(String),
    /// The bundle cannot be written.
    #[error("the bundle cannot be written as JSON: {0}")]
    Bundle(String),
}

fn first_of(diagnostics: &[Diagnostic]) -> String {
    let rest = diagnostics
        .iter()
        .filter(|d| d.level == policy::Level::Error)
        .count()
        .saturating_sub(1);
    let first = diagnostics
        .first()
        .map_or_else(String::new, ToString::to_string);
    if rest == 0 {
        first
    } else {
        format!("{first}, and {rest} more errors")
    }
}

/// A policy decision point for one bundle.
#[derive(Debug)]
pub struct Pdp {
    digest: Sha256Digest,
    schema: Schema,
    policies: BTreeMap<String, LoadedPolicy>,
    warnings: Vec<Diagnostic>,
    /// By action id: only the policies whose action constraint can match.
    slices: HashMap<String, Slice>,
    actions: HashMap<String, EntityUid>,
    tools: BTreeMap<String, ToolInput>,
    entities: Entities,
    /// Entities of the configuration, with all their ancestors.
    known: BTreeSet<Uid>,
}

#[derive(Debug, Default)]
struct Slice {
    enforced: View,
    /// Enforced and shadow; absent where there is no shadow policy.
    with_shadow: Option<View>,
}

/// Policies that are evaluated together, and what they ask of an approval.
#[derive(Debug, Default)]
struct View {
    set: PolicySet,
    /// Without the policies that only redact; absent where there is none.
    unredacted: Option<PolicySet>,
    roles: BTreeSet<String>,
    counts: BTreeSet<u64>,
}

impl View {
    fn of<'a>(policies: impl Iterator<Item = &'a LoadedPolicy> + Clone) -> Result<Self, LoadError> {
        let set = |policies: &mut dyn Iterator<Item = &'a LoadedPolicy>| {
            PolicySet::from_policies(policies.map(|p| p.cedar.clone()))
                .map_err(|e| LoadError::Bundle(e.to_string()))
        };
        let redacts = |p: &&LoadedPolicy| !p.redact.is_empty();
        let unredacted = match policies.clone().any(|p| redacts(&p)) {
            true => Some(set(&mut policies.clone().filter(|p| !redacts(p)))?),
            false => None,
        };
        Ok(Self {
            set: set(&mut policies.clone())?,
            unredacted,
            roles: policies
                .clone()
                .flat_map(|p| p.approval.roles.iter().cloned())
                .collect(),
            counts: policies
                .flat_map(|p| p.approval.counts.iter().copied())
                .collect(),
        })
    }

    fn reads_approval(&self) -> bool {
        !self.roles.is_empty() || !self.counts.is_empty()
    }
}

/// A failure to build the Cedar request.
type Unfit = DecisionError;

fn unfit(message: impl Into<String>) -> Unfit {
    DecisionError {
        message: message.into(),
        policy: None,
    }
}

/// What the outcome *error* rests on.
type Undecided = Box<Basis>;

/// What one evaluation of one policy set found.
struct Evaluation {
    allowed: bool,
    reasons: BTreeSet<String>,
    errors: Vec<DecisionError>,
}

impl Pdp {
    /// Load a bundle: build the schema, parse and validate every policy.
    ///
    /// # Errors
    /// [`LoadError`]; a bundle loads whole or not at all.
    pub fn load(bundle: &Bundle) -> Result<Self, LoadError> {
        let (_, digest) = bundle.seal()?;
        if bundle.cedar != cedar_policy::get_sdk_version().to_string() {
            return Err(LoadError::Engine(bundle.cedar.clone()));
        }
        let mut tools = BTreeMap::new();
        for (name, types) in &bundle.tools {
            let input = ToolInput::from_json_schema(name, &types.input_schema, &types.numbers)
                .map_err(|error| LoadError::Tool {
                    tool: name.clone(),
                    error,
                })?;
            tools.insert(name.clone(), input);
        }
        let schema = schema::build(&bundle.schema, &tools)?;
        let known: BTreeSet<Uid> = bundle.entities.iter().map(|e| e.uid.clone()).collect();
        for entity in &bundle.entities {
            if let Some(parent) = entity.parents.iter().find(|p| !known.contains(p)) {
                return Err(LoadError::Entities(format!(
                    "{} is in {parent}, which does not exist",
                    entity.uid
                )));
            }
        }
        let cedar: Option<Vec<CedarEntity>> = bundle.entities.iter().map(to_cedar).collect();
        let cedar =
            cedar.ok_or_else(|| LoadError::Entities("an entity type has no name".into()))?;
        let entities = Entities::from_entities(cedar, Some(&schema))
            .map_err(|e| LoadError::Entities(e.to_string()))?;
        let LoadedPolicies { policies, warnings } =
            policy::load(&bundle.policies, &schema, &known).map_err(LoadError::Policies)?;
        let mut pdp = Self {
            digest,
            actions: schema
                .actions()
                .map(|a| (a.id().unescaped().to_owned(), a.clone()))
                .collect(),
            schema,
            policies,
            warnings,
            slices: HashMap::new(),
            tools,
            entities,
            known,
        };
        pdp.slices = pdp.slice()?;
        Ok(pdp)
    }

    /// The bundle's digest.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The policies, by id.
    #[must_use]
    pub fn policies(&self) -> &BTreeMap<String, LoadedPolicy> {
        &self.policies
    }

    /// What deserves a look although the set loaded.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The typed arguments of a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ToolInput> {
        self.tools.get(name)
    }

    /// Policies by action. Sound: a policy whose action constraint cannot match is neither satisfied
    /// nor in error.
    fn slice(&self) -> Result<HashMap<String, Slice>, LoadError> {
        let groups: HashMap<EntityUid, BTreeSet<EntityUid>> = self
            .actions
            .values()
            .map(|action| {
                let ancestors = self
                    .entities
                    .ancestors(action)
                    .into_iter()
                    .flatten()
                    .cloned();
                (action.clone(), ancestors.chain([action.clone()]).collect())
            })
            .collect();
        let mut slices = HashMap::new();
        for (id, action) in &self.actions {
            let within = groups.get(action).cloned().unwrap_or_default();
            let applies = |policy: &&LoadedPolicy| match policy.cedar.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(uid) => uid == *action,
                ActionConstraint::In(uids) => uids.iter().any(|uid| within.contains(uid)),
            };
            let all: Vec<&LoadedPolicy> = self.policies.values().filter(applies).collect();
            let enforced = all.iter().copied().filter(|p| p.mode == Mode::Enforce);
            let shadow = all.iter().any(|p| p.mode == Mode::Shadow);
            let slice = Slice {
                enforced: View::of(enforced)?,
                with_shadow: match shadow {
                    true => Some(View::of(all.iter().copied())?),
                    false => None,
                },
            };
            slices.insert(id.clone(), slice);
        }
        Ok(slices)
    }

    /// Decide. The same arguments always give the same answer.
    #[must_use]
    pub fn decide(&self, request: &Request, facts: &Facts) -> Decision {
        let empty = Slice::default();
        let slice = self.slices.get(request.action.id()).unwrap_or(&empty);
        let entities = match self.entities_for(request, facts) {
            Ok(entities) => entities,
            Err(error) => return Decision::Error(self.basis(Vec::new(), vec![error])),
        };
        let plain = match self.cedar_request(request, facts, None) {
            Ok(plain) => plain,
            Err(error) => return Decision::Error(self.basis(Vec::new(), vec![error])),
        };
        let trial = trial::Trial {
            pdp: self,
            view: &slice.enforced,
            request,
            facts,
            entities: &entities,
            plain: &plain,
        };
        let mut decision = trial.decide();
        if let Some(view) = &slice.with_shadow {
            let shadow = trial::Trial { view, ..trial }.decide();
            if shadow.outcome() != decision.outcome() {
                let flip = ShadowFlip {
                    outcome: shadow.outcome(),
                    policies: shadow.basis().ids().map(str::to_owned).collect(),
                };
                match &mut decision {
                    Decision::Allow(b)
                    | Decision::Deny(b)
                    | Decision::Escalate(b, _)
                    | Decision::Error(b) => {
                        b.shadow = Some(flip);
                    }
                }
            }
        }
        decision
    }

    fn basis(&self, determining: Vec<Determining>, errors: Vec<DecisionError>) -> Basis {
        Basis {
            bundle: self.digest,
            determining,
            errors,
            no_policies: self.policies.is_empty(),
            redact: BTreeSet::new(),
            shadow: None,
        }
    }

    fn determining(&self, ids: &BTreeSet<String>) -> Vec<Determining> {
        ids.iter()
            .filter_map(|id| self.policies.get(id))
            .map(|p| p.determining.clone())
            .collect()
    }

    /// The entities that Cedar sees, or the first one that the request names and nobody knows: in
    /// Cedar an unknown entity makes `in` quietly false.
    fn entities_for<'a>(
        &'a self,
        request: &Request,
        facts: &Facts,
    ) -> Result<std::borrow::Cow<'a, Entities>, Unfit> {
        let known =
            |uid: &Uid| self.known.contains(uid) || facts.entities.iter().any(|e| e.uid == *uid);
        let mut named: Vec<Uid> = vec![request.principal.clone(), request.resource.clone()];
        match &request.context {
            ActionContext::Call { on_behalf_of, .. }
            | ActionContext::Result { on_behalf_of, .. } => {
                named.push(on_behalf_of.clone());
            }
            ActionContext::Capability {
                on_behalf_of,
                agent,
                tool,
                ..
            } => {
                named.extend([on_behalf_of.clone(), agent.clone(), tool.clone()]);
            }
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
            } => {
                named.extend([tool.clone(), on_behalf_of.clone(), operator.clone()]);
                named.extend(roles.iter().map(|r| Uid::new(Kind::Role, r)));
            }
            ActionContext::Operator => {}
        }
        named.extend(facts.run.labels.iter().map(|l| Uid::new(Kind::Label, l)));
        named.extend(facts.run.tools.iter().map(|t| Uid::new(Kind::Tool, t)));
        named.extend(
            facts
                .entities
                .iter()
                .flat_map(|e| e.parents.iter().cloned()),
        );
        if let Some(granted) = &facts.approval {
            named.extend(granted.roles.iter().map(|r| Uid::new(Kind::Role, r)));
        }
        if let Some(unknown) = named.iter().find(|uid| !known(uid)) {
            return Err(unfit(format!("{unknown} is not known to this gate")));
        }
        let added: Vec<&Entity> = facts
            .entities
            .iter()
            .filter(|e| !self.known.contains(&e.uid))
            .collect();
        if added.is_empty() {
            return Ok(std::borrow::Cow::Borrowed(&self.entities));
        }
        let added: Option<Vec<CedarEntity>> = added.into_iter().map(to_cedar).collect();
        let added = added.ok_or_else(|| unfit("an entity type has no name"))?;
        let entities = self
            .entities
            .clone()
            .add_entities(added, Some(&self.schema));
        entities
            .map(std::borrow::Cow::Owned)
            .map_err(|_| unfit("the entities of this request are inconsistent"))
    }
}

fn to_cedar(entity: &Entity) -> Option<CedarEntity> {
    let parents: Option<std::collections::HashSet<EntityUid>> =
        entity.parents.iter().map(Uid::to_cedar).collect();
    Some(CedarEntity::new_no_attrs(entity.uid.to_cedar()?, parents?))
}

/// Whether the fixed schema has this action; the names of tools are free of them.
#[must_use]
pub fn is_fixed_action(name: &str) -> bool {
    name == "call" || Action::FIXED.iter().any(|a| a.id() == name)
}

impl Outcome {
    /// Whether the request may happen now.
    #[must_use]
    pub fn allows(self) -> bool {
        self == Self::Allow
    }
}

#[cfg(test)]
#[path = "pdp_tests.rs"]
mod tests;

// The namespace is part of every digest and every policy; a change of it is a change of the model.
const _: () = assert!(matches!(NAMESPACE.as_bytes(), b"Tollgate"));
