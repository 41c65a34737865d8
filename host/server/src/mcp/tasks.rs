//! Calls that wait for a human, as tasks (the extension `io.modelcontextprotocol/tasks`).
//!
//! A task is its approval: the same id, the same row, and as long as the call has not begun, the same state.
//! So a task outlives this process, a client that comes back later finds it, and one that is cancelled stays
//! so. Its call is made once the approval is given, and its result kept for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData,
    model::{CallToolResult, DetailedTask, Task, TaskPayload, TaskStatus},
};
use serde_json::Value;
use tokio::sync::watch;
use tollgate::{
    enforce::Answer, enforce::ApprovalError, enforce::Refusal, enforce::Verdict, gate::Gate,
    identity::Caller,
};
use tollgate_ledger::ApprovalRow;
use tollgate_model::{entity::Uid, ids::ApprovalId, life::ApprovalState};

use super::{Server, answer, held_call::HeldCall, origin::Place};
use crate::approval_wait::pending;

/// Tasks that are kept at once, and of one caller.
const MAX_TASKS: usize = 10_000;
const MAX_OWN: usize = 100;
/// How long a result is kept.
const KEPT: Duration = Duration::from_secs(900);
/// How often a client should ask.
const POLL: Duration = Duration::from_secs(1);
/// How long one wait for an answer lasts before it is taken up again.
const LOOK: Duration = Duration::from_secs(60);

/// The tasks of this process.
#[derive(Debug, Default)]
pub(super) struct Tasks(Arc<Mutex<HashMap<ApprovalId, Entry>>>);

#[derive(Debug)]
struct Entry {
    /// Whose it is.
    principal: Uid,
    task: Task,
    /// What its call waits for: the approval that it began with, or one that was asked for after that.
    waits_for: ApprovalId,
    end: Option<(Instant, End)>,
    cancel: watch::Sender<bool>,
}

impl Entry {
    /// Ends the task unless it has ended already.
    fn ends(&mut self, end: End) {
        if self.end.is_none() {
            self.task.last_updated_at = timestamp();
            self.task.status_message = None;
            self.end = Some((Instant::now(), end));
        }
    }
}

#[derive(Debug, Clone)]
enum End {
    /// The call of this tool came to an answer.
    Answered(Box<Answer>, String),
    /// There is nothing more to say of it than this.
    Over(String),
    Cancelled,
}

impl End {
    /// The end of a call whose approval is over, or has been used elsewhere; nothing while it may be made.
    fn of(row: &ApprovalRow, gate: &Gate) -> Option<Self> {
        let id = row.id;
        match row.state {
            ApprovalState::Pending | ApprovalState::Approved if row.expires > gate.now() => None,
            ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Expired => {
                let text = if row.waiting.is_empty() {
                    format!("Not called: the approval {id} has expired. Nothing ran.")
                } else {
                    format!("The call does not go on: the approval {id} has expired.")
                };
                Some(Self::Over(text))
            }
            ApprovalState::Rejected => {
                let outermost = row.waiting.first();
                let rejected = Answer {
                    run: Some(row.run),
                    call: outermost.map_or(row.call, |outermost| outermost.call),
                    edit: None,
                    decision: None,
                    redacted_arguments: Box::default(),
                    verdict: Verdict::Refused(Refusal::Rejected {
                        approval: id,
                        until: row.expires,
                    }),
                };
                let tool = outermost.map_or(&row.tool, |outermost| &outermost.tool);
                Some(Self::Answered(Box::new(rejected), tool.clone()))
            }
            ApprovalState::Cancelled => Some(Self::Cancelled),
            ApprovalState::Consumed if gate.is_underway(id) => None,
            ApprovalState::Consumed => {
                let text =
                    "The call has been made, and its result is no longer kept here: see the run.";
                Some(Self::Over(text.into()))
            }
        }
    }

    fn payload(self, gate: &Gate, legacy: bool) -> TaskPayload {
        match self {
            Self::Cancelled => TaskPayload::Cancelled,
            Self::Over(text) => completed(&answer::refusal(&text)),
            Self::Answered(answer, tool) => {
                let ruleset = gate.ruleset();
                let tool = ruleset.tools.get(&tool).map(|tool| &**tool);
                completed(&answer::result(*answer, tool, legacy))
            }
        }
    }
}

