//! The policy decision point: `decide(request, facts)`, pure, total and synchronous.
//!
//! Cedar's semantics are unchanged. The additions fail closed: a request that does not validate, an unknown
//! entity, or an evaluation error in any policy gives the outcome *error*, which denies.

mod bundle;
mod cedar_request;
mod context_path;
mod entities;
mod error;
mod evaluate;
mod explain;
mod history;
mod index;
mod lint;
mod load;
mod provenance;
mod reach;
mod redaction;
mod validate;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use cedar_policy::Schema;
use cedar_policy_core::{
    ast::{self, EntityUID},
    entities::Entities,
};
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Basis, Decision, DecisionError, DeterminingPolicy, Redaction, ShadowFlip},
    entity::{NAMESPACE, Uid},
    history::FactShape,
    request::{Action, Facts, Request},
};

pub use bundle::{Bundle, CheckedNames, ToolTypes};
pub use error::LoadError;
pub use explain::{Explanation, FailedPart, ObservedValue, PolicyTrace, Verdict};

use crate::{
    policy::{Diagnostic, KnownNames, LoadedPolicy, Mode},
    tool_input::ToolInput,
};
use evaluate::PolicyEvaluation;
use history::FactReads;
use index::Index;

/// A policy decision point for one bundle.
#[derive(Debug)]
pub struct Pdp {
    digest: Sha256Digest,
    facts: BTreeMap<String, FactShape>,
    facts_read: FactReads,
    schema: Schema,
    names: FixedNames,
    policies: BTreeMap<String, Arc<LoadedPolicy>>,
    warnings: Vec<Diagnostic>,
    set: IndexedPolicies,
    /// The shadow set.
    candidate: Option<IndexedPolicies>,
    actions: HashMap<String, Arc<EntityUID>>,
    tools: BTreeMap<String, ToolInput>,
    prompts: BTreeMap<String, ToolInput>,
    /// Actions, and the entities of the configuration.
    entities: Entities,
    /// Entities of the configuration, in the engine's form.
    known: HashMap<Uid, Arc<EntityUID>>,
    checked: CheckedNames,
}

/// Names that differ between versions of the fixed schema.
#[derive(Debug)]
struct FixedNames {
    /// The attribute with the roles that are asked as well when there is no answer in time.
    escalated_to: &'static str,
    /// Whether run facts have a window.
    window: bool,
    /// Whether calls have facts about where their values come from.
    provenance: bool,
    /// Whether these have what strangers ask for.
    urged: bool,
    /// Whether calls have history facts.
    history: bool,
    /// Whether those say apart that the user's request is known.
    request: bool,
    /// Whether it has what the host of an agent is to tell.
    expected: bool,
    /// Whether those say that strangers may have told the model something.
    exposed: bool,
    /// Whether `use_secret` has the method, port and path of its request.
    secret_request: bool,
    /// Whether an approver's context has the user who spoke for the agent.
    speaker: bool,
    /// Whether an approver's context has the makers of the caller's token.
    makers: bool,
    /// Whether it has the way of the answer.
    channel: bool,
}

impl FixedNames {
    fn of(schema: &str) -> Self {
        Self {
            escalated_to: match schema.contains("asked_too:") {
                true => "asked_too",
                false => "escalated_to",
            },
            window: schema.contains("WindowFacts"),
            provenance: crate::schema::has_provenance(schema),
            urged: declares(schema, "type ProvenanceFacts", "urged:"),
            history: crate::schema::has_history(schema),
            request: declares(schema, "type ProvenanceFacts", "request:"),
            expected: declares(schema, "type ProvenanceFacts", "expected:"),
            exposed: declares(schema, "type ProvenanceFacts", "exposed:"),
            secret_request: declares(schema, "type SecretContext", "port:"),
            speaker: schema.contains("speaker:"),
            makers: declares(schema, "type ApproverContext", "makers:"),
            channel: declares(schema, "type ApproverContext", "channel:"),
        }
    }
}

