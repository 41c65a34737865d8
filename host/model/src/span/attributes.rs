//! The attributes that each record gives to a span.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    SpanKind, error_type, invalid_error,
    names::{attribute as a, operation},
};
use crate::{
    decision::Outcome,
    entity::Uid,
    ids::DecisionId,
    life::ApprovalState,
    provenance::ProvenanceSummary,
    record::{
        ApprovalAnswered, Arrival, DecisionRecord, Effect, EffectDetails, Event, KeyedDigest,
        OutcomeRecord, Record, RunStarted, Start,
    },
    request::Action,
};

/// Attributes, each name once.
pub type Attributes = Vec<(&'static str, Value)>;

/// How principals, resources and people are identified.
#[derive(Clone, Copy)]
pub enum Naming<'a> {
    /// By their ids: for readers of the ledger.
    Clear,
    /// By keyed hashes: for all others. Equal values stay equal.
    Hashed(&'a dyn Fn(&Uid) -> Option<KeyedDigest>),
}

impl std::fmt::Debug for Naming<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clear => "Clear",
            Self::Hashed(_) => "Hashed",
        })
    }
}

/// A list of attributes under construction. Empty values are left out.
struct List<'a>(Attributes, Naming<'a>);

impl List<'_> {
    fn text(&mut self, name: &'static str, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push((name, Value::String(text)));
        }
        self
    }

    fn texts(
        &mut self,
        name: &'static str,
        texts: impl Iterator<Item = impl Into<String>>,
    ) -> &mut Self {
        let texts: Vec<Value> = texts.map(|text| Value::String(text.into())).collect();
        if !texts.is_empty() {
            self.0.push((name, Value::Array(texts)));
        }
        self
    }

    fn shown(&mut self, name: &'static str, value: Option<impl std::fmt::Display>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value.to_string()),
            None => self,
        }
    }

    fn spelled(&mut self, name: &'static str, value: Option<impl Serialize>) -> &mut Self {
        if let Some(Ok(value)) = value.map(serde_json::to_value)
            && !value.is_null()
        {
            self.0.push((name, value));
        }
        self
    }

    fn number(&mut self, name: &'static str, number: impl Into<u64>) -> &mut Self {
        self.0.push((name, Value::from(number.into())));
        self
    }

    fn flag(&mut self, name: &'static str, flag: bool) -> &mut Self {
        self.0.push((name, Value::Bool(flag)));
        self
    }

    /// A principal, resource or person: by id or by hash.
    fn named(&mut self, clear: Option<&'static str>, hash: &'static str, who: &Uid) -> &mut Self {
        match (self.1, clear) {
            (Naming::Clear, Some(clear)) => self.text(clear, &*who.id),
            (Naming::Clear, None) => self,
            (Naming::Hashed(hashed), _) => {
                let digest = hashed(who);
                self.shown(hash, digest)
            }
        }
    }
}

