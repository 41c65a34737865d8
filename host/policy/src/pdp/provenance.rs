//! `context.provenance` and `context.sinks`: where the values of a call come from.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    str::FromStr as _,
    sync::{Arc, OnceLock},
};

use cedar_policy_core::ast::{Eid, EntityType, EntityUID, Literal, Value};
use tollgate_model::{
    entity::NAMESPACE,
    provenance::{Origin, ProvenanceFacts, Role},
};

use super::{FixedNames, Pdp, RequestError, request_error};
use crate::cedar_value;

impl Pdp {
    /// Both attributes of the context of a call, if the schema has them.
    pub(super) fn provenance(
        &self,
        facts: &ProvenanceFacts,
    ) -> Result<Vec<(&'static str, Value)>, RequestError> {
        match self.names.provenance {
            true => attributes(facts, &self.names).map(Vec::from),
            false => Ok(Vec::new()),
        }
    }
}

/// Both attributes of the context of a call. `names` says which of the later facts the schema has.
fn attributes(
    facts: &ProvenanceFacts,
    names: &FixedNames,
) -> Result<[(&'static str, Value); 2], RequestError> {
    let pointers = |origin| -> Value {
        let pointers = facts.pointers(origin);
        cedar_value::set(pointers.map(|pointer| Literal::String(pointer.into())))
    };
    let request = names
        .request
        .then(|| ("request", (facts.request || facts.known).into()));
    let expected = names.expected.then(|| ("expected", facts.expected.into()));
    let exposed = names.exposed.then(|| ("exposed", facts.exposed.into()));
    let urged = names.urged.then(|| ("urged", facts.urged.into()));
    let others = [
        ("user", pointers(Origin::User)),
        ("operator", pointers(Origin::Operator)),
        ("trusted", pointers(Origin::Trusted)),
        ("model", pointers(Origin::Model)),
        ("untrusted", pointers(Origin::Untrusted)),
        ("roles", roles(facts)?),
        ("links", origins(&facts.links)?),
        ("asked", facts.asked.into()),
        ("echoed", facts.echoed.into()),
        ("known", facts.known.into()),
    ];
    let provenance = cedar_value::record(
        others
            .into_iter()
            .chain(request)
            .chain(expected)
            .chain(exposed)
            .chain(urged),
    );
    Ok([
        ("provenance", provenance),
        ("sinks", origins(&facts.sinks)?),
    ])
}

/// The origins of the arguments with each role.
fn roles(facts: &ProvenanceFacts) -> Result<Value, RequestError> {
    let mut by_role: BTreeMap<Role, BTreeSet<Origin>> = BTreeMap::new();
    for value in facts.values.values() {
        if let Some(role) = value.role {
            by_role.entry(role).or_default().insert(value.origin);
        }
    }
    let none = BTreeSet::new();
    let of = |role: &Role| Ok((role.as_str(), origins(by_role.get(role).unwrap_or(&none))?));
    let sets: Result<Vec<(&str, Value)>, RequestError> = Role::ALL.iter().map(of).collect();
    Ok(cedar_value::record(sets?))
}

fn origins(origins: &BTreeSet<Origin>) -> Result<Value, RequestError> {
    static ENTITIES: OnceLock<HashMap<Origin, Arc<EntityUID>>> = OnceLock::new();
    let entities = ENTITIES.get_or_init(|| {
        let Ok(ty) = EntityType::from_str(&format!("{NAMESPACE}::Origin")) else {
            return HashMap::new();
        };
        let entity = |origin: &Origin| {
            let id = Eid::new(origin.as_str());
            (
                *origin,
                Arc::new(EntityUID::from_components(ty.clone(), id, None)),
            )
        };
        Origin::ALL.iter().map(entity).collect()
    });
    let literals: Option<Vec<Literal>> = origins
        .iter()
        .map(|origin| Some(Literal::EntityUID(Arc::clone(entities.get(origin)?))))
        .collect();
    let literals = literals.ok_or_else(|| request_error("the type of origins has no name"))?;
    Ok(cedar_value::set(literals))
}