/// Whether the declaration that begins with `declaration` contains `attribute`.
fn declares(schema: &str, declaration: &str, attribute: &str) -> bool {
    let after = schema.split_once(declaration).map(|(_, after)| after);
    let body = after.and_then(|after| after.split_once("};"));
    body.is_some_and(|(body, _)| body.contains(attribute))
}

/// Policies in the order of their ids, as the index numbers them.
#[derive(Debug)]
struct IndexedPolicies {
    ordered: Vec<Arc<LoadedPolicy>>,
    index: Index,
}

impl IndexedPolicies {
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
            // Only a partial request leaves one open, and `cedar_request` does not make partial requests.
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
type RequestError = DecisionError;

fn request_error(message: impl Into<String>) -> RequestError {
    DecisionError {
        message: message.into(),
        policy: None,
    }
}

/// The basis of the outcome *error*.
type ErrorBasis = Box<Basis>;

impl Pdp {
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

    /// Warnings and notes: the set loaded in spite of them.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Whether any policy redacts results or arguments.
    #[must_use]
    pub fn redacts(&self) -> bool {
        self.policies
            .values()
            .any(|policy| !policy.redact.is_empty())
    }

    /// Whether the configuration has this entity.
    #[must_use]
    pub fn knows(&self, uid: &Uid) -> bool {
        self.known.contains_key(uid)
    }

    /// Labels that policies name.
    #[must_use]
    pub fn named_labels(&self) -> BTreeSet<String> {
        let literals = self
            .policies
            .values()
            .flat_map(|policy| policy.cedar.entity_literals());
        let named = literals.filter_map(|literal| crate::cedar_uid::from_cedar(&literal));
        named
            .filter(|uid| uid.kind == tollgate_model::entity::Kind::Label)
            .map(|uid| uid.id)
            .collect()
    }

    /// What to write instead, if no request can name this entity.
    pub(crate) fn entity_fault(&self, uid: &Uid) -> Option<String> {
        KnownNames::new(self.known.keys(), &self.checked.configured).fault(uid)
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

    /// The typed arguments of a prompt, by the name that agents see.
    #[must_use]
    pub fn prompt(&self, name: &str) -> Option<&ToolInput> {
        self.prompts.get(name)
    }

    /// The history facts, by name.
    #[must_use]
    pub fn facts(&self) -> &BTreeMap<String, FactShape> {
        &self.facts
    }

    /// Decides. Deterministic: the same arguments always give the same answer.
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
        let slice = self.set.slice(&plain.cedar, &entities);
        let enforced = in_force(&slice);
        let trial = PolicyEvaluation::new(self, &enforced, facts, &entities, &plain)
            .with_arguments(self.arguments(request));
        let mut decision = trial.decide();
        // A shadow set is complete: if there is one, it alone is evaluated in shadow, not single policies.
        let flip = match &self.candidate {
            Some(candidate) => {
                let candidate = in_force(&candidate.slice(&plain.cedar, &entities));
                flip(&decision, &trial.of(&candidate).decide(), true)
            }
            None if enforced.len() < slice.len() => {
                flip(&decision, &trial.of(&slice).decide(), false)
            }
            None => None,
        };
        decision.basis_mut().shadow = flip;
        decision
    }

    fn basis(&self, determining: Vec<DeterminingPolicy>, errors: Vec<DecisionError>) -> Basis {
        Basis {
            bundle: self.digest,
            determining,
            errors,
            no_policies: self.policies.is_empty(),
            redact: BTreeSet::new(),
            redacted: Redaction::default(),
            shadow: None,
        }
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

/// Whether the fixed schema has this action; a tool's name is never one of them.
#[must_use]
pub fn is_fixed_action(name: &str) -> bool {
    name == "call" || Action::FIXED.iter().any(|a| a.id() == name)
}

#[cfg(test)]
mod tests;

// The namespace is part of every digest and every policy; changing it changes the model.
const _: () = assert!(matches!(NAMESPACE.as_bytes(), b"Tollgate"));