/// The attributes that the record at `index` of the ledger gives to a span of this kind.
#[must_use]
pub fn attributes(kind: SpanKind, index: u64, record: &Record, naming: Naming<'_>) -> Attributes {
    let mut list = List(Vec::new(), naming);
    match (&record.event, kind) {
        (Event::RunStarted(run), _) => root(&mut list, run),
        (Event::RunEnded(ended), _) => {
            list.text(a::RUN_OUTCOME, ended.outcome.as_str())
                .text(a::RUN_STOP_REASON, &*ended.stop_reason);
        }
        (Event::CallInvalid(call), _) => {
            called(&mut list, &call.tool, &call.arrival);
            list.shown(a::CALLER_SPAN_ID, call.caller_span)
                .text(a::VALIDATION_PROBLEM, &*call.problem)
                .texts(a::VALIDATION_POINTERS, call.pointers.iter())
                .text(a::ERROR_TYPE, invalid_error(&call.problem));
        }
        (Event::Decision(decision), SpanKind::ExecuteTool) => tool(&mut list, index, decision),
        (Event::Decision(decision), _) => authorize(&mut list, index, decision),
        (Event::Start(start), _) => execution(&mut list, start),
        (Event::Outcome(outcome), SpanKind::InvokeComponent) => ended(&mut list, outcome),
        (Event::Outcome(outcome), _) => {
            list.shown(a::ERROR_TYPE, error_type(outcome.status));
        }
        (Event::Effect(done), _) => effect(&mut list, done),
        (Event::ApprovalRequested(asked), _) => {
            list.shown(a::APPROVAL_ID, Some(asked.id))
                .text(a::APPROVAL_STATUS, "pending")
                .shown(a::APPROVAL_EXPIRES_AT, Some(asked.expires))
                .text(a::APPROVAL_ARGS_HASH, asked.arguments.as_str())
                .shown(a::APPROVAL_REQUIRES, Some(&asked.requirement));
        }
        (Event::ApprovalAnswered(answer), _) if answer.took_effect => answered(&mut list, answer),
        (Event::ApprovalResolved(resolved), SpanKind::Approval) => {
            list.text(a::APPROVAL_STATUS, approval_status(resolved.state));
        }
        (
            Event::ApprovalAnswered(_)
            | Event::ApprovalResolved(_)
            | Event::BundleActivated(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::StandingGranted(_)
            | Event::StandingEnded(_)
            | Event::Halted(_)
            | Event::Resumed(_)
            | Event::Administered(_),
            _,
        ) => {}
    }
    list.0
}

/// The same as a JSON object, with ids in the clear: for data that stays next to the ledger.
#[must_use]
pub fn attribute_map(kind: SpanKind, index: u64, record: &Record) -> Map<String, Value> {
    attributes(kind, index, record, Naming::Clear)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// `tollgate.approval.status`: an approval that was used counts as approved.
pub(super) fn approval_status(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Pending => "pending",
        ApprovalState::Approved | ApprovalState::Consumed => "approved",
        ApprovalState::Rejected => "rejected",
        ApprovalState::Expired => "expired",
        ApprovalState::Cancelled => "cancelled",
    }
}

/// `tollgate.decision.action`: the effect of an outcome on the request.
#[must_use]
pub fn decision_action(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "executed",
        Outcome::Escalate => "held",
        Outcome::Deny | Outcome::Error => "blocked",
    }
}

fn root(list: &mut List<'_>, run: &RunStarted) {
    list.text(a::OPERATION_NAME, operation::INVOKE_AGENT)
        .text(a::AGENT_ID, &*run.principal.id)
        .text(a::AGENT_NAME, &*run.principal.id)
        .shown(a::RUN_KEY, run.key.as_deref())
        .named(None, a::USER_HASH, &run.on_behalf_of)
        .shown(a::CALLER_TRACE_ID, run.origin.trace)
        .shown(a::CALLER_SPAN_ID, run.origin.parent);
}

fn called(list: &mut List<'_>, tool: &str, arrival: &Arrival) {
    list.text(a::OPERATION_NAME, operation::EXECUTE_TOOL)
        .text(a::TOOL_NAME, tool)
        .text(a::TOOL_TYPE, "function")
        .shown(a::TOOL_CALL_ID, arrival.id.as_deref());
    if let Some(protocol) = &arrival.mcp {
        list.text(a::MCP_METHOD, operation::TOOLS_CALL)
            .text(a::MCP_PROTOCOL, &**protocol);
    }
}

