//! Calls that wait for a human, as tasks (the extension `io.modelcontextprotocol/tasks`).
//!
//! A task is its approval: the same id, the same row. So a task outlives this process, and a client
//! that comes back later finds it. Its call is made once the approval is given, and its result kept for
//! a while.

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
use tokio_util::sync::CancellationToken;
use tollgate::{call::Answer, pip::Caller};
use tollgate_core::{ids::ApprovalId, life::ApprovalState};

use super::{
    Server, answer,
    hold::{Asked, goes_on, pending},
    origin::Place,
};

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
    caller: Caller,
    task: Task,
    end: Option<(Instant, End)>,
    cancelled: CancellationToken,
}

#[derive(Debug, Clone)]
enum End {
    /// The call of this tool came to an answer.
    Answered(Box<Answer>, String),
    /// It was not made.
    Over(String),
    Cancelled,
}

type Kept = HashMap<ApprovalId, Entry>;

impl Tasks {
    fn with<T>(&self, f: impl FnOnce(&mut Kept) -> T) -> T {
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
        asked: &Asked,
        answer: &Answer,
    ) -> Option<Task> {
        let message = answer.message().unwrap_or_default();
        self.with(|kept| {
            if let Some(entry) = kept.get(&approval) {
                // The same call again: the same task.
                return (entry.caller == asked.caller).then(|| entry.task.clone());
            }
            let own = kept.values().filter(|entry| entry.caller == asked.caller);
            if kept.len() >= MAX_TASKS || own.count() >= MAX_OWN {
                return None;
            }
            Some(self.spawn(kept, server, approval, asked.clone(), message))
        })
    }

    /// Wait for the approval and make the call then, in a task of this process.
    fn spawn(
        &self,
        kept: &mut Kept,
        server: &Server,
        approval: ApprovalId,
        asked: Asked,
        message: String,
    ) -> Task {
        let now = timestamp();
        let mut task = Task::new(approval.to_string(), TaskStatus::Working, now.clone(), now);
        let lasts = server.gate().snapshot().config.approval_expires + KEPT;
        task.ttl_ms = u64::try_from(lasts.as_millis()).ok();
        task.poll_interval_ms = u64::try_from(POLL.as_millis()).ok();
        task.status_message = Some(message);
        let cancelled = CancellationToken::new();
        kept.insert(
            approval,
            Entry {
                caller: asked.caller.clone(),
                task: task.clone(),
                end: None,
                cancelled: cancelled.clone(),
            },
        );
        let (server, all) = (server.clone(), Arc::clone(&self.0));
        tokio::spawn(async move {
            let Some(end) = finished(&server, &asked, approval, &cancelled).await else {
                // The approval stays, and whoever comes next takes the task up again.
                return;
            };
            let mut kept = all.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = kept.get_mut(&approval) {
                entry.task.last_updated_at = timestamp();
                entry.task.status_message = None;
                entry.end = Some((Instant::now(), end));
            }
        });
        task
    }

    /// A task as it is now.
    pub(super) fn get(
        &self,
        server: &Server,
        caller: &Caller,
        place: &Place,
        id: &str,
        legacy: bool,
    ) -> Result<DetailedTask, ErrorData> {
        let approval: ApprovalId = id.parse().map_err(|_| unknown())?;
        let found = self.with(|kept| {
            let entry = kept.get(&approval)?;
            (entry.caller == *caller).then(|| (entry.task.clone(), entry.end.clone()))
        });
        if let Some((task, end)) = found {
            let payload = match end {
                None => TaskPayload::Working,
                Some((_, End::Cancelled)) => TaskPayload::Cancelled,
                Some((_, End::Over(text))) => completed(&answer::refusal(&text)),
                Some((_, End::Answered(answer, tool))) => {
                    let snapshot = server.gate().snapshot();
                    let tool = snapshot.tools.get(&tool).map(|tool| &**tool);
                    completed(&answer::result(*answer, tool, legacy))
                }
            };
            return Ok(DetailedTask::new(task, payload));
        }
        // Of an earlier process: the approval is still there.
        let stored = server
            .gate()
            .stored_call(caller, approval)
            .map_err(|_| unknown())?;
        if stored.state == ApprovalState::Consumed {
            let text =
                "The call has been made, and its result is no longer kept here: see the run.";
            let now = timestamp();
            let task = Task::new(id, TaskStatus::Completed, now.clone(), now);
            return Ok(DetailedTask::new(task, completed(&answer::refusal(text))));
        }
        let asked = Asked {
            caller: caller.clone(),
            place: place.clone(),
            request: stored.request,
            earlier: Some(stored.run),
        };
        let message = format!("waiting for a person to answer {approval}");
        let task = self.with(|kept| match kept.get(&approval) {
            Some(entry) => entry.task.clone(),
            None => self.spawn(kept, server, approval, asked, message),
        });
        Ok(DetailedTask::new(task, TaskPayload::Working))
    }

    /// That the caller has this task.
    pub(super) fn known(&self, caller: &Caller, id: &str) -> Result<(), ErrorData> {
        let approval: ApprovalId = id.parse().map_err(|_| unknown())?;
        let known = self.with(|kept| kept.get(&approval).map(|entry| entry.caller == *caller));
        if known == Some(true) {
            Ok(())
        } else {
            Err(unknown())
        }
    }

    /// Wait no longer: the call is not made, unless it runs already.
    pub(super) fn cancel(&self, caller: &Caller, id: &str) -> Result<(), ErrorData> {
        self.known(caller, id)?;
        let approval: ApprovalId = id.parse().map_err(|_| unknown())?;
        self.with(|kept| {
            if let Some(entry) = kept.get(&approval) {
                entry.cancelled.cancel();
            }
        });
        Ok(())
    }
}

/// What becomes of a call once its approval is answered; and if it asks for another, once that is.
/// Nothing if the server leaves before.
async fn finished(
    server: &Server,
    asked: &Asked,
    first: ApprovalId,
    cancelled: &CancellationToken,
) -> Option<End> {
    let gate = server.gate();
    let mut approval = first;
    loop {
        let waiter = gate.waiter(approval);
        let state = tokio::select! {
            biased;
            () = cancelled.cancelled() => return Some(End::Cancelled),
            () = server.leaving().cancelled() => return None,
            state = gate.approval_settled(approval, LOOK) => state,
        };
        let over = |what: &str| {
            let text = format!("Not called: the approval {approval} {what}. Nothing ran.");
            Some(End::Over(text))
        };
        match state {
            Ok(ApprovalState::Pending) if expired(server, approval) => {
                return over("has expired without an answer");
            }
            Ok(ApprovalState::Pending) => continue,
            Ok(state) if goes_on(state) => {}
            Ok(state) => return over(&format!("is {}", state.as_str())),
            Err(_) => return over("cannot be read"),
        }
        let answer = asked.call(gate, None).await;
        drop(waiter);
        match pending(&answer) {
            Some(next) => approval = next,
            None => {
                let tool = asked.request.tool.clone();
                return Some(End::Answered(Box::new(answer), tool));
            }
        }
    }
}

fn expired(server: &Server, approval: ApprovalId) -> bool {
    let row = server.gate().ledger().reader().approval(approval);
    matches!(row, Ok(Some(row)) if row.expires <= server.gate().now())
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
