//! What an upstream server asks a person in the middle of a call.
//!
//! It is decided, and recorded with the request for an answer, before a person sees it. The answer is recorded when it
//! is given. Then it is decided again, with that person as the approval, and only a recorded allow lets it go to the
//! server. Each end of a question is recorded before the server is notified. A crash before that leaves an open question,
//! which is cancelled at the next start: its call is over.

mod wait;

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tollgate_ledger::{ApprovalRow, Batch, Condition};
use tollgate_model::{
    canonical,
    decision::{Approvers, Decision, Requirement, Severity},
    entity::{Entity, Kind, Uid},
    ids::{ApprovalId, DecisionId, SpanId},
    life::ApprovalState,
    record::{ApprovalRequested, ElicitationAction, ElicitationSummary, Event},
    request::{Action, ActionContext, Facts, PriorApproval, Request},
};
use tollgate_sandbox::port::{EffectReport, Permit};

use super::{Capabilities, EffectAction, EffectCaller};
use crate::{
    elicitation::{Elicitation, ElicitationAnswer, ElicitationGuard},
    enforce::{Permitted, Refusal, grant_from_row},
    tool::Tool,
};

/// The most questions in one call.
const MAX_OF_CALL: u32 = 16;

/// A question of the call's server, as policy decides about it.
#[derive(Debug, Clone)]
struct ElicitInput {
    elicitation: Arc<Elicitation>,
    tool: Arc<Tool>,
    /// Bytes of the question.
    size: u64,
}

/// A decision about a question, before it is recorded.
struct JudgedQuestion {
    request: Request,
    facts: Facts,
    decision: Decision,
    begun: Instant,
}

impl JudgedQuestion {
    /// The refusal of what was not allowed.
    fn refusal(self, decision: DecisionId) -> Refusal {
        let basis = Box::new(self.decision.basis().clone());
        match self.decision {
            Decision::Error(_) => Refusal::Undecidable { decision, basis },
            Decision::Allow(_) | Decision::Deny(_) | Decision::Escalate(..) => {
                Refusal::Denied { decision, basis }
            }
        }
    }
}

/// A question that is recorded and waits for its answer.
struct AskedElicitation {
    id: ApprovalId,
    answer: oneshot::Receiver<ElicitationAnswer>,
    /// Keeps it open.
    _open: ElicitationGuard,
}

impl EffectAction for ElicitInput {
    fn request(&self, caller: &EffectCaller) -> Request {
        let (form, page) = (self.elicitation.form(), self.elicitation.page());
        Request {
            principal: Uid::new(Kind::Component, &caller.component),
            action: Action::ElicitInput,
            resource: Uid::new(Kind::Tool, &caller.tool),
            context: ActionContext::Elicitation {
                guest: caller.guest(),
                mode: self.elicitation.mode().as_str().to_owned(),
                message: self.elicitation.message.clone(),
                fields: form.map_or_else(BTreeSet::new, |form| form.names().cloned().collect()),
                schema: form.map_or_else(String::new, |form| form.canonical().to_owned()),
                url: page.map_or_else(String::new, |page| page.url().to_owned()),
                host: page.map_or_else(String::new, |page| page.host().to_owned()),
                size: self.size,
            },
        }
    }

    /// The configuration names tools. A prompt or a resource is a tool here, as for who may answer.
    fn entities(&self, _: &EffectCaller) -> Vec<Entity> {
        vec![Entity {
            uid: Uid::new(Kind::Tool, &self.tool.name),
            ..self.tool.entity(&Value::Null)
        }]
    }

    fn changes_the_world(&self) -> bool {
        true
    }

    fn target(&self) -> String {
        self.elicitation.summary()
    }

    fn approval_detail(&self) -> Value {
        self.elicitation.to_json()
    }

    fn result_labels(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }
}