fn tool(list: &mut List<'_>, index: u64, d: &DecisionRecord) {
    let name = d.called();
    called(
        list,
        name.as_deref().unwrap_or_else(|| d.action.id()),
        &d.arrival,
    );
    list.shown(a::ARGS_HASH, d.arguments.as_ref())
        .shown(a::CALLER_SPAN_ID, d.caller_span)
        .shown(a::DECISION_ID, Some(DecisionId(index)))
        .spelled(a::DECISION_OUTCOME, Some(d.outcome))
        .texts(a::ARGS_REDACTED, d.redaction.pointers.iter().map(|p| &**p));
    if let Some(size) = d.arguments_size {
        list.number(a::ARGS_SIZE, size);
    }
    if let Some(kept) = d.capture {
        list.text(a::ARGS_CLASS, kept.class.as_str());
    }
    if let Some(digest) = d.component {
        let digest = digest.to_string();
        let digits = digest.rsplit(':').next().unwrap_or_default();
        list.text(a::TOOL_VERSION, digits.get(..12).unwrap_or(digits))
            .text(a::ARTIFACT_HASH, digest);
    }
}

fn authorize(list: &mut List<'_>, index: u64, d: &DecisionRecord) {
    // Cedar knows two answers; an error is neither.
    let native = match d.outcome {
        Outcome::Allow => "allow",
        Outcome::Deny | Outcome::Escalate => "deny",
        Outcome::Error => "",
    };
    let mut reason = String::new();
    for determining in d.determining.iter().filter(|d| !d.reason.is_empty()) {
        if !reason.is_empty() {
            reason.push(' ');
        }
        reason.push_str(&determining.reason);
    }
    list.shown(a::DECISION_ID, Some(DecisionId(index)))
        .spelled(a::DECISION_OUTCOME, Some(d.outcome))
        .text(a::DECISION_NATIVE, native)
        .text(a::DECISION_ACTION, decision_action(d.outcome))
        .text(a::DECISION_MODE, "enforce")
        .text(a::DECISION_REASON, reason)
        .text(a::POLICY_ENGINE, "cedar")
        .text(a::POLICY_SET_DIGEST, d.bundle.to_string())
        .texts(a::POLICY_IDS, d.determining.iter().map(|p| &*p.policy.id))
        .texts(a::POLICY_OWNERS, d.determining.iter().map(|p| &*p.owner))
        .number(a::POLICY_ERROR_COUNT, d.errors.len() as u64)
        .texts(a::POLICY_ERRORS, d.errors.iter().map(ToString::to_string))
        .spelled(a::SHADOW_OUTCOME, d.shadow.as_ref().map(|s| s.outcome))
        .text(a::PRINCIPAL_TYPE, d.principal.kind.name())
        .named(Some(a::PRINCIPAL_ID), a::PRINCIPAL_HASH, &d.principal)
        .text(a::RESOURCE_TYPE, d.resource.kind.name())
        .named(Some(a::RESOURCE_ID), a::RESOURCE_HASH, &d.resource)
        .text(a::ACTION, d.action.id())
        .shown(a::APPROVAL_ID, d.approval)
        .texts(
            a::APPROVAL_STANDING,
            d.standing.iter().map(ToString::to_string),
        );
    if d.action.is_call() {
        list.shown(a::ARGS_HASH, d.arguments.as_ref())
            .shown(a::CALLER_SPAN_ID, d.caller_span)
            .texts(a::ARGS_REDACTED, d.redaction.pointers.iter().map(|p| &**p));
        if let Some(size) = d.arguments_size {
            list.number(a::ARGS_SIZE, size);
        }
    }
    list.shown(a::ARTIFACT_HASH, d.component);
    if let Some(provenance) = &d.provenance {
        origins(list, provenance);
    }
    if let Some(rule) = d.determining.first() {
        list.text(a::RULE_NAME, &*rule.policy.id)
            .text(a::RULE_DESCRIPTION, &*rule.reason)
            .text(a::RULE_VERSION, rule.policy.digest.to_string())
            .text(a::RULE_SET, d.bundle.to_string());
    }
}

