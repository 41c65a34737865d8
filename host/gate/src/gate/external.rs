//! Calls that whoever calls executes: the gate decides and records them, and what became of them is what
//! they say. Nothing here executes anything.
//!
//! A call without an outcome is closed as indeterminate: when its time is over, or when the gate starts
//! again.

use std::{collections::HashMap, fs, sync::Arc};

use serde::Deserialize;
use serde_json::Value;
use tollgate_model::{
    canonical::{self, Sha256Digest},
    entity::Uid,
    ids::{DecisionId, RunId, SpanId},
    record::Status,
    time::Timestamp,
};

use crate::{
    call::{Answer, CallOptions, CallRequest},
    config::{ExternalConfig, ExternalTools},
    enforce::{CallContext, Capabilities, Refusal, Running},
    gate::{Gate, OperateError, RunningCall},
    pip::{Caller, RunKey},
    sandbox::{Content, Execution, FailureKind, ToolDefinition, ToolFailure},
    snapshot::{Annotations, Tool},
};

/// Claude Code's own tools.
const CLAUDE_CODE: &str = include_str!("claude_code.json");
/// Calls without an outcome at once.
const MAX_OPEN: usize = 4096;
/// Those of one principal among them.
const MAX_OPEN_OF_ONE: usize = 256;

/// An executor that is not the gate.
#[derive(Debug)]
pub struct LoadedExternal {
    /// Its name in the configuration.
    pub name: String,
    /// Of its tools' definitions.
    pub digest: Sha256Digest,
}

/// A tool as it is declared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(rename = "inputSchema")]
    input_schema: Value,
}

/// An executor and its tools; or what is wrong with them.
pub(crate) fn load(
    name: &str,
    settings: &ExternalConfig,
) -> Result<(LoadedExternal, Vec<ToolDefinition>), String> {
    let text = match &settings.tools {
        ExternalTools::ClaudeCode => CLAUDE_CODE.to_owned(),
        ExternalTools::File(path) => {
            fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?
        }
    };
    let value = canonical::parse(&text).map_err(|e| e.to_string())?;
    let bytes = canonical::to_canonical(&value).map_err(|e| e.to_string())?;
    let declared: Vec<Declared> = serde_json::from_value(value)
        .map_err(|e| format!("they are no array of {{name, description, inputSchema}}: {e}"))?;
    let definitions = declared.into_iter().map(|tool| ToolDefinition {
        name: tool.name,
        title: None,
        description: tool.description,
        input_schema: tool.input_schema,
        output_schema: None,
        annotations: Annotations::default(),
    });
    let external = LoadedExternal {
        name: name.into(),
        digest: Sha256Digest::of(&bytes),
    };
    Ok((external, definitions.collect()))
}

/// A call that its caller may execute now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorized {
    /// The run.
    pub run: RunId,
    /// The call's span: by what its outcome is told.
    pub call: SpanId,
    /// The decision that allows it.
    pub decision: DecisionId,
    /// The canonical arguments that were decided: what may be executed, and nothing else.
    pub arguments: String,
}

/// A call that was authorized and has no outcome yet.
pub(crate) struct Open {
    principal: Uid,
    on_behalf_of: Uid,
    reference: Option<String>,
    cx: CallContext,
    tool: Arc<Tool>,
    invoke: SpanId,
    decision: DecisionId,
    capabilities: Arc<Capabilities>,
    /// Keeps it among those that a halt concerns.
    _running: RunningCall,
    underway: Option<Running>,
    until: Timestamp,
}

/// Calls that were authorized and have no outcome yet, by their span.
pub(crate) type AllOpen = HashMap<SpanId, Open>;

/// What became of a call, as its caller says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whether it failed.
    pub failed: bool,
    /// What came back: what the model is to see.
    pub content: String,
}

/// Which call an outcome is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one with this span.
    Call(SpanId),
    /// The latest one that was authorized with this reference.
    Reference(String),
}

impl Gate {
    /// Decide a call that the caller executes itself, and record its start. `reference` is by what the
    /// caller may name it when it tells the outcome. Of `options` only where the call comes from matters.
    ///
    /// # Errors
    /// The answer, where it may not be executed.
    pub async fn authorize(
        &self,
        caller: &Caller,
        run: &RunKey,
        request: CallRequest,
        reference: Option<String>,
        options: CallOptions,
    ) -> Result<Authorized, Answer> {
        let (gate, caller, run) = (self.clone(), caller.clone(), run.clone());
        let span = self.pep().span_id();
        // As every call: a caller that goes away does not stop it halfway.
        let line = tokio::spawn(async move {
            gate.authorizing(caller, run, request, reference, options, span)
                .await
        });
        match line.await {
            Ok(answer) => answer,
            Err(_) => Err(Answer::lost(span)),
        }
    }

