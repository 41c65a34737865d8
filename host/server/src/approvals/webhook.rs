//! Delivery of notifications: at least once, in the order of the records, from a cursor in the store.
//!
//! Requests are signed as in Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body. A failed delivery is
//! retried; after the last attempt it is abandoned, which is recorded, and the next one follows.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tollgate::{config::WebhookConfig, gate::Gate};
use tollgate_ledger::{Order, RecordFilter};
use tollgate_model::{
    backoff::Backoff,
    ids::ApprovalId,
    life::ApprovalState,
    record::{AdminAction, Event, Record},
    time::Timestamp,
};

use super::{
    blocks, links,
    message::{self, AnswerMeans, ApprovalChange, LinkView},
    view::question_of,
};
use crate::{client, reply::ApprovalView};

/// The name of the cursor.
const CURSOR: &str = "webhook";
/// The timeout of one request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts for one notification.
const MAX_ATTEMPTS: u32 = 16;
/// The pause after the first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The most questions whose messages are remembered.
const MAX_TOLD: usize = 1024;
/// Records that are read at a time.
const PAGE: usize = 4096;
/// Records without a notification after which the cursor is written.
const STRIDE: u64 = 4096;

/// The outcome of one delivery attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// There is no notification to send.
    Idle,
    /// The receiver accepted one.
    Sent,
    /// The receiver did not accept it; it is retried later.
    Failed,
    /// All attempts failed; the notification is abandoned, which is recorded.
    GivenUp,
    /// The pause before the next attempt is not over.
    Later,
}

/// The webhook of a gate.
#[derive(Debug)]
pub struct Webhook {
    gate: Gate,
    /// The index of the next record; `None` before the cursor is read.
    next: Option<u64>,
    backoff: Backoff,
    not_before: Timestamp,
    /// The calls that a message about a question listed. Of those that are forgotten, a message may come again.
    told: HashMap<(ApprovalChange, ApprovalId), BTreeSet<ApprovalId>>,
}

/// A notification to send.
struct Notification {
    index: u64,
    what: ApprovalChange,
    approval: ApprovalId,
    state: ApprovalState,
    at: Timestamp,
}