impl Capabilities {
    /// Has a person asked, and returns what the server gets. `over` ends the wait: the call has ended, or the server
    /// asks no longer.
    pub(crate) async fn elicit(
        &self,
        elicitation: Elicitation,
        over: impl Future<Output = ()>,
    ) -> ElicitationAnswer {
        let begun = Instant::now();
        if let Some(problem) = self.obstacle() {
            return self.unasked(ElicitationAction::Cancel, problem);
        }
        let act = match self.elicit_input(elicitation) {
            Ok(act) => act,
            Err(problem) => return self.unasked(ElicitationAction::Cancel, &problem),
        };
        let mut asked = match self.ask_person(&act).await {
            Ok(asked) => asked,
            Err(Refusal::Denied { .. } | Refusal::Undecidable { .. }) => {
                let problem = "policy does not permit it";
                return self.unasked(ElicitationAction::Decline, problem);
            }
            Err(refusal) => {
                let problem = match refusal {
                    Refusal::TooManyPending { most, .. } => {
                        format!("{most} approvals of its principal are pending")
                    }
                    Refusal::Unrecorded { reason } => reason,
                    _ => "the call has ended or is halted".into(),
                };
                return self.unasked(ElicitationAction::Cancel, &problem);
            }
        };
        let answer = self.await_person(&mut asked, over).await;
        if answer.action != ElicitationAction::Accept {
            return answer;
        }
        // A person takes up to hours, in which a policy may have been activated that forbids this.
        if let Some(problem) = self.obstacle() {
            self.resolve_elicitation(asked.id, ApprovalState::Cancelled)
                .await;
            return self.unasked(ElicitationAction::Cancel, problem);
        }
        let size = match &answer.content {
            Some(content) => canonical::to_canonical(&Value::Object(content.clone()))
                .map_or(0, |bytes| bytes.len() as u64),
            None => 0,
        };
        match self.permit_answer(act, asked.id).await {
            Ok(permit) => {
                self.complete_effect(permit, EffectReport::new(begun, Ok(size)));
                answer
            }
            Err(refusal) => {
                let action = match refusal {
                    Refusal::Denied { .. } | Refusal::Undecidable { .. } => {
                        ElicitationAction::Decline
                    }
                    _ => ElicitationAction::Cancel,
                };
                self.resolve_elicitation(asked.id, ApprovalState::Cancelled)
                    .await;
                self.unasked(action, "the answer may not be sent any more")
            }
        }
    }

    /// The answer to a question that no person answers, with a line in the call's log that says why.
    fn unasked(&self, action: ElicitationAction, why: &str) -> ElicitationAnswer {
        let server = &self.tool.source.name;
        let line = format!("`{server}` wanted to ask a person, and was answered `{action}`: {why}");
        self.record_log("warn", &line);
        ElicitationAnswer::without_content(action)
    }