type TaskEntries = HashMap<ApprovalId, Entry>;

impl Tasks {
    fn with<T>(&self, f: impl FnOnce(&mut TaskEntries) -> T) -> T {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, entry| match &entry.end {
            Some((at, _)) => at.elapsed() < KEPT,
            None => true,
        });
        f(&mut kept)
    }

    /// Make a task of a call that waits. Nothing if there are too many: the call is held then.
    pub(super) fn begin(
        &self,
        server: &Server,
        approval: ApprovalId,
        asked: &HeldCall,
        answer: &Answer,
    ) -> Option<Task> {
        let message = answer.message().unwrap_or_default();
        self.with(|kept| match kept.get(&approval) {
            // The same call again: the same task.
            Some(entry) if entry.end.is_none() => Some(entry.task.clone()),
            _ => self.spawn(kept, server, approval, asked.clone(), message),
        })
    }

    /// Wait for the approval and make the call then, in a task of this process. Nothing if there are too
    /// many.
    fn spawn(
        &self,
        kept: &mut TaskEntries,
        server: &Server,
        approval: ApprovalId,
        asked: HeldCall,
        message: String,
    ) -> Option<Task> {
        let principal = asked.caller.principal();
        let own = kept.values().filter(|entry| entry.principal == principal);
        if kept.len() >= MAX_TASKS || own.count() >= MAX_OWN {
            return None;
        }
        let task = working(server.gate(), approval, message);
        let (cancel, cancelled) = watch::channel(false);
        kept.insert(
            approval,
            Entry {
                principal,
                task: task.clone(),
                waits_for: approval,
                end: None,
                cancel,
            },
        );
        // The request that began it has its answer; from here on the task can be cancelled, and not that.
        let asked = HeldCall { cancelled, ..asked };
        let (server, tasks) = (server.clone(), Self(Arc::clone(&self.0)));
        tokio::spawn(async move {
            let Some(end) = tasks.finished(&server, asked, approval).await else {
                // The approval stays, and the next request resumes the task.
                return;
            };
            tasks.with(|kept| {
                if let Some(entry) = kept.get_mut(&approval) {
                    entry.ends(end);
                }
            });
        });
        Some(task)
    }

    /// Waits until the approval is answered and makes the call; again if the call requests another approval.
    /// Nothing if the server leaves before.
    async fn finished(
        &self,
        server: &Server,
        mut asked: HeldCall,
        task: ApprovalId,
    ) -> Option<End> {
        let gate = server.gate();
        let mut approval = task;
        loop {
            let waiter = gate.waiter(approval);
            tokio::select! {
                biased;
                true = is_told(&mut asked.cancelled) => {
                    // The approval may have been requested during the cancellation. If this cannot be
                    // recorded, the approval stays pending until it expires, and the call is not made.
                    let _ = gate.withdraw(&asked.caller, approval).await;
                    return Some(End::Cancelled);
                }
                () = server.leaving().cancelled() => return None,
                _ = gate.approval_settled(approval, LOOK) => {}
            }
            match gate.own_approval(&asked.caller, approval) {
                Ok(row) => match End::of(&row, gate) {
                    Some(end) => return Some(end),
                    None if row.state == ApprovalState::Pending => continue,
                    None => {}
                },
                Err(_) => {
                    let text = format!("The approval {approval} cannot be read.");
                    return Some(End::Over(text));
                }
            }
            let answer = asked.call(gate, None).await;
            drop(waiter);
            match pending(&answer) {
                Some(next) => approval = next,
                None => return Some(End::Answered(Box::new(answer), asked.request.tool)),
            }
            self.with(|kept| {
                if let Some(entry) = kept.get_mut(&task) {
                    entry.waits_for = approval;
                }
            });
        }
    }

    /// A task as it is now. A task of an earlier process is resumed if its call may still be made.
    ///
    /// # Errors
    /// A task that is not the caller's, or that cannot be read.
    pub(super) fn get(
        &self,
        server: &Server,
        caller: &Caller,
        place: &Place,
        id: &str,
        legacy: bool,
    ) -> Result<DetailedTask, ErrorData> {
        let gate = server.gate();
        let row = own(gate, caller, id)?;
        let approval = row.id;
        let found = self.with(|kept| {
            let entry = kept.get(&approval)?;
            let end = entry.end.as_ref().map(|(_, end)| end.clone());
            Some((entry.task.clone(), end))
        });
        let message = format!("waiting for a person to answer {approval}");
        let (task, end) = match found {
            Some(found) => found,
            None => {
                let end = End::of(&row, gate);
                if end.is_none() {
                    self.take_up(server, caller, place, &row, &message);
                }
                (working(gate, approval, message), end)
            }
        };
        let payload = end.map_or(TaskPayload::Working, |end| end.payload(gate, legacy));
        Ok(DetailedTask::new(task, payload))
    }

    /// Wait for the approval of an earlier process's task, as far as this one has room. If it has none, the
    /// task is as it was, and taken up when it is asked for again.
    fn take_up(
        &self,
        server: &Server,
        caller: &Caller,
        place: &Place,
        row: &ApprovalRow,
        message: &str,
    ) {
        let gate = server.gate();
        if server.leaving().is_cancelled() || server.rate().count(gate, caller).is_err() {
            return;
        }
        let Ok(stored) = gate.pending_call(caller, row.id) else {
            return;
        };
        // Only the task can cancel it.
        let (_, cancelled) = watch::channel(false);
        let asked = HeldCall {
            caller: caller.clone(),
            place: place.clone(),
            request: stored.request,
            earlier: Some(stored.run),
            cancelled,
        };
        self.with(|kept| {
            if !kept.contains_key(&row.id) {
                self.spawn(kept, server, row.id, asked, message.into());
            }
        });
    }

    /// That the caller has this task.
    ///
    /// # Errors
    /// A task that is not the caller's, or that cannot be read.
    pub(super) fn known(&self, gate: &Gate, caller: &Caller, id: &str) -> Result<(), ErrorData> {
        own(gate, caller, id).map(drop)
    }

    /// Voids the task's approval, so that its call is not made. A call that runs already is cancelled.
    ///
    /// # Errors
    /// A task that is not the caller's, or whose cancellation cannot be recorded.
    pub(super) async fn cancel(
        &self,
        gate: &Gate,
        caller: &Caller,
        id: &str,
    ) -> Result<(), ErrorData> {
        let task = own(gate, caller, id)?.id;
        let waits_for = self.with(|kept| kept.get(&task).map_or(task, |entry| entry.waits_for));
        let state = gate.withdraw(caller, waits_for).await;
        let state = state.map_err(|error| problem(&error))?;
        self.with(|kept| {
            if let Some(entry) = kept.get_mut(&task) {
                entry.cancel.send_replace(true);
                if state == ApprovalState::Cancelled {
                    entry.ends(End::Cancelled);
                }
            }
        });
        Ok(())
    }
}

