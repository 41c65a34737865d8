//! The policy decision point: `decide(request, facts)`, pure, total and synchronous.
//!
//! Cedar's semantics are untouched. What is added fails closed: a request that does not validate, an
//! entity that is not known, an evaluation error in any policy are the outcome *error*, which denies.

mod cedar;
mod explain;
mod index;
mod lint;
mod trial;
mod validate;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use cedar_policy::{Entity as CedarEntity, EntityUid, Schema};
use cedar_policy_core::{
    ast::{self, EntityUID},
    entities::{Dereference, Entities, TCComputation},
    extensions::Extensions,
    validator::CoreSchema,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use explain::{Explanation, Failed, Seen, Traced, Verdict};
use index::Index;
use trial::Trial;

use crate::{
    input::{NumberMapping, ToolInput},
    policy::{self, Diagnostic, LoadedPolicies, LoadedPolicy, Mode, PolicyFile},
    schema, value,
};
use tollgate_model::{
    canonical::{self, Sha256Digest},
    decision::{Basis, Decision, DecisionError, Determining, ShadowFlip},
    entity::{Entity, Kind, NAMESPACE, Uid},
    request::{Action, ActionContext, Facts, Request},
};

/// Everything that a decision depends on besides the request and its facts. Its digest names it in
/// every decision, and it is stored, so that a decision can be taken again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// Policy sources of a whole set that is watched beside the one in force, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Vec<PolicyFile>>,
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
            candidate: None,
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
    /// The set that is watched is wrong: likewise.
    #[error("the candidate: {}", first_of(.0))]
    Candidate(Vec<Diagnostic>),
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
    /// Whether runs have a window: bundles from before do not know it.
    windowed: bool,
    policies: BTreeMap<String, Arc<LoadedPolicy>>,
    warnings: Vec<Diagnostic>,
    set: Indexed,
    /// The set that is watched.
    candidate: Option<Indexed>,
    actions: HashMap<String, Arc<EntityUID>>,
    tools: BTreeMap<String, ToolInput>,
    /// Actions, and the entities of the configuration.
    entities: Entities,
    /// Entities of the configuration, as the engine has them.
    known: HashMap<Uid, Arc<EntityUID>>,
}

/// Policies in the order of their ids, as the index numbers them.
#[derive(Debug)]
struct Indexed {
    ordered: Vec<Arc<LoadedPolicy>>,
    index: Index,
}

impl Indexed {
    fn new(policies: &BTreeMap<String, Arc<LoadedPolicy>>) -> Self {
        let ordered: Vec<Arc<LoadedPolicy>> = policies.values().cloned().collect();
        Self {
            index: Index::new(ordered.iter().map(|p| p.cedar.as_ref())),
            ordered,
        }
    }

    /// The policies whose scope can match, in the order of their ids.
    fn slice(&self, request: &ast::Request, entities: &Entities) -> Vec<&LoadedPolicy> {
        let uids = (
            request.principal().uid(),
            request.action().uid(),
            request.resource().uid(),
        );
        let (Some(principal), Some(action), Some(resource)) = uids else {
            // Only a partial request leaves one open, and `cedar_request` makes none.
            return self.ordered.iter().map(AsRef::as_ref).collect();
        };
        self.index
            .candidates(principal, action, resource, entities)
            .into_iter()
            .filter_map(|position| self.ordered.get(usize::try_from(position).ok()?))
            .map(AsRef::as_ref)
            .collect()
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
        let nameless = || LoadError::Entities("an entity type has no name".into());
        let cedar: Option<Vec<CedarEntity>> = bundle.entities.iter().map(to_cedar).collect();
        let entities =
            cedar_policy::Entities::from_entities(cedar.ok_or_else(nameless)?, Some(&schema))
                .map_err(|e| LoadError::Entities(e.to_string()))?;
        let LoadedPolicies { policies, warnings } =
            policy::load(&bundle.policies, &schema, &known).map_err(LoadError::Policies)?;
        let candidate = match &bundle.candidate {
            None => None,
            Some(files) => {
                let loaded = policy::load(files, &schema, &known).map_err(LoadError::Candidate)?;
                Some(Indexed::new(&loaded.policies))
            }
        };
        let known: Option<HashMap<Uid, Arc<EntityUID>>> = known
            .into_iter()
            .map(|uid| Some((uid.clone(), Arc::new(value::entity(&uid)?))))
            .collect();
        let action = |a: &EntityUid| {
            let uid: &EntityUID = a.as_ref();
            (a.id().unescaped().to_owned(), Arc::new(uid.clone()))
        };
        Ok(Self {
            digest,
            set: Indexed::new(&policies),
            candidate,
            actions: schema.actions().map(action).collect(),
            schema,
            windowed: bundle.schema.contains("WindowFacts"),
            policies,
            warnings,
            tools,
            entities: entities.as_ref().clone(),
            known: known.ok_or_else(nameless)?,
        })
    }