    /// Why no person may be asked for the call any more: it is decided by what was in force when it arrived.
    fn obstacle(&self) -> Option<&'static str> {
        if !Arc::ptr_eq(&self.pep.capture.load_full(), &self.cx.ruleset.capture) {
            return Some("policies were activated since its call began");
        }
        let token = self.pep.token_makers(&self.cx.ruleset, self.cx.token);
        token
            .is_err()
            .then_some("the token of its call is not valid any more")
    }

    /// Counts a question of the call's server, also one that turns out to be malformed. Returns the answer to one that
    /// is too many.
    pub(crate) fn count_question(&self) -> Option<ElicitationAnswer> {
        let count = {
            let mut pending = self.pending();
            pending.elicitations = pending.elicitations.saturating_add(1);
            pending.elicitations
        };
        (count > MAX_OF_CALL).then(|| {
            let problem = format!("one call asks at most {MAX_OF_CALL} questions");
            self.unasked(ElicitationAction::Cancel, &problem)
        })
    }

    /// The act, if it asks for no secret.
    ///
    /// # Errors
    /// Why no person may be asked this.
    fn elicit_input(&self, elicitation: Elicitation) -> Result<ElicitInput, String> {
        let capture = &self.cx.ruleset.capture;
        let asks_for_secret = elicitation.form().is_some_and(|form| {
            let mut names = form.names_and_titles();
            names.any(|name| capture.is_secret_name(name))
        });
        if asks_for_secret {
            let problem = "a form may not ask for a secret; MCP has the mode `url` for that";
            return Err(problem.into());
        }
        let size = elicitation.to_json().to_string().len() as u64;
        Ok(ElicitInput {
            elicitation: Arc::new(elicitation),
            tool: Arc::clone(&self.tool),
            size,
        })
    }

    /// Decides about a question, and records it with the request for an answer.
    ///
    /// # Errors
    /// [`Refusal`]: then no person was asked.
    async fn ask_person(&self, act: &ElicitInput) -> Result<AskedElicitation, Refusal> {
        let mut judged = self.judge_question(act, None)?;
        let requirement = match &judged.decision {
            Decision::Allow(_) => Some(any_person()),
            // One person answers, so the approval of several is never given.
            Decision::Escalate(_, requirement) if requires_one(requirement) => {
                Some(requirement.clone())
            }
            Decision::Escalate(basis, _) => {
                judged.decision = Decision::Deny(basis.clone());
                None
            }
            Decision::Deny(_) | Decision::Error(_) => None,
        };
        let id = self.pep.ids.approval();
        let is_escalated = matches!(judged.decision, Decision::Escalate(..));
        let approval = Some(id).filter(|_| is_escalated);
        let mut batch = self.question_batch(&judged, self.pep.span_id(), approval)?;
        let Some(requirement) = requirement else {
            let committed = self.commit(batch, None).await?;
            return Err(judged.refusal(DecisionId(committed.first)));
        };
        let upstream = &self.tool.source.name;
        let elicitations = &self.pep.elicitations;
        let open = elicitations.open(id, upstream, self.cx.run, &act.elicitation);
        let too_many = || Refusal::Unrecorded {
            reason: format!("too many questions of `{upstream}` are open"),
        };
        // Open before it is recorded: a reader of the record can answer it.
        let (open, answer) = open.ok_or_else(too_many)?;
        self.request_answer(act, id, requirement, &mut batch)?;
        self.commit(batch, None).await?;
        self.pep.approvals_changed();
        Ok(AskedElicitation {
            id,
            answer,
            _open: open,
        })
    }

    /// Decides about a question, with the approval that it has.
    fn judge_question(
        &self,
        act: &ElicitInput,
        approval: Option<PriorApproval>,
    ) -> Result<JudgedQuestion, Refusal> {
        let begun = Instant::now();
        self.ensure_active(act)?;
        let (request, mut facts) = self.known_about(act, self.pep.now())?;
        facts.approval = approval;
        Ok(JudgedQuestion {
            decision: self.cx.ruleset.pdp.decide(&request, &facts),
            request,
            facts,
            begun,
        })
    }

    /// The record of a decision about a question.
    fn question_batch(
        &self,
        judged: &JudgedQuestion,
        span: SpanId,
        approval: Option<ApprovalId>,
    ) -> Result<Batch, Refusal> {
        let JudgedQuestion {
            request,
            facts,
            decision,
            begun,
        } = judged;
        let ruleset = &self.cx.ruleset;
        let (draft, payload) = self
            .pep
            .decision_record(ruleset, request, facts, decision, span, *begun)?;
        let component = self.tool.source.digest;
        let draft = draft
            .for_capability(&self.cx, self.span, component, BTreeSet::new())
            .approval(approval);
        let effects = u64::from(matches!(decision, Decision::Allow(_)) && approval.is_some());
        self.pending().begin(effects, payload.ciphertext.len())?;
        Ok(Batch {
            records: vec![self.pep.record(&self.cx, facts.now, draft.into())],
            payloads: vec![payload],
            conditions: Vec::new(),
        })
    }

    /// Adds the request for a person's answer to the batch.
    fn request_answer(
        &self,
        act: &ElicitInput,
        id: ApprovalId,
        requirement: Requirement,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let now = self.pep.now();
        let unrecorded = |reason: String| Refusal::Unrecorded { reason };
        let (ruleset, upstream) = (&self.cx.ruleset, &self.tool.source.name);
        let mut shown = act.elicitation.to_json();
        if let Some(members) = shown.as_object_mut() {
            members.insert("server".into(), json!(upstream));
        }
        let shown = canonical::to_canonical(&shown)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| unrecorded("the question has no canonical form".into()))?;
        let payload = self.pep.seal(ruleset, now, &shown, "arguments")?;
        // Of two equal questions, even in one call, each has its own answer.
        let asked = id.to_string();
        let parts = [
            b"elicitation".as_slice(),
            asked.as_bytes(),
            shown.as_bytes(),
        ];
        let digest = self.pep.ledger.digest(&ruleset.config.gate.tenant, &parts);
        let lasts = u64::try_from(ruleset.config.approvals.elicitation_expires.as_micros());
        let page = act.elicitation.page();
        let requested = Event::ApprovalRequested(Box::new(ApprovalRequested {
            question: None,
            arguments: digest.map_err(|e| unrecorded(e.to_string()))?,
            call: self.cx.call,
            capability: Some(format!("asks for {}", act.elicitation.summary())),
            component: self.tool.source.digest,
            declared: None,
            elicitation: Some(ElicitationSummary {
                upstream: upstream.clone(),
                mode: act.elicitation.mode(),
                host: page.map(|page| page.host().to_owned()),
            }),
            expires: now.plus(lasts.unwrap_or(u64::MAX)),
            id,
            makers: self.cx.makers.clone(),
            on_behalf_of: self.cx.on_behalf_of.clone(),
            payload: payload.digest,
            principal: self.cx.principal.clone(),
            requirement,
            round: 1,
            span: self.pep.span_id(),
            speaker: self.cx.speaker.clone(),
            tool: self.tool.name.clone(),
            via: self.cx.via(),
            waiting: Vec::new(),
        }));
        batch
            .records
            .push(self.pep.record(&self.cx, now, requested));
        batch.payloads.push(payload);
        batch.conditions.push(Condition::RunOpen(self.cx.run));
        batch.conditions.extend(self.not_halted());
        let whose = self.cx.pending_whose(now);
        let most = ruleset.config.approvals.max_pending;
        batch.conditions.push(Condition::PendingBelow(whose, most));
        Ok(())
    }

    /// Decides again, with the person who answered as the approval, and records that the answer is sent.
    ///
    /// # Errors
    /// [`Refusal`]: then the answer is not sent.
    async fn permit_answer(
        &self,
        act: ElicitInput,
        id: ApprovalId,
    ) -> Result<Permit<ElicitInput>, Refusal> {
        let row = self.elicitation_row(id)?;
        let granted = grant_from_row(&row, &self.cx.ruleset.config);
        let mut judged = self.judge_question(&act, Some(granted))?;
        if let Decision::Escalate(basis, _) = &judged.decision {
            judged.decision = Decision::Deny(basis.clone());
        }
        let span = self.pep.span_id();
        let is_allowed = matches!(judged.decision, Decision::Allow(_));
        let mut batch = self.question_batch(&judged, span, Some(id).filter(|_| is_allowed))?;
        if !is_allowed {
            let committed = self.commit(batch, None).await?;
            return Err(judged.refusal(DecisionId(committed.first)));
        }
        batch.conditions.push(Condition::RunOpen(self.cx.run));
        batch.conditions.extend(self.not_halted());
        let unchanged = Condition::ApprovalUnchanged(row.id, row.version);
        batch.conditions.push(unchanged);
        let committed = self.commit(batch, None).await;
        let committed = committed.inspect_err(|_| self.pending().revert(1))?;
        let permitted = Permitted::new(act, span, span, &committed.receipt)?;
        Ok(permitted.for_guest(self.pep.ledger.label_epoch()))
    }

    fn elicitation_row(&self, id: ApprovalId) -> Result<ApprovalRow, Refusal> {
        let row = self.pep.ledger.reader().approval(id);
        row.ok().flatten().ok_or_else(|| Refusal::Unrecorded {
            reason: "the question is not in the ledger".into(),
        })
    }
}

/// Whether one person's approval can be enough.
fn requires_one(requirement: &Requirement) -> bool {
    let mut alternatives = requirement.alternatives.iter();
    alternatives.any(|approvers| approvers.count <= 1)
}

/// The answer of any person who may answer.
fn any_person() -> Requirement {
    Requirement {
        alternatives: vec![Approvers {
            count: 1,
            roles: BTreeSet::new(),
        }],
        lifts: BTreeSet::new(),
        severity: Severity::default(),
    }
}