fn origins(list: &mut List<'_>, provenance: &ProvenanceSummary) {
    list.flag(a::PROVENANCE_KNOWN, provenance.known)
        .flag(a::PROVENANCE_ASKED, provenance.asked)
        .texts(
            a::PROVENANCE_SINKS,
            provenance.sinks.iter().map(|origin| origin.as_str()),
        )
        .texts(a::PROVENANCE_VALUES, provenance.marks().into_iter())
        .texts(a::PROVENANCE_SOURCES, provenance.places().into_iter());
    if provenance.omitted > 0 {
        list.number(a::PROVENANCE_OMITTED, provenance.omitted);
    }
}

fn execution(list: &mut List<'_>, start: &Start) {
    let reason = match start.attempt {
        _ if start.approval.is_some() || start.resumption => "approval",
        0 | 1 => "initial",
        _ => "retry",
    };
    list.text(a::COMPONENT_NAME, &*start.component)
        .text(a::ARTIFACT_HASH, start.digest.to_string())
        .number(a::ATTEMPT_NUMBER, start.attempt)
        .text(a::ATTEMPT_REASON, reason)
        .shown(a::APPROVAL_ID, start.approval);
    if start.unsandboxed {
        list.flag(a::UNSANDBOXED, true);
    }
}

fn ended(list: &mut List<'_>, outcome: &OutcomeRecord) {
    list.number(a::WASM_FUEL, outcome.fuel)
        .number(a::WASM_PEAK_MEMORY, outcome.peak_memory)
        .shown(a::RESULT_HASH, outcome.result.as_ref())
        .number(a::RESULT_SIZE, outcome.size)
        .spelled(a::RESULT_RELEASE, outcome.release)
        .texts(a::RESULT_LABELS, outcome.labels.iter())
        .number(a::EFFECTS, outcome.effects)
        .spelled(a::STATUS, Some(outcome.status))
        .shown(a::ERROR_TYPE, error_type(outcome.status));
}

fn effect(list: &mut List<'_>, effect: &Effect) {
    list.text(a::CAPABILITY, &*effect.operation)
        .shown(a::CAPABILITY_ERROR, effect.error.as_deref());
    match &effect.details {
        None if effect.operation == Action::ReadConfig.id() => {
            list.text(a::CONFIG_KEY, &*effect.target);
        }
        None => {
            list.text(a::FILE_PATH, &*effect.target)
                .number(a::FILE_SIZE, effect.size);
        }
        Some(EffectDetails::Http(http)) => {
            list.text(a::HTTP_METHOD, &*http.method)
                .text(a::URL_FULL, &*effect.target)
                .text(a::SERVER_ADDRESS, &*http.host)
                .number(a::SERVER_PORT, http.port)
                .shown(a::PEER_ADDRESS, http.address.as_deref());
            if let Some(status) = http.status {
                list.number(a::HTTP_STATUS, status)
                    .number(a::HTTP_BODY_SIZE, effect.size);
            }
            if http.redirects > 0 {
                list.number(a::HTTP_RESEND_COUNT, http.redirects);
            }
        }
        Some(EffectDetails::Secret(secret)) => {
            list.text(a::SECRET_NAME, &*secret.name)
                .text(a::SECRET_VERSION, &*secret.version)
                .text(a::SERVER_ADDRESS, &*secret.host);
        }
    }
}

fn answered(list: &mut List<'_>, answer: &ApprovalAnswered) {
    list.named(
        Some(a::APPROVAL_APPROVER),
        a::APPROVAL_APPROVER_HASH,
        &answer.by,
    )
    .texts(a::APPROVAL_APPROVER_ROLE, answer.roles.iter())
    .text(a::APPROVAL_CHANNEL, &*answer.channel)
    .text(
        a::APPROVAL_ANSWER,
        match (&answer.elicitation, answer.approve) {
            (Some(elicitation), _) => elicitation.action.as_str(),
            (None, true) => "approve",
            (None, false) => "reject",
        },
    )
    .shown(a::APPROVAL_REASON, answer.note.as_deref());
}
