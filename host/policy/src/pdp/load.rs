//! From a bundle to a decision point. Either everything loads, or nothing does.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use cedar_policy::{Entity as CedarEntity, EntityUid};
use cedar_policy_core::ast::EntityUID;
use tollgate_model::entity::{Entity, Uid};

use super::{Bundle, FixedNames, IndexedPolicies, LoadError, Pdp, ToolTypes, history::FactReads};
use crate::{
    cedar_uid, cedar_value,
    policy::{self, LoadedPolicies, PolicyFile},
    schema::{self, LoadedTypes},
    tool_input::ToolInput,
};

pub(super) fn to_cedar(entity: &Entity) -> Option<CedarEntity> {
    let parents: Option<HashSet<EntityUid>> =
        entity.parents.iter().map(cedar_uid::to_cedar).collect();
    Some(CedarEntity::new_no_attrs(
        cedar_uid::to_cedar(&entity.uid)?,
        parents?,
    ))
}

/// The typed arguments of tools or prompts.
fn inputs(types: &BTreeMap<String, ToolTypes>) -> Result<BTreeMap<String, ToolInput>, LoadError> {
    let mut inputs = BTreeMap::new();
    for (name, types) in types {
        let input = ToolInput::from_json_schema(name, &types.input_schema, &types.numbers)
            .map_err(|error| LoadError::Tool {
                tool: name.clone(),
                error,
            })?;
        inputs.insert(name.clone(), input);
    }
    Ok(inputs)
}

impl Pdp {
    /// Load a recorded bundle with the policies of today, which may name actions and attributes that its schema
    /// does not have. They are read by that schema if they fit it, else by the schema of this build.
    ///
    /// # Errors
    /// [`LoadError`] under the recorded schema: the policies fit neither.
    pub fn load_with_policies(recorded: &Bundle) -> Result<Self, LoadError> {
        Self::load(recorded).or_else(|error| {
            if recorded.schema == schema::FIXED {
                return Err(error);
            }
            let bundle = Bundle {
                schema: schema::FIXED.into(),
                ..recorded.clone()
            };
            Self::load(&bundle).map_err(|_| error)
        })
    }

    /// Load a bundle: build the schema, parse and validate every policy.
    ///
    /// # Errors
    /// [`LoadError`]; a bundle loads whole or not at all.
    pub fn load(bundle: &Bundle) -> Result<Self, LoadError> {
        let (_, digest) = bundle.seal()?;
        if bundle.cedar != cedar_policy::get_sdk_version().to_string() {
            return Err(LoadError::Engine(bundle.cedar.clone()));
        }
        let tools = inputs(&bundle.tools)?;
        let types = LoadedTypes {
            tools: &tools,
            prompt_arguments: &bundle.prompt_arguments(),
            facts: &bundle.facts,
        };
        let schema = schema::build(&bundle.schema, types)?;
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
        let read =
            |files: &[PolicyFile]| policy::load(files, &schema, &known, &bundle.checked.configured);
        let LoadedPolicies { policies, warnings } =
            read(&bundle.policies).map_err(LoadError::Policies)?;
        let candidate = match &bundle.candidate {
            None => None,
            Some(files) => {
                let loaded = read(files).map_err(LoadError::Candidate)?;
                Some(IndexedPolicies::new(&loaded.policies))
            }
        };
        let known: Option<HashMap<Uid, Arc<EntityUID>>> = known
            .into_iter()
            .map(|uid| Some((uid.clone(), Arc::new(cedar_value::entity(&uid)?))))
            .collect();
        let action = |a: &EntityUid| {
            let uid: &EntityUID = a.as_ref();
            (a.id().unescaped().to_owned(), Arc::new(uid.clone()))
        };
        let entities = entities.as_ref().clone();
        let actions: HashMap<String, Arc<EntityUID>> = schema.actions().map(action).collect();
        let read = policies.values().map(AsRef::as_ref);
        Ok(Self {
            digest,
            facts_read: FactReads::new(&bundle.facts, read, &actions, &entities),
            facts: bundle.facts.clone(),
            set: IndexedPolicies::new(&policies),
            candidate,
            actions,
            schema,
            names: FixedNames::of(&bundle.schema),
            policies,
            warnings,
            prompts: inputs(&bundle.prompts)?,
            tools,
            entities,
            known: known.ok_or_else(nameless)?,
            checked: bundle.checked.clone(),
        })
    }
}