    async fn authorizing(
        &self,
        caller: Caller,
        run: RunKey,
        request: CallRequest,
        reference: Option<String>,
        options: CallOptions,
        span: SpanId,
    ) -> Result<Authorized, Answer> {
        let snapshot = self.snapshot();
        let arrived = self
            .pep()
            .arrive(&snapshot, &caller, &run, &options.origin, span);
        let mut cx = match arrived.await {
            Ok(cx) => cx,
            Err(refusal) => return Err(Answer::refused(None, span, refusal)),
        };
        cx.arrival = options.arrival;
        let (all, own) = self.open_calls(|open| {
            let own = open.values().filter(|call| call.principal == cx.principal);
            (open.len(), own.count())
        });
        if all >= MAX_OPEN || own >= MAX_OPEN_OF_ONE {
            let reason = match own >= MAX_OPEN_OF_ONE {
                true => format!("{own} calls of yours have no outcome yet; tell theirs first"),
                false => format!("{all} calls have no outcome yet"),
            };
            let refusal = Refusal::Unrecorded { reason };
            return Err(Answer::refused(Some(cx.run), span, refusal));
        }
        let (admission, tool) = self.enter(&mut cx, &request, true).await?;
        let capabilities = Capabilities::new(
            self.pep().clone(),
            cx.clone(),
            Arc::clone(&tool),
            admission.permitted.span(),
            None,
            Arc::new(self.clone()),
        );
        let lasts = u64::try_from(tool.limits.wall.as_micros()).unwrap_or(u64::MAX);
        let authorized = Authorized {
            run: cx.run,
            call: cx.call,
            decision: admission.decision,
            arguments: admission.permitted.act().canonical().to_owned(),
        };
        let open = Open {
            principal: cx.principal.clone(),
            on_behalf_of: cx.on_behalf_of.clone(),
            reference,
            invoke: admission.permitted.span(),
            decision: admission.decision,
            capabilities: Arc::new(capabilities),
            _running: self.running(&cx, &tool),
            underway: admission.underway,
            until: self.now().plus(lasts),
            tool,
            cx,
        };
        self.open_calls(|all| all.insert(authorized.call, open));
        Ok(authorized)
    }

    /// Record what became of a call that this caller was authorized to execute, and decide whether its
    /// content may reach the model.
    ///
    /// # Errors
    /// [`OperateError::Unknown`] if the caller has no such call without an outcome.
    pub async fn tell_outcome(
        &self,
        caller: &Caller,
        which: &Which,
        told: Told,
    ) -> Result<(String, Answer), OperateError> {
        let (principal, on_behalf_of) = (caller.principal(), self.on_behalf_of(caller));
        let open = self.open_calls(|all| {
            let own = |open: &Open| {
                open.principal == principal && Some(&open.on_behalf_of) == on_behalf_of.as_ref()
            };
            let named = |call: &SpanId, open: &Open| match which {
                Which::Call(span) => call == span,
                Which::Reference(name) => open.reference.as_ref() == Some(name),
            };
            let found = all
                .iter()
                .filter(|(call, open)| own(open) && named(call, open));
            let latest = found.max_by_key(|(_, open)| open.decision.0);
            let call = latest.map(|(call, _)| *call);
            call.and_then(|call| all.remove(&call))
        });
        let open = open.ok_or_else(|| {
            OperateError::Unknown(
                "no call of yours of this name waits for its outcome: it has one, or took too long"
                    .into(),
            )
        })?;
        let status = if told.failed {
            Status::ToolError
        } else {
            Status::Ok
        };
        let size = told.content.len() as u64;
        let content = if told.failed {
            Err(ToolFailure {
                kind: FailureKind::Failed,
                message: told.content,
            })
        } else {
            Ok(vec![Content::Text { text: told.content }])
        };
        let tool = open.tool.name.clone();
        let (gate, execution) = (
            self.clone(),
            Execution {
                status,
                content,
                size,
                effects: 1,
                ..Execution::nothing()
            },
        );
        let closing = tokio::spawn(async move { open.close(&gate, execution).await });
        let answer = closing
            .await
            .map_err(|_| OperateError::Store("the outcome could not be recorded".into()))?;
        Ok((tool, answer))
    }

    /// Close calls whose outcome nobody told in time: they may have happened.
    pub(crate) async fn close_untold(&self) -> usize {
        let now = self.now();
        let over: Vec<Open> = self.open_calls(|all| {
            let over = all.iter().filter(|(_, open)| open.until <= now);
            let over: Vec<SpanId> = over.map(|(call, _)| *call).collect();
            over.iter().filter_map(|call| all.remove(call)).collect()
        });
        let closed = over.len();
        for open in over {
            let execution = Execution {
                status: Status::Indeterminate,
                effects: 1,
                ..Execution::nothing()
            };
            open.close(self, execution).await;
        }
        closed
    }
}

impl Open {
    async fn close(self, gate: &Gate, execution: Execution) -> Answer {
        let pep = gate.pep();
        let closed = pep.close(
            &self.cx,
            &self.tool,
            self.invoke,
            execution,
            &self.capabilities,
        );
        let verdict = closed.await;
        let answer = Answer {
            run: Some(self.cx.run),
            call: self.cx.call,
            decision: Some(self.decision),
            verdict,
        };
        if let Some(underway) = self.underway {
            underway.finish(&answer);
        }
        answer
    }
}
