//! Cases from recorded decisions: a request with its facts, as a [`Case`] that must get the same answer
//! again.
//!
//! A case says less than a record: it has no exact time, and of entities only the labels. Play a case
//! before you keep it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::case::{Case, ShadowAnswer};
use tollgate_model::{
    entity::{Kind, Uid},
    history::FactValue,
    provenance::ProvenanceFacts,
    record::DecisionRecord,
    request::{Action, ActionContext, Facts, GuestCaller, Request, RunFacts},
};

impl Case {
    /// The case of a decision: its request, its facts and its answer.
    ///
    /// # Errors
    /// If the run's facts cannot be written as JSON, which does not happen.
    pub fn of(
        name: String,
        request: &Request,
        facts: &Facts,
        decided: &DecisionRecord,
    ) -> Result<Self, serde_json::Error> {
        let is_call = matches!(request.action, Action::Call(_));
        let own_tool = is_call && request.resource == Uid::new(Kind::Tool, request.action.id());
        let needs = decided.requirement.as_ref().map(|requirement| {
            let each = requirement.alternatives.iter();
            each.map(ToString::to_string).collect()
        });
        let determining = decided.determining.iter();
        let mut case = Self {
            name,
            action: request.action.id().to_owned(),
            agent: None,
            asks: BTreeSet::new(),
            escalated_to: BTreeSet::new(),
            approved_by: facts.approval.as_ref().map(|given| given.roles.clone()),
            approvals: facts.approval.as_ref().map(|given| given.count),
            directory_labels: labels(facts, |kind| kind != Kind::Host),
            environment: Some(facts.environment.clone()),
            channel: None,
            error: false,
            facts: written_facts(facts),
            first: false,
            host: None,
            host_labels: labels(facts, |kind| kind == Kind::Host),
            input: Value::Null,
            message: None,
            mode: None,
            schema: Value::Null,
            url: None,
            local: Some(facts.local),
            method: None,
            on_behalf_of: None,
            operator: None,
            path: None,
            people: None,
            port: None,
            principal: named(&request.principal),
            provenance: match facts.provenance == ProvenanceFacts::default() {
                true => Value::Null,
                false => serde_json::to_value(&facts.provenance)?,
            },
            resource: (!own_tool).then(|| named(&request.resource)),
            run: counted(&facts.run)?,
            scheme: None,
            size: 0,
            speaker: None,
            standing: None,
            makers: BTreeSet::new(),
            tenant: None,
            tool: None,
            via: BTreeSet::new(),
            expect: decided.outcome,
            by: Some(determining.map(|d| d.policy.id.clone()).collect()),
            needs,
            redact: (!decided.redaction.is_empty())
                .then(|| decided.redaction.pointers.iter().cloned().collect()),
            shadow: decided.shadow.clone().map(|shadow| ShadowAnswer {
                outcome: shadow.outcome,
                by: shadow.policies,
            }),
        };
        case.add(&request.context, facts);
        Ok(case)
    }

    fn add_guest(&mut self, guest: &GuestCaller) {
        self.agent = Some(guest.agent.id.clone());
        self.on_behalf_of = Some(guest.on_behalf_of.id.clone());
        self.tool = Some(guest.tool.id.clone());
    }

    /// Adds the members of this kind of action.
    fn add(&mut self, context: &ActionContext, facts: &Facts) {
        let name = |uid: &Uid| Some(uid.id.clone());
        match context {
            ActionContext::Call {
                on_behalf_of: user,
                input,
                via,
            } => {
                self.on_behalf_of = name(user);
                self.input = input.clone();
                self.via.clone_from(via);
            }
            ActionContext::Result {
                on_behalf_of: user,
                error,
                size,
            } => {
                self.on_behalf_of = name(user);
                (self.error, self.size) = (*error, *size);
            }
            ActionContext::Capability { .. }
            | ActionContext::Http { .. }
            | ActionContext::Secret { .. }
            | ActionContext::Elicitation { .. } => self.add_of_guest(context),
            ActionContext::Approver { .. }
            | ActionContext::Token { .. }
            | ActionContext::Operator => self.add_of_person(context, facts),
        }
    }

