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
            error: false,
            first: false,
            host: None,
            host_labels: labels(facts, |kind| kind == Kind::Host),
            input: Value::Null,
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
            tenant: None,
            tool: None,
            via: BTreeSet::new(),
            expect: decided.outcome,
            by: Some(
                decided
                    .determining
                    .iter()
                    .map(|d| d.policy.id.clone())
                    .collect(),
            ),
            needs,
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
                on_behalf_of,
                input,
                via,
            } => {
                self.on_behalf_of = name(on_behalf_of);
                self.input = input.clone();
                self.via.clone_from(via);
            }
            ActionContext::Result {
                on_behalf_of,
                error,
                size,
            } => {
                self.on_behalf_of = name(on_behalf_of);
                (self.error, self.size) = (*error, *size);
            }
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
                (self.host, self.scheme) = (name(host), Some(scheme.clone()));
                (self.method, self.port) = (Some(method.clone()), Some(*port));
                self.path = Some(path.clone());
            }
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
                escalated_to,
                speaker,
            } => {
                self.on_behalf_of = name(on_behalf_of);
                self.speaker = speaker.as_ref().map(|speaker| speaker.id.clone());
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
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        case::{Answer, Defaults, World},
        pdp::Pdp,
        policy::PolicyFile,
    };
    use tollgate_model::{
        record::{Event, Record},
        time::Timestamp,
    };

    const POLICIES: &str = r#"
        @id("small") @owner("o")
        permit (principal, action == Tollgate::Action::"pay__refund", resource)
        when { context.input.amount <= 5000 && context.run.calls < 9 };
        @id("large") @owner("o") @reason("Ask.")
        forbid (principal, action == Tollgate::Action::"pay__refund", resource)
        when { context.input.amount > 100 }
        unless { context.approval.roles.contains(Tollgate::Role::"finance") };
        @id("files") @owner("o")
        permit (principal, action == Tollgate::Action::"read_file", resource in Tollgate::Label::"private");
        @id("config") @owner("o")
        permit (principal, action == Tollgate::Action::"read_config", resource in Tollgate::Label::"private")
        when { resource in principal };
        @id("hosts") @owner("o")
        permit (principal, action == Tollgate::Action::"http_request", resource in Tollgate::Domain::"example.org")
        when { context.method == "POST" && context.path like "/v1/*" };
    "#;

    /// A recorded decision of a case, turned into a case, gets the same answer again.
    #[test]
    fn what_was_decided_is_decided_so_again() {
        let world: World = serde_json::from_value(json!({
            "agents": {"support": []}, "users": {"alice": []}, "labels": ["private", "unlabelled"],
            "roles": ["finance"],
            "tools": {"pay__refund": {"input": {"type": "object", "properties": {
                "amount": {"type": "integer"}}, "required": ["amount"]}}}
        }))
        .unwrap();
        let file = PolicyFile {
            name: "p.cedar".into(),
            text: POLICIES.into(),
        };
        let pdp = Pdp::load(&world.bundle(vec![file])).unwrap();
        let cases: Vec<Case> = serde_json::from_value(json!([
            {"name": "small", "action": "pay__refund", "principal": "Agent::support", "on_behalf_of": "alice",
             "input": {"amount": 70}, "run": {"calls": 3, "labels": ["private"]}, "expect": "allow"},
            {"name": "large", "action": "pay__refund", "principal": "Agent::support", "on_behalf_of": "alice",
             "input": {"amount": 700}, "expect": "escalate"},
            {"name": "approved", "action": "pay__refund", "principal": "Agent::support", "on_behalf_of": "alice",
             "input": {"amount": 700}, "approved_by": ["finance"], "expect": "allow"},
            {"name": "file", "action": "read_file", "principal": "Component::pay", "on_behalf_of": "alice",
             "agent": "support", "tool": "pay__refund", "resource": "File::pay/book:/a/b.txt",
             "directory_labels": ["private"], "expect": "allow"},
            {"name": "config", "action": "read_config", "principal": "Component::pay", "on_behalf_of": "alice",
             "agent": "support", "tool": "pay__refund", "resource": "ConfigEntry::pay/customer",
             "directory_labels": ["private"], "expect": "allow"},
            {"name": "host", "action": "http_request", "principal": "Component::pay", "on_behalf_of": "alice",
             "agent": "support", "tool": "pay__refund", "resource": "Host::api.example.org", "method": "POST",
             "path": "/v1/x", "expect": "allow"},
            {"name": "view", "action": "view_run", "principal": "User::alice", "expect": "deny"},
        ]))
        .unwrap();
        for case in cases {
            let (decision, request, facts) = case.decide(&pdp, &Defaults::default()).unwrap();
            let answer = Answer::of(&decision);
            assert_eq!(answer.outcome, case.expect, "{}: {answer:?}", case.name);
            let again = Case::of(
                case.name.clone(),
                &request,
                &facts,
                &decided(&request, &decision),
            )
            .unwrap();
            let text = serde_json::to_string(&again).unwrap();
            let again: Case = serde_json::from_str(&text).unwrap();
            let played = again.play(&pdp, &Defaults::default());
            assert_eq!(played.wrong, Vec::<String>::new(), "{text}");
            assert_eq!(played.answer, answer);
        }
    }

    fn decided(request: &Request, decision: &tollgate_model::decision::Decision) -> DecisionRecord {
        let basis = decision.basis();
        let requirement = match decision {
            tollgate_model::decision::Decision::Escalate(_, requirement) => {
                Some(requirement.clone())
            }
            _ => None,
        };
        let record = json!({
            "type": "decision", "v": 2, "tenant": "default", "time": 0, "action": request.action,
            "bundle": basis.bundle, "determining": basis.determining, "decide_micros": 1,
            "outcome": decision.outcome(), "principal": request.principal, "resource": request.resource,
            "requirement": requirement, "span": "0101010101010101",
        });
        let record: Record = Record::from_leaf(record.to_string().as_bytes()).unwrap();
        assert_eq!(record.time, Timestamp(0));
        match record.event {
            Event::Decision(decided) => *decided,
            other => panic!("{other:?}"),
        }
    }
}