    /// The bundle's digest.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The policies, by id.
    #[must_use]
    pub fn policies(&self) -> &BTreeMap<String, Arc<LoadedPolicy>> {
        &self.policies
    }

    /// What deserves a look although the set loaded.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The tools that are typed, by name.
    pub fn tools(&self) -> impl Iterator<Item = (&str, &ToolInput)> {
        self.tools
            .iter()
            .map(|(name, input)| (name.as_str(), input))
    }

    /// The typed arguments of a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ToolInput> {
        self.tools.get(name)
    }

    /// Decide. The same arguments always give the same answer.
    #[must_use]
    pub fn decide(&self, request: &Request, facts: &Facts) -> Decision {
        let entities = match self.entities_for(request, facts) {
            Ok(entities) => entities,
            Err(error) => return Decision::Error(self.basis(Vec::new(), vec![error])),
        };
        let plain = match self.cedar_request(request, facts) {
            Ok(plain) => plain,
            Err(error) => return Decision::Error(self.basis(Vec::new(), vec![error])),
        };
        let slice = self.set.slice(&plain, &entities);
        let enforced = in_force(&slice);
        let trial = Trial::new(self, &enforced, facts, &entities, &plain);
        let mut decision = trial.decide();
        // A candidate is a whole set, shadow policies and all: where there is one, it alone is watched.
        let flip = match &self.candidate {
            Some(candidate) => {
                let candidate = in_force(&candidate.slice(&plain, &entities));
                flip(&decision, &trial.of(&candidate).decide(), true)
            }
            None if enforced.len() < slice.len() => {
                flip(&decision, &trial.of(&slice).decide(), false)
            }
            None => None,
        };
        let (Decision::Allow(basis)
        | Decision::Deny(basis)
        | Decision::Escalate(basis, _)
        | Decision::Error(basis)) = &mut decision;
        basis.shadow = flip;
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

    /// The entities that Cedar sees, or the first one that the request names and nobody knows: in
    /// Cedar an unknown entity makes `in` quietly false.
    fn entities_for<'a>(
        &'a self,
        request: &Request,
        facts: &Facts,
    ) -> Result<Cow<'a, Entities>, Unfit> {
        let known = |uid: &Uid| match self.known.contains_key(uid)
            || facts.entities.iter().any(|e| e.uid == *uid)
        {
            true => Ok(()),
            false => Err(unfit(format!("{uid} is not known to this gate"))),
        };
        let of =
            |kind, ids: &BTreeSet<String>| ids.iter().try_for_each(|id| known(&Uid::new(kind, id)));
        [&request.principal, &request.resource]
            .into_iter()
            .try_for_each(known)?;
        match &request.context {
            ActionContext::Call {
                on_behalf_of, via, ..
            } => {
                known(on_behalf_of)?;
                of(Kind::Component, via)?;
            }
            ActionContext::Result { on_behalf_of, .. } => known(on_behalf_of)?,
            ActionContext::Capability {
                on_behalf_of,
                agent,
                tool,
                ..
            } => [on_behalf_of, agent, tool]
                .into_iter()
                .try_for_each(known)?,
            ActionContext::Http {
                on_behalf_of,
                agent,
                tool,
                ..
            } => [on_behalf_of, agent, tool]
                .into_iter()
                .try_for_each(known)?,
            ActionContext::Secret {
                on_behalf_of,
                agent,
                tool,
                host,
                ..
            } => [on_behalf_of, agent, tool, host]
                .into_iter()
                .try_for_each(known)?,
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
                asked_too,
            } => {
                [tool, on_behalf_of, operator]
                    .into_iter()
                    .try_for_each(known)?;
                of(Kind::Role, roles)?;
                of(Kind::Role, asked_too)?;
            }
            ActionContext::Operator => {}
        }
        of(Kind::Label, &facts.run.labels)?;
        of(Kind::Tool, &facts.run.tools)?;
        facts
            .entities
            .iter()
            .flat_map(|e| &e.parents)
            .try_for_each(known)?;
        if let Some(granted) = &facts.approval {
            of(Kind::Role, &granted.roles)?;
        }
        let added: Vec<&Entity> = facts
            .entities
            .iter()
            .filter(|e| !self.known.contains_key(&e.uid))
            .collect();
        if added.is_empty() {
            return Ok(Cow::Borrowed(&self.entities));
        }
        let added = self
            .with_ancestors(&added)
            .ok_or_else(|| unfit("the entities of this request are inconsistent"))?;
        self.entities
            .clone()
            .add_entities(
                added,
                Some(&CoreSchema::new(self.schema.as_ref())),
                TCComputation::AssumeAlreadyComputed,
                Extensions::all_available(),
            )
            .map(Cow::Owned)
            .map_err(|_| unfit("the entities of this request are inconsistent"))
    }
}

