//! What the owner does for whoever asks. Nothing here decides: the gate does, and records it.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use tokio::sync::watch;
use tollgate::{
    enforce::ApprovalResponse, enforce::CallOptions, enforce::Vote, gate::CallRef, gate::Gate,
    gate::OperateError, gate::ReportedOutcome, identity::Caller,
};
use tollgate_ledger::RunRow;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{DecisionId, RunId},
    record::{AdminAction, Event},
    request::{Action, ActionContext, Request},
};
use tollgate_policy::policy::nearest;
use tollgate_trace::file_export;

use tollgate_server::{
    auth::token::{self, Purpose, TokenError},
    calling::{self, CallCompletion},
    mcp,
    review::{SayError, say},
};

use crate::{
    error::Failure,
    exit_code::Exit,
    operation::{Operation, Reply},
    reply::{self, AnswerOutcome, ApprovalView, AuthorizeReply, CallReply},
};

/// How answers came in, as records name it.
const CHANNEL: &str = "cli";

/// Do what `user` asks for.
pub(super) async fn execute(
    server: &mcp::Server,
    user: &Uid,
    operation: Operation,
    mut leaving: watch::Receiver<bool>,
) -> Result<Reply, Failure> {
    let gate = server.gate();
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
            let run = gate.run_key(&caller, run).map_err(denied)?;
            let patience = std::time::Duration::from_millis(wait);
            let left = super::left(&mut leaving);
            let options = CallOptions::default();
            match calling::call(gate, &caller, &run, request, &options, patience, left).await? {
                CallCompletion::Done(reply) => Ok(Reply::Call(reply)),
                CallCompletion::Left(reply) => Ok(Reply::Waiting(reply)),
            }
        }
        Operation::Authorize {
            request,
            agent,
            run,
            reference,
        } => {
            may_speak(gate, user, Some(&agent)).await?;
            let by = user.id.clone();
            let caller = Caller::Spoken { agent, by };
            let run = gate.run_key(&caller, run).map_err(denied)?;
            let tool = request.tool.clone();
            let authorized = gate
                .authorize(
                    &caller,
                    &run,
                    request,
                    Some(reference),
                    CallOptions::default(),
                )
                .await;
            let reply = AuthorizeReply::new(tool, authorized);
            Ok(Reply::Authorized(Box::new(reply)))
        }
        Operation::Outcome {
            agent,
            reference,
            failed,
            content,
        } => {
            may_speak(gate, user, Some(&agent)).await?;
            let by = user.id.clone();
            let caller = Caller::Spoken { agent, by };
            let which = CallRef::Reference(reference);
            let told = ReportedOutcome { failed, content };
            let (tool, answer) = gate.report_outcome(&caller, &which, told).await?;
            let reply = CallReply::new(tool, answer, 0);
            Ok(Reply::Call(Box::new(reply)))
        }
        Operation::ShowApproval { id } => {
            let mut view = ApprovalView::from(gate.approval(user, id).await?);
            reply::explain(gate, &mut view.policies);
            Ok(Reply::Approval(Box::new(view)))
        }
        Operation::Answer {
            id,
            approve,
            seen,
            note,
        } => {
            let answered = gate
                .answer(
                    user,
                    id,
                    ApprovalResponse {
                        vote: if approve { Vote::Approve } else { Vote::Reject },
                        seen: seen.as_deref(),
                        note: note.as_deref(),
                        channel: CHANNEL,
                    },
                )
                .await?;
            let (state, decision, needs) = (answered.state, answered.decision, answered.needs);
            Ok(Reply::Answered(AnswerOutcome {
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
            let caller = Caller::User(user.id.clone());
            let ended = gate.end_own_run(&caller, &row, outcome, &reason).await;
            ended.map_err(|error| {
                denied(error).help(format!(
                    "stop it, if you may: tollgate runs cancel {}",
                    row.id
                ))
            })?;
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
            force,
        } => {
            let report = match force {
                true => gate.halt_unchecked(user, scope, &name, &reason).await?,
                false => gate.halt(user, scope, &name, &reason).await?,
            };
            Ok(Reply::Halted {
                calls: report.calls,
                approvals: report.approvals,
            })
        }
        Operation::Reload => {
            gate.authorize_reload(user).await?;
            gate.reload(&user.id).await?;
            let bundle = gate.ruleset().pdp.digest().to_string();
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
        Operation::AcceptUpstream { seen } => {
            gate.accept_upstream(user, &seen).await?;
            Ok(Reply::Done)
        }
        Operation::Inputs { decisions } => inputs(gate, user, &decisions).await,
        Operation::Promote { policy } => {
            let promoted = gate.promote(user, policy.as_deref()).await?;
            Ok(Reply::Promoted {
                bundle: promoted.bundle,
                files: promoted.files,
            })
        }
        Operation::Facts { decision } => Ok(Reply::Facts(gate.facts(user, decision).await?)),
        Operation::RunFacts { run } => {
            let row = find_run(gate, run)?;
            Ok(Reply::RunFacts(gate.facts_of_run(user, &row).await?))
        }
        Operation::ExportRun { run } => {
            let row = find_run(gate, run)?;
            gate.authorize_on_run(user, Action::ExportRuns, &row)
                .await?;
            let ledger = gate.ledger();
            let records = ledger.reader().records_of_run(row.id)?;
            let mut names = Vec::new();
            for who in file_export::named(row.id, &records) {
                let hash = ledger.digest(&row.tenant, &file_export::hash_parts(&who))?;
                names.push((who, hash));
            }
            Ok(Reply::Exportable(names))
        }
        Operation::Say { said } => {
            let caller = Caller::User(user.id.clone());
            Ok(Reply::Said(
                say(gate, &server.trace()?, &caller, said).await?,
            ))
        }
        Operation::MakeToken {
            purpose,
            lasts,
            instead,
        } => {
            let Purpose {
                principal,
                on_behalf_of,
                ..
            } = &purpose;
            known(gate, principal)?;
            if let Some(user) = on_behalf_of {
                gate.user(user)?;
            }
            gate.administer(user, AdminAction::TokenCreated, &principal.to_string())
                .await?;
            let expires = lasts.map(|lasts| gate.now().plus(lasts));
            let purpose = Purpose { expires, ..purpose };
            let (token, text) = token::create(gate, purpose, instead).await?;
            Ok(Reply::Token {
                token: token.into(),
                text,
            })
        }
        Operation::RevokeToken { id } => {
            let nothing = || {
                Failure::plain(format!("there is no token {id}"))
                    .help("list them with `tollgate token list`")
            };
            let token = gate.ledger().reader().token(id)?.ok_or_else(nothing)?;
            let target = format!("{id} of {}", token.principal);
            gate.administer(user, AdminAction::TokenRevoked, &target)
                .await?;
            gate.ledger().remove_token(id).await?;
            Ok(Reply::Done)
        }
        Operation::RevokeTokens { of, name } => {
            gate.administer(user, AdminAction::TokenRevoked, &format!("{name} of {of}"))
                .await?;
            for token in gate.ledger().reader().tokens()? {
                if token.principal == of && token.name == name {
                    gate.ledger().remove_token(token.id).await?;
                }
            }
            Ok(Reply::Done)
        }
        Operation::Backup { file } => {
            gate.administer(
                user,
                AdminAction::StoreBackupRequested,
                &file.display().to_string(),
            )
            .await?;
            let size = gate.ledger().backup(file, |_, _| {}).await?;
            Ok(Reply::Backup {
                records: size.records,
                bytes: size.bytes,
            })
        }
        Operation::Forget { tenant, before } => {
            let days = gate
                .forget_payloads(user, tenant.as_deref(), before)
                .await?;
            Ok(Reply::Forgotten { days })
        }
        Operation::Reveal { token } => Ok(Reply::Revealed(gate.reveal(user, &token).await?)),
        Operation::PermitRestore { file } => {
            // What is recorded here would be lost with the store; the restored one records who did it.
            if !gate.is_allowed(user, Action::Administer) {
                gate.administer(
                    user,
                    AdminAction::StoreRestoreRequested,
                    &file.display().to_string(),
                )
                .await?;
            }
            Ok(Reply::Done)
        }
    }
}

/// Speaking for an agent is its operator's act, or an administrator's.
async fn may_speak(gate: &Gate, user: &Uid, agent: Option<&str>) -> Result<(), Failure> {
    let ruleset = gate.ruleset();
    let Some((name, agent)) = agent.and_then(|name| Some((name, ruleset.config.agents.get(name)?)))
    else {
        // A person for themselves; or an agent that does not exist, which the gate says better.
        return Ok(());
    };
    if agent.operator == user.id {
        return Ok(());
    }
    gate.administer(user, AdminAction::AgentImpersonated, name)
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

/// That the configuration names this agent or user.
fn known(gate: &Gate, principal: &Uid) -> Result<(), Failure> {
    if principal.kind == Kind::User {
        gate.user(&principal.id)?;
        return Ok(());
    }
    let ruleset = gate.ruleset();
    if ruleset.config.agents.contains_key(&principal.id) {
        return Ok(());
    }
    let names = ruleset.config.agents.keys().map(String::as_str);
    let failure = Failure::plain(format!(
        "there is no agent `{}` in tollgate.toml",
        principal.id
    ));
    Err(match nearest(&principal.id, names) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure,
    })
}

/// What somebody asks for with a run that is not theirs.
fn denied(error: OperateError) -> Failure {
    let exit = match &error {
        OperateError::Unknown(_) => Exit::Denied,
        _ => return error.into(),
    };
    Failure::new(exit, error.to_string())
}

fn find_run(gate: &Gate, run: RunId) -> Result<RunRow, Failure> {
    gate.ledger()
        .reader()
        .run(&run.to_string())
        .map_err(|e| Failure::from(e).help("list them with `tollgate runs list`"))
}

/// The arguments of calls. Whether the user may see them is decided, and recorded, once for each run.
async fn inputs(gate: &Gate, user: &Uid, decisions: &[DecisionId]) -> Result<Reply, Failure> {
    let mut may: BTreeMap<RunId, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for decision in decisions {
        let record = gate.ledger().reader().record(decision.0)?;
        let Some((run, Event::Decision(decided))) =
            record.and_then(|record| Some((record.run?, record.event)))
        else {
            continue;
        };
        let allowed = match may.get(&run) {
            Some(allowed) => *allowed,
            None => {
                let row = find_run(gate, run)?;
                let decided = gate.authorize_on_run(user, Action::ViewPayload, &row).await;
                let allowed = match decided {
                    Ok(_) => true,
                    Err(OperateError::Refused(_)) => false,
                    Err(other) => return Err(other.into()),
                };
                may.insert(run, allowed);
                allowed
            }
        };
        let Some(digest) = decided.facts_digest.filter(|_| allowed) else {
            continue;
        };
        // What is no longer kept is left out.
        let Ok(plain) = gate.ledger().unseal(decision.0, digest, "facts") else {
            continue;
        };
        let read: Result<(Request, IgnoredAny), _> = serde_json::from_slice(&plain);
        if let Ok((request, _)) = read
            && let ActionContext::Call { input, .. } = request.context
        {
            found.push((*decision, input));
        }
    }
    Ok(Reply::Inputs(found))
}

impl From<tollgate::gate::TokenError> for Failure {
    fn from(error: tollgate::gate::TokenError) -> Self {
        use tollgate::gate::TokenError as E;
        match error {
            E::Operate(error) => error.into(),
            E::Ledger(error) => error.into(),
            other => Self::plain(other.to_string()),
        }
    }
}

impl From<tollgate_ledger::CommitError> for Failure {
    fn from(error: tollgate_ledger::CommitError) -> Self {
        Self::plain(error.to_string())
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::plain(error.to_string())
    }
}

impl From<SayError> for Failure {
    fn from(error: SayError) -> Self {
        match error {
            SayError::Gate(error) => error.into(),
            SayError::Ledger(error) => error.into(),
            SayError::Store(error) => error.into(),
            SayError::NoRun(_) => Self::plain(error.to_string()),
            SayError::PeopleOnly | SayError::NotYours { .. } => {
                Self::new(Exit::Denied, error.to_string())
            }
            SayError::Told(_) | SayError::Feedback(_) => Self::usage(error.to_string()),
        }
    }
}