/// Waits until a task is cancelled; `false` if the sender is gone, so that it never will be.
async fn is_told(cancelled: &mut watch::Receiver<bool>) -> bool {
    cancelled.wait_for(|cancelled| *cancelled).await.is_ok()
}

/// The approval that is the caller's task.
fn own(gate: &Gate, caller: &Caller, id: &str) -> Result<ApprovalRow, ErrorData> {
    let id = id.parse().map_err(|_| unknown())?;
    gate.own_approval(caller, id)
        .map_err(|error| problem(&error))
}

fn problem(error: &ApprovalError) -> ErrorData {
    match error {
        ApprovalError::NotFound(_) => unknown(),
        error => ErrorData::internal_error(error.to_string(), None),
    }
}

/// The task of a call that waits.
fn working(gate: &Gate, approval: ApprovalId, message: String) -> Task {
    let now = timestamp();
    let mut task = Task::new(approval.to_string(), TaskStatus::Working, now.clone(), now);
    let lasts = gate.ruleset().config.approval_expires + KEPT;
    task.ttl_ms = u64::try_from(lasts.as_millis()).ok();
    task.poll_interval_ms = u64::try_from(POLL.as_millis()).ok();
    task.status_message = Some(message);
    task
}

fn completed(result: &CallToolResult) -> TaskPayload {
    match serde_json::to_value(result) {
        Ok(Value::Object(result)) => TaskPayload::Completed { result },
        _ => TaskPayload::Completed {
            result: Default::default(),
        },
    }
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("there is no such task of yours", None)
}

fn timestamp() -> String {
    jiff::Timestamp::now().to_string()
}
