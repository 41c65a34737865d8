//! The entities that Cedar sees: those of the configuration and those of the request.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use cedar_policy_core::{
    ast::{self, EntityUID},
    entities::{Dereference, Entities, TCComputation},
    extensions::Extensions,
    validator::CoreSchema,
};
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    request::{ActionContext, Facts, Request},
};

use super::{Pdp, RequestError, request_error};
use crate::{cedar_uid, cedar_value};

impl Pdp {
    /// The labels of the resources of `server`, as configured. None if it has no resources that are carried.
    pub(crate) fn resource_labels(&self, server: &str) -> Vec<String> {
        let represents_all = Uid::new(Kind::Resource, format!("{server}/"));
        let known = self.known.get(&represents_all);
        let entity = known.map(|uid| self.entities.entity(uid));
        let Some(Dereference::Data(entity)) = entity else {
            return Vec::new();
        };
        let label = cedar_uid::entity_type(Kind::Label);
        let labels = entity
            .ancestors()
            .filter(|above| label.as_ref() == Some(above.entity_type()));
        labels
            .map(|label| AsRef::<str>::as_ref(label.eid()).to_owned())
            .collect()
    }

    /// The entities that Cedar sees, or the first unknown one that the request names. In Cedar an unknown
    /// entity would make `in` silently false.
    pub(super) fn entities_for<'a>(
        &'a self,
        request: &Request,
        facts: &Facts,
    ) -> Result<Cow<'a, Entities>, RequestError> {
        self.check_known(request, facts)?;
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
            .ok_or_else(|| request_error("the entities of this request are inconsistent"))?;
        self.entities
            .clone()
            .add_entities(
                added,
                Some(&CoreSchema::new(self.schema.as_ref())),
                TCComputation::AssumeAlreadyComputed,
                Extensions::all_available(),
            )
            .map(Cow::Owned)
            .map_err(|_| request_error("the entities of this request are inconsistent"))
    }

    /// Whether the configuration or the facts have every entity that the request and the facts name.
    fn check_known(&self, request: &Request, facts: &Facts) -> Result<(), RequestError> {
        let known = |uid: &Uid| match self.known.contains_key(uid)
            || facts.entities.iter().any(|e| e.uid == *uid)
        {
            true => Ok(()),
            false => Err(request_error(format!("{uid} is not known to this gate"))),
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
            ActionContext::Capability { guest, .. }
            | ActionContext::Http { guest, .. }
            | ActionContext::Elicitation { guest, .. } => {
                [&guest.on_behalf_of, &guest.agent, &guest.tool]
                    .into_iter()
                    .try_for_each(known)?;
            }
            ActionContext::Secret { guest, host, .. } => {
                [&guest.on_behalf_of, &guest.agent, &guest.tool, host]
                    .into_iter()
                    .try_for_each(known)?;
            }
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
                escalated_to,
                speaker,
                standing: _,
                makers,
                channel: _,
            } => {
                [tool, on_behalf_of, operator]
                    .into_iter()
                    .chain(speaker)
                    .try_for_each(known)?;
                of(Kind::Role, roles)?;
                of(Kind::Role, escalated_to)?;
                of(Kind::User, makers)?;
            }
            ActionContext::Token { on_behalf_of, .. } => known(on_behalf_of)?,
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
        Ok(())
    }

    /// Entities in the engine's form, each with all its ancestors: otherwise the engine would search all
    /// entities for them. `None` if the hierarchy has a cycle.
    fn with_ancestors(&self, added: &[&Entity]) -> Option<Vec<Arc<ast::Entity>>> {
        let mut done: HashMap<&Uid, HashSet<EntityUID>> = HashMap::new();
        let mut entities = Vec::with_capacity(added.len());
        let mut undone: HashSet<&Uid> = added.iter().map(|entity| &entity.uid).collect();
        let mut left = added.to_vec();
        while !left.is_empty() {
            let before = left.len();
            // Parents usually come first, so one round is enough.
            for entity in std::mem::take(&mut left) {
                if entity.parents.iter().any(|parent| undone.contains(parent)) {
                    left.push(entity);
                    continue;
                }
                undone.remove(&entity.uid);
                let mut parents = HashSet::new();
                let mut above = HashSet::new();
                for parent in &entity.parents {
                    let uid = cedar_value::entity(parent)?;
                    match (done.get(parent), self.entities.entity(&uid)) {
                        (Some(ancestors), _) => above.extend(ancestors.iter().cloned()),
                        (None, Dereference::Data(known)) => {
                            above.extend(known.ancestors().cloned())
                        }
                        (None, _) => return None,
                    }
                    parents.insert(uid);
                }
                let uid = cedar_value::entity(&entity.uid)?;
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
