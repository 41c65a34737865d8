//! What the owner does for whoever asks. Nothing here decides: the gate does, and records it.

use std::time::Instant;

use tokio::sync::watch;
use tollgate::{
    call::{CallRequest, Verdict},
    enforce::Refusal,
    gate::{Gate, OperateError},
    ledger::RunRow,
    pip::{Caller, RunKey},
};
use tollgate_core::{
    entity::{Kind, Uid},
    ids::{DecisionId, RunId},
    life::ApprovalState,
    record::Event,
    request::Action,
};

use super::token;
use crate::{
    exit::Exit,
    failure::Failure,
    operation::{Operation, Reply},
    reply::{Answered, ApprovalView, CallReply, FactsView, PolicyView},
};

/// How answers came in, as records name it.
const CHANNEL: &str = "cli";

/// Do what `user` asks for.
pub(super) async fn execute(
    gate: &Gate,
    user: &Uid,
    operation: Operation,
    leaving: watch::Receiver<bool>,
) -> Result<Reply, Failure> {
    match operation {
        Operation::Call {
            request,
            agent,
            run,
            wait,
        } => {
            may_speak(gate, user, agent.as_deref()).await?;
            let by = user.id.clone();
            let caller = match agent {
                Some(agent) => Caller::Spoken { agent, by },
                None => Caller::User(by),
            };
            let run = run_key(gate, &caller, run)?;
            let patience = std::time::Duration::from_millis(wait);
            call(gate, &caller, &run, request, patience, leaving).await
        }
        Operation::ShowApproval { id } => {
            let mut view = ApprovalView::from(gate.approval(user, id)?);
            explain(gate, &mut view.policies);
            Ok(Reply::Approval(Box::new(view)))
        }
        Operation::Answer {
            id,
            approve,
            seen,
            note,
        } => {
            let answered = gate
                .answer(user, id, approve, seen.as_deref(), note.as_deref(), CHANNEL)
                .await?;
            let (state, decision, needs) = (answered.state, answered.decision, answered.needs);
            Ok(Reply::Answered(Answered {
                id,
                state,
                decision,
                needs,
                by: user.id.clone(),
            }))
        }
        Operation::EndRun {
            run,
            outcome,
            reason,
        } => {
            let row = find_run(gate, run)?;
            may_end(gate, user, &row)?;
            gate.end_run(user, &row, outcome, &reason).await?;
            Ok(Reply::Done)
        }
        Operation::CancelRun { run, reason } => {
            let row = find_run(gate, run)?;
            gate.cancel_run(user, &row, &reason).await?;
            Ok(Reply::Done)
        }
        Operation::Halt {
            scope,
            name,
            reason,
        } => {
            gate.halt(user, scope, &name, &reason).await?;
            Ok(Reply::Done)
        }
        Operation::Reload => {
            gate.may_reload(user).await?;
            gate.reload(&user.id).await?;
            let bundle = gate.snapshot().pdp.digest().to_string();
            Ok(Reply::Reloaded { bundle })
        }
        Operation::Mcp { agent } => {
            // The connection goes on as a client of the server: see `socket`.
            may_speak(gate, user, Some(&agent)).await?;
            Ok(Reply::Done)
        }
        Operation::Resume { scope, name } => {
            gate.resume(user, scope, &name).await?;
            Ok(Reply::Done)
        }
        Operation::Facts { decision } => facts(gate, user, decision).await,
        Operation::MakeToken { user: of } => {
            gate.user(&of)?;
            gate.administer(user, "user_token_created", &of).await?;
            Ok(Reply::Token(token::make(gate, &of).await?))
        }
        Operation::RevokeToken { user: of } => {
            gate.administer(user, "user_token_removed", &of).await?;
            gate.ledger().remove_token(&of).await?;
            Ok(Reply::Done)
        }
        Operation::Backup { file } => {
            gate.administer(user, "store_backup", &file.display().to_string())
                .await?;
            let size = gate.ledger().backup(file, |_, _| {}).await?;
            Ok(Reply::Backup {
                records: size.records,
                bytes: size.bytes,
            })
        }
        Operation::PermitRestore { file } => {
            // What is recorded here would be lost with the store; the restored one records who did it.
            if !gate.could(user, Action::Administer) {
                gate.administer(user, "store_restore", &file.display().to_string())
                    .await?;
            }
            Ok(Reply::Done)
        }
    }
}

/// The run that the caller names: by a key, or one of the caller's own by its id.
fn run_key(gate: &Gate, caller: &Caller, named: Option<String>) -> Result<RunKey, Failure> {
    let Some(name) = named else {
        return Ok(RunKey::Ambient);
    };
    if name.parse::<RunId>().is_err() {
        return Ok(RunKey::Named(name));
    }
    let row = gate.ledger().reader().run(&name)?;
    let principal = caller.principal();
    if row.principal != principal {
        return Err(Failure::new(
            Exit::Denied,
            format!("run {name} is not yours, so you cannot add calls to it"),
        )
        .help("leave --run out, or choose a name"));
    }
    match row.key {
        Some(key) => Ok(RunKey::Named(key)),
        None if row.ended.is_some() => {
            Err(Failure::new(Exit::Denied, format!("run {name} has ended"))
                .help("leave --run out to begin another"))
        }
        None => Ok(RunKey::Ambient),
    }
}