impl Webhook {
    /// The webhook that the configuration of `gate` names.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self {
            gate,
            next: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            not_before: Timestamp(i64::MIN),
            told: HashMap::new(),
        }
    }

    /// Sends the next notification, if there is one and its pause is over.
    pub async fn deliver(&mut self) -> Delivery {
        let ruleset = self.gate.ruleset();
        let Some(config) = &ruleset.config.approvals.webhook else {
            return Delivery::Idle;
        };
        if self.gate.now() < self.not_before {
            return Delivery::Later;
        }
        let due = loop {
            match self.due().await {
                Ok(Some(due)) if self.is_told(&due) => self.pass(&due).await,
                Ok(Some(due)) => break due,
                Ok(None) | Err(_) => return Delivery::Idle,
            }
        };
        let sent = self.send(config, &due).await;
        if sent.is_err() {
            let pause = self.backoff.fail();
            if self.backoff.failures() < MAX_ATTEMPTS {
                self.not_before = self.gate.now().after(pause);
                return Delivery::Failed;
            }
            let target = format!("{} of record #{}", due.what.name(), due.index);
            if self
                .gate
                .record_act(AdminAction::WebhookAbandoned, &target)
                .await
                .is_err()
            {
                return Delivery::Failed;
            }
        }
        self.backoff.reset();
        self.not_before = Timestamp(i64::MIN);
        self.pass(&due).await;
        match sent {
            Ok(listed) => {
                self.remember(&due, listed);
                Delivery::Sent
            }
            Err(_) => Delivery::GivenUp,
        }
    }

    /// Continues with what follows a notification.
    async fn pass(&mut self, due: &Notification) {
        self.next = Some(due.index + 1);
        // Without the cursor it is delivered again after a restart: at least once.
        let _ = self.gate.ledger().set_cursor(CURSOR, due.index + 1).await;
    }

    /// Whether a message that was accepted told this already: it listed the call with others of its question.
    fn is_told(&self, due: &Notification) -> bool {
        let mut told = self.told.iter();
        told.any(|((what, _), listed)| *what == due.what && listed.contains(&due.approval))
    }

    /// Remembers the calls that a message listed, in place of those that earlier ones about the question did.
    fn remember(&mut self, due: &Notification, listed: Option<(ApprovalId, BTreeSet<ApprovalId>)>) {
        let Some((question, listed)) = listed else {
            return;
        };
        if self.told.len() >= MAX_TOLD {
            self.told.clear();
        }
        let told = self.told.entry((due.what, question)).or_default();
        told.extend(listed);
    }

    /// The next notification. When a receiver is configured for the first time, earlier records are skipped.
    async fn due(&mut self) -> Result<Option<Notification>, tollgate_ledger::LedgerError> {
        let ledger = self.gate.ledger();
        let size = ledger.size();
        let from = match self.next {
            Some(next) => next,
            None => match ledger.reader().cursor(CURSOR)? {
                Some(next) => next,
                None => {
                    if ledger.set_cursor(CURSOR, size).await.is_ok() {
                        self.next = Some(size);
                    }
                    return Ok(None);
                }
            },
        };
        let (mut next, mut looked, mut due) = (from, 0, None);
        let filter = RecordFilter {
            range: Some(from..size),
            order: Order::OldestFirst,
            ..RecordFilter::default()
        };
        ledger.reader().records(&filter, |index, record| {
            due = Notification::of(index, &record);
            if due.is_none() {
                next = index + 1;
            }
            looked += 1;
            if due.is_some() || looked >= PAGE {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        self.next = Some(next);
        if next / STRIDE > from / STRIDE {
            let _ = ledger.set_cursor(CURSOR, next).await;
        }
        Ok(due)
    }

    /// Sends a notification. Returns the question and its calls that the message listed, if it was about several.
    async fn send(
        &self,
        config: &WebhookConfig,
        due: &Notification,
    ) -> Result<Option<(ApprovalId, BTreeSet<ApprovalId>)>, String> {
        let view = question_of(&self.gate, due.approval).map_err(|e| e.to_string())?;
        let Some(view) = view else { return Ok(None) };
        let view = ApprovalView {
            state: due.state,
            ..view
        };
        let means = self.means(due, &view).await?;
        let body = message::body(config.format, due.what, due.at, &view, &means);
        let id = format!("evt_{}", due.index);
        let seconds = self.gate.now().0.div_euclid(1_000_000).to_string();
        let client = client::client(&self.gate, PATIENCE)?;
        let mut request = client
            .post(config.url.clone())
            .header(http::header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", &seconds);
        if let Some(name) = &config.secret {
            let secret = self.gate.ruleset().secrets.secret(name).await;
            let secret = secret.map_err(|e| e.to_string())?;
            let signature = signature(&key(secret.value())?, &id, &seconds, &body);
            request = request.header("webhook-signature", signature);
        }
        let response = request
            .body(body)
            .send()
            .await
            .map_err(|e| client::told(&e))?;
        if response.status().is_success() {
            Ok(self.listed(due, &view))
        } else {
            Err(format!("it was answered with status {}", response.status()))
        }
    }
}

impl Webhook {
    /// The calls of a question that need no message of their own any more.
    fn listed(
        &self,
        due: &Notification,
        view: &ApprovalView,
    ) -> Option<(ApprovalId, BTreeSet<ApprovalId>)> {
        let reader = self.gate.ledger().reader();
        let is_told = |id: &ApprovalId| match due.what {
            ApprovalChange::Requested => true,
            ApprovalChange::Resolved => false,
            // Each call has its own time without an answer.
            ApprovalChange::Escalated => {
                let row = reader.approval(*id).ok().flatten();
                row.is_some_and(|row| !row.escalated_to.is_empty())
            }
        };
        let others = view.others.iter().map(|other| other.id);
        let others: BTreeSet<ApprovalId> = others.filter(is_told).collect();
        (!others.is_empty()).then_some((view.question, others))
    }

    /// The means to answer that a notification offers. Links are issued first; a repeated delivery has the same.
    async fn means(&self, due: &Notification, view: &ApprovalView) -> Result<AnswerMeans, String> {
        let gate = &self.gate;
        let ruleset = gate.ruleset();
        let approvals = &ruleset.config.approvals;
        // A question takes an answer with values, which buttons and links do not have.
        if due.what == ApprovalChange::Resolved || view.elicitation.is_some() {
            return Ok(AnswerMeans::default());
        }
        let links = match &approvals.links {
            None => Vec::new(),
            Some(config) => {
                let others = view.others.iter().map(|other| other.id);
                let mut links = Vec::new();
                for approval in std::iter::once(due.approval).chain(others) {
                    let issued = gate.issue_links(approval).await;
                    let issued = issued.map_err(|e| e.to_string())?.into_iter();
                    links.extend(issued.map(|link| LinkView {
                        url: config.url(&links::text(gate, &link)),
                        id: link.id,
                        approval,
                        user: link.user.id,
                        expires: link.expires,
                    }));
                }
                links
            }
        };
        let slack = approvals.slack.as_ref();
        Ok(AnswerMeans {
            links,
            buttons: slack.map(|config| blocks::request_buttons(gate, config, view)),
        })
    }
}

impl Notification {
    fn of(index: u64, record: &Record) -> Option<Self> {
        let (what, approval, state) = match &record.event {
            Event::ApprovalRequested(asked) => {
                (ApprovalChange::Requested, asked.id, ApprovalState::Pending)
            }
            Event::ApprovalEscalated(asked) => {
                (ApprovalChange::Escalated, asked.id, ApprovalState::Pending)
            }
            Event::ApprovalResolved(resolved) => {
                (ApprovalChange::Resolved, resolved.id, resolved.state)
            }
            Event::BundleActivated(_)
            | Event::StandingGranted(_)
            | Event::StandingEnded(_)
            | Event::RunStarted(_)
            | Event::RunEnded(_)
            | Event::CallInvalid(_)
            | Event::Decision(_)
            | Event::Start(_)
            | Event::Outcome(_)
            | Event::Effect(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalAnswered(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::Halted(_)
            | Event::Resumed(_)
            | Event::Administered(_) => return None,
        };
        Some(Self {
            index,
            what,
            approval,
            state,
            at: record.time,
        })
    }
}

/// The signing key: base64 after `whsec_` (Standard Webhooks 1.0), or the bytes of the secret.
///
/// # Errors
/// `whsec_` without valid base64: the receiver would reject every signature and could not say why.
fn key(secret: &[u8]) -> Result<Vec<u8>, String> {
    let Some(encoded) = secret.strip_prefix(b"whsec_") else {
        return Ok(secret.to_vec());
    };
    STANDARD
        .decode(encoded)
        .map_err(|_| "its secret begins with `whsec_`, and what follows is not base64".into())
}

fn signature(key: &[u8], id: &str, seconds: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length (RFC 2104, section 2).
        return String::new();
    };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests;