    /// Adds the members of what a component asks for.
    fn add_of_guest(&mut self, context: &ActionContext) {
        match context {
            ActionContext::Capability { guest, size } => {
                self.add_guest(guest);
                self.size = *size;
            }
            ActionContext::Http {
                guest,
                method,
                scheme,
                port,
                path,
                size,
            } => {
                self.add_guest(guest);
                (self.method, self.scheme) = (Some(method.clone()), Some(scheme.clone()));
                (self.port, self.path) = (Some(*port), Some(path.clone()));
                self.size = *size;
            }
            ActionContext::Secret {
                guest,
                host,
                method,
                scheme,
                port,
                path,
            } => {
                self.add_guest(guest);
                (self.host, self.scheme) = (Some(host.id.clone()), Some(scheme.clone()));
                (self.method, self.port) = (Some(method.clone()), Some(*port));
                self.path = Some(path.clone());
            }
            ActionContext::Elicitation {
                guest,
                mode,
                message,
                fields: _,
                schema,
                url,
                host,
                size,
            } => {
                self.add_guest(guest);
                (self.mode, self.message) = (Some(mode.clone()), Some(message.clone()));
                self.schema = serde_json::from_str(schema).unwrap_or_default();
                self.url = Some(url.clone()).filter(|url| !url.is_empty());
                self.host = Some(host.clone()).filter(|host| !host.is_empty());
                self.size = *size;
            }
            _ => {}
        }
    }

    /// Adds the members of what a person does outside a call.
    fn add_of_person(&mut self, context: &ActionContext, facts: &Facts) {
        let name = |uid: &Uid| Some(uid.id.clone());
        match context {
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
                escalated_to,
                speaker,
                standing,
                makers,
                channel,
            } => {
                self.channel = (channel != "rest").then(|| channel.clone());
                self.standing = *standing;
                self.on_behalf_of = name(on_behalf_of);
                self.speaker = speaker.as_ref().map(|speaker| speaker.id.clone());
                self.makers.clone_from(makers);
                (self.tool, self.operator) = (name(tool), name(operator));
                (self.asks, self.escalated_to) = (roles.clone(), escalated_to.clone());
            }
            ActionContext::Token {
                on_behalf_of,
                people,
                first,
            } => {
                self.on_behalf_of = name(on_behalf_of);
                (self.people, self.first) = (Some(*people), *first);
            }
            ActionContext::Operator => {
                let runs = facts.entities.iter().filter(|e| e.uid.kind == Kind::Run);
                let mut above = runs.flat_map(|entity| &entity.parents);
                let tenant = above.find(|parent| parent.kind == Kind::Tenant);
                self.tenant = tenant.map(|tenant| tenant.id.clone());
            }
            ActionContext::Call { .. }
            | ActionContext::Result { .. }
            | ActionContext::Capability { .. }
            | ActionContext::Http { .. }
            | ActionContext::Secret { .. }
            | ActionContext::Elicitation { .. } => {}
        }
    }
}

/// `Agent::support`, as cases write it.
fn named(uid: &Uid) -> String {
    // Quotes around an id are taken off when it is read.
    match uid.id.starts_with('"') {
        true => format!("{}::\"{}\"", uid.kind.name(), uid.id),
        false => format!("{}::{}", uid.kind.name(), uid.id),
    }
}

/// Labels of the entities that the configuration does not name. A resource has the labels of all its
/// ancestors, so it does not matter which of them has a label.
fn labels(facts: &Facts, which: impl Fn(Kind) -> bool) -> Vec<String> {
    let entities = facts.entities.iter().filter(|e| which(e.uid.kind));
    let parents = entities.flat_map(|entity| &entity.parents);
    let labels: BTreeSet<&str> = parents
        .filter(|parent| parent.kind == Kind::Label)
        .map(|label| label.id.as_str())
        .collect();
    labels.into_iter().map(str::to_owned).collect()
}

/// History facts as a case writes them.
fn written_facts(facts: &Facts) -> Value {
    let write = |(name, value): (&String, &FactValue)| {
        let written = match value {
            FactValue::Long(n) => Value::from(*n),
            FactValue::Decimal(_) => value.to_string().into(),
            FactValue::Datetime(time) => {
                // A case has a time of its own, so only the distance counts.
                format!("{}ms ago", facts.now.since(*time) / 1000).into()
            }
        };
        (name.clone(), written)
    };
    let written: Map<String, Value> = facts.history.iter().map(write).collect();
    match written.is_empty() {
        true => Value::Null,
        false => Value::Object(written),
    }
}

/// The run's facts that differ from a case's defaults.
fn counted(run: &RunFacts) -> Result<Value, serde_json::Error> {
    let usual = serde_json::to_value(RunFacts::default())?;
    let Value::Object(facts) = serde_json::to_value(run)? else {
        return Ok(Value::Null);
    };
    let unusual: Map<String, Value> = facts
        .into_iter()
        .filter(|(name, value)| usual.get(name) != Some(value))
        .collect();
    Ok(match unusual.is_empty() {
        true => Value::Null,
        false => Value::Object(unusual),
    })
}

#[cfg(test)]
mod tests;