/// Speaking for an agent is its operator's act, or an administrator's.
async fn may_speak(gate: &Gate, user: &Uid, agent: Option<&str>) -> Result<(), Failure> {
    let snapshot = gate.snapshot();
    let Some((name, agent)) =
        agent.and_then(|name| Some((name, snapshot.config.agents.get(name)?)))
    else {
        // A person for themselves; or an agent that does not exist, which the gate says better.
        return Ok(());
    };
    if agent.operator == user.id {
        return Ok(());
    }
    gate.administer(user, "spoke_for_agent", name)
        .await
        .map_err(|error| match error {
            OperateError::Refused(refusal) => {
                let failure = Failure::from(*refusal);
                let message = format!(
                    "you are not the operator of `{name}`, so you may not speak for it: {failure}"
                );
                Failure { message, ..failure }
            }
            other => other.into(),
        })
}

async fn call(
    gate: &Gate,
    caller: &Caller,
    run: &RunKey,
    request: CallRequest,
    patience: std::time::Duration,
    mut leaving: watch::Receiver<bool>,
) -> Result<Reply, Failure> {
    let begun = Instant::now();
    let known = gate.snapshot().tools.contains_key(&request.tool);
    let mut waiter = None;
    loop {
        let answer = gate.call(caller, run, request.clone()).await;
        let pending = match &answer.verdict {
            Verdict::Refused(Refusal::Pending { approval, .. }) => Some(*approval),
            _ => None,
        };
        drop(waiter.take());
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let reply = Box::new(CallReply::new(request.tool.clone(), known, answer, micros));
        let left = patience.saturating_sub(begun.elapsed());
        let (Some(approval), false) = (pending, left.is_zero()) else {
            return Ok(Reply::Call(reply));
        };
        // Kept until the call is repeated.
        let next = gate.waiter(approval);
        let settled = tokio::select! {
            settled = gate.approval_settled(approval, left) => settled?,
            () = super::left(&mut leaving) => return Ok(Reply::Waiting(reply)),
        };
        match settled {
            // Repeating the call is what runs it, or says that it was rejected.
            ApprovalState::Approved | ApprovalState::Rejected | ApprovalState::Consumed => {
                waiter = Some(next);
            }
            _ => return Ok(Reply::Call(reply)),
        }
    }
}

fn find_run(gate: &Gate, run: RunId) -> Result<RunRow, Failure> {
    gate.ledger()
        .reader()
        .run(&run.to_string())
        .map_err(|e| Failure::from(e).help("list them with `tollgate runs list`"))
}

/// Ending what is over is for those whose run it is.
fn may_end(gate: &Gate, user: &Uid, row: &RunRow) -> Result<(), Failure> {
    let snapshot = gate.snapshot();
    let operator = match row.principal.kind {
        Kind::Agent => snapshot
            .config
            .agents
            .get(&row.principal.id)
            .map(|agent| agent.operator.clone()),
        _ => None,
    };
    if *user == row.principal || *user == row.on_behalf_of || operator.as_ref() == Some(&user.id) {
        return Ok(());
    }
    Err(
        Failure::new(Exit::Denied, format!("run {} is not yours to end", row.id)).help(format!(
            "stop it, if you may: tollgate runs cancel {}",
            row.id
        )),
    )
}

/// What policies say of themselves, as far as they are still loaded.
fn explain(gate: &Gate, policies: &mut [PolicyView]) {
    let snapshot = gate.snapshot();
    for view in policies {
        if let Some(policy) = snapshot.pdp.policies().get(&view.id) {
            view.owner.clone_from(&policy.determining.owner);
            view.reason.clone_from(&policy.determining.reason);
        }
    }
}

async fn facts(gate: &Gate, user: &Uid, decision: DecisionId) -> Result<Reply, Failure> {
    let nothing = || Failure::plain(format!("there is no decision `{decision}`"));
    let reader = gate.ledger().reader();
    let record = reader.record(decision.0)?.ok_or_else(nothing)?;
    let Event::Decision(decided) = record.event else {
        return Err(nothing());
    };
    let Some(digest) = decided.facts else {
        return Err(Failure::plain(format!(
            "the facts of {decision} were not kept"
        )));
    };
    match record.run {
        Some(run) => {
            let row = find_run(gate, run)?;
            gate.may_with_run(user, Action::ViewPayload, &row).await?;
        }
        None => {
            gate.administer(user, "facts_viewed", &decision.to_string())
                .await?
        }
    }
    let plain = gate.ledger().unseal(decision.0, digest, "facts")?;
    let (request, facts) =
        serde_json::from_slice(&plain).map_err(|e| Failure::plain(e.to_string()))?;
    Ok(Reply::Facts(FactsView { request, facts }))
}

impl From<tollgate::ledger::CommitError> for Failure {
    fn from(error: tollgate::ledger::CommitError) -> Self {
        Self::plain(error.to_string())
    }
}