impl Pdp {
    /// Entities as the engine has them, each with all that it is in: the engine would look for that among
    /// all entities that there are. `None` if they are in each other.
    fn with_ancestors(&self, added: &[&Entity]) -> Option<Vec<Arc<ast::Entity>>> {
        let mut done: HashMap<&Uid, HashSet<EntityUID>> = HashMap::new();
        let mut entities = Vec::with_capacity(added.len());
        let mut undone: HashSet<&Uid> = added.iter().map(|entity| &entity.uid).collect();
        let mut left = added.to_vec();
        while !left.is_empty() {
            let before = left.len();
            // Parents come first, mostly, so that one round does.
            for entity in std::mem::take(&mut left) {
                if entity.parents.iter().any(|parent| undone.contains(parent)) {
                    left.push(entity);
                    continue;
                }
                undone.remove(&entity.uid);
                let mut parents = HashSet::new();
                let mut above = HashSet::new();
                for parent in &entity.parents {
                    let uid = value::entity(parent)?;
                    match (done.get(parent), self.entities.entity(&uid)) {
                        (Some(ancestors), _) => above.extend(ancestors.iter().cloned()),
                        (None, Dereference::Data(known)) => {
                            above.extend(known.ancestors().cloned())
                        }
                        (None, _) => return None,
                    }
                    parents.insert(uid);
                }
                let uid = value::entity(&entity.uid)?;
                above.extend(parents.iter().cloned());
                let indirect = above.difference(&parents).cloned().collect();
                done.insert(&entity.uid, above);
                entities.push(Arc::new(ast::Entity::new_with_attr_partial_value(
                    uid,
                    [],
                    indirect,
                    parents,
                    [],
                )));
            }
            if left.len() == before {
                return None;
            }
        }
        Some(entities)
    }
}

fn in_force<'a>(policies: &[&'a LoadedPolicy]) -> Vec<&'a LoadedPolicy> {
    let policies = policies.iter().copied();
    policies.filter(|p| p.mode == Mode::Enforce).collect()
}

/// What `shadow` would change about `decision`.
fn flip(decision: &Decision, shadow: &Decision, candidate: bool) -> Option<ShadowFlip> {
    (shadow.outcome() != decision.outcome()).then(|| ShadowFlip {
        candidate,
        outcome: shadow.outcome(),
        policies: shadow.basis().ids().map(str::to_owned).collect(),
    })
}

fn to_cedar(entity: &Entity) -> Option<CedarEntity> {
    let parents: Option<HashSet<EntityUid>> =
        entity.parents.iter().map(crate::uid::to_cedar).collect();
    Some(CedarEntity::new_no_attrs(
        crate::uid::to_cedar(&entity.uid)?,
        parents?,
    ))
}

/// Whether the fixed schema has this action; the names of tools are free of them.
#[must_use]
pub fn is_fixed_action(name: &str) -> bool {
    name == "call" || Action::FIXED.iter().any(|a| a.id() == name)
}

#[cfg(test)]
#[path = "pdp_tests.rs"]
mod tests;

// The namespace is part of every digest and every policy; a change of it is a change of the model.
const _: () = assert!(matches!(NAMESPACE.as_bytes(), b"Tollgate"));
