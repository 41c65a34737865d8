//! Validate: the tool exists, and the arguments match its schema.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task;
use tollgate_model::{
    canonical::{self, JsonError},
    decision::{Basis, Redaction},
    record::{CallInvalid, Event},
    redaction::redact,
    text::nearest_tool,
    uri::CanonicalUri,
};
use tollgate_policy::tool_input::ToolInput;

use super::Pipeline;
use crate::{
    enforce::{Answer, CallContext, CallRequest, Pep, Refusal, Ruleset, ToolCall},
    sandbox::MAX_CALL_DEPTH,
    text::printable,
    tool::{Feature, SourceKind, Tool},
};
use tollgate_ledger::Batch;

/// The most bytes of arguments that are checked on an async worker. The cost of evaluating a schema is
/// bounded when it is loaded, and grows with the arguments.
const MAX_INLINE: usize = 4 << 10;

/// The executor of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecutedBy {
    /// The gate: a component or an upstream server.
    Gate,
    /// The caller, who requests an authorization.
    Caller,
}

/// A call that is refused before any policy is evaluated.
#[derive(Debug)]
pub(crate) struct InvalidCall {
    refusal: Refusal,
    /// One word for the record.
    problem: &'static str,
    /// JSON pointers into the arguments.
    pointers: Vec<String>,
}

impl InvalidCall {
    pub(super) fn new(problem: &'static str, refusal: Refusal) -> Self {
        Self {
            refusal,
            problem,
            pointers: Vec::new(),
        }
    }

    /// The answer to the caller.
    pub(crate) fn refusal(self) -> Refusal {
        self.refusal
    }

    fn because(problem: &'static str, reason: String) -> Self {
        let refusal = Refusal::Invalid {
            problem: reason,
            nearest: None,
        };
        Self::new(problem, refusal)
    }

    /// The tool is not the accepted one any more.
    pub(super) fn definition_changed(problem: String) -> Self {
        Self::because("definition_changed", problem)
    }

    /// Records that the call was refused.
    pub(super) async fn refuse(self, pep: &Pep, cx: &CallContext, tool: &str) -> Answer {
        let is_own = cx.enclosing.is_empty();
        let event = Event::CallInvalid(CallInvalid {
            arrival: Some(cx.arrival.clone())
                .filter(|_| is_own)
                .unwrap_or_default(),
            call: cx.call,
            caller_span: cx.caller.filter(|_| is_own),
            parent: cx.enclosing.last().map(|call| call.span),
            pointers: self.pointers,
            principal: cx.principal.clone(),
            problem: self.problem.into(),
            tool: printable(tool, 80),
        });
        let batch = Batch {
            records: vec![pep.record(cx, pep.now(), event)],
            ..Batch::default()
        };
        let refusal = match pep.commit(batch).await {
            Ok(_) => self.refusal,
            Err(error) => error.into(),
        };
        Answer::refused(Some(cx.run), cx.call, refusal)
    }
}

/// The validated call.
///
/// # Errors
/// [`InvalidCall`].
pub(crate) async fn validate(
    pipeline: &Pipeline,
    cx: &CallContext,
    request: &CallRequest,
    executed_by: ExecutedBy,
) -> Result<ToolCall, InvalidCall> {
    let tool = find_tool(&cx.ruleset, request)?;
    check_executor(&tool, executed_by)?;
    check_upstream(pipeline, cx, &tool)?;
    check_nesting(cx, &tool)?;
    checked_call(&pipeline.pep, &cx.ruleset, tool, &request.arguments).await
}

/// [`typed_call`], away from the async workers if the arguments are many.
async fn checked_call(
    pep: &Pep,
    ruleset: &Arc<Ruleset>,
    tool: Arc<Tool>,
    arguments: &str,
) -> Result<ToolCall, InvalidCall> {
    if arguments.len() <= MAX_INLINE {
        return typed_call(pep, ruleset, &tool, arguments);
    }
    let (pep, ruleset) = (pep.clone(), Arc::clone(ruleset));
    let arguments = arguments.to_owned();
    let typing = task::spawn_blocking(move || typed_call(&pep, &ruleset, &tool, &arguments));
    typing.await.unwrap_or_else(|_| {
        let reason = "checking the arguments failed; this is a fault of the gate";
        Err(InvalidCall::because("invalid_arguments", reason.into()))
    })
}

/// The call of a request, without a run: to compare it with waiting calls.
///
/// # Errors
/// [`InvalidCall`].
pub(crate) fn parse_call(
    pep: &Pep,
    ruleset: &Ruleset,
    request: &CallRequest,
) -> Result<ToolCall, InvalidCall> {
    let tool = find_tool(ruleset, request)?;
    check_executor(&tool, ExecutedBy::Gate)?;
    typed_call(pep, ruleset, &tool, &request.arguments)
}

/// The call, redacted as the policies of a denial ask; `None` if it does not match the tool's schema then.
pub(super) async fn redacted_call(
    pep: &Pep,
    ruleset: &Arc<Ruleset>,
    call: &ToolCall,
    basis: &Basis,
) -> Option<ToolCall> {
    let tool = Arc::clone(call.tool());
    let mut arguments = call.arguments().clone();
    let input = ruleset.input_of(&tool)?;
    let may_be_absent = |path: &[String]| input.declares_member(path);
    let values = redact(&mut arguments, &basis.redact, &may_be_absent).ok()?;
    let mut redaction = call.redaction().clone();
    redaction.extend(Redaction {
        pointers: basis.redact.clone(),
        policies: basis.determining.iter().map(|d| d.policy.clone()).collect(),
        values,
    });
    let text = arguments.to_string();
    let call = checked_call(pep, ruleset, tool, &text).await.ok()?;
    Some(call.after(redaction))
}

fn find_tool(ruleset: &Ruleset, request: &CallRequest) -> Result<Arc<Tool>, InvalidCall> {
    if let Some(tool) = ruleset.callable(&request.tool) {
        return Ok(Arc::clone(tool));
    }
    let names = ruleset.callables().map(|tool| tool.name.as_str());
    let refusal = Refusal::UnknownTool {
        tool: printable(&request.tool, 80),
        nearest: nearest_tool(&request.tool, names).map(str::to_owned),
    };
    Err(InvalidCall::new("unknown_tool", refusal))
}

fn check_executor(tool: &Tool, executed_by: ExecutedBy) -> Result<(), InvalidCall> {
    let problem = match (tool.source.kind, executed_by) {
        (SourceKind::External, ExecutedBy::Caller)
        | (SourceKind::Component | SourceKind::Upstream, ExecutedBy::Gate) => return Ok(()),
        (SourceKind::External, ExecutedBy::Gate) => {
            "the caller executes this tool itself: ask for an authorization instead of calling it"
        }
        (SourceKind::Component | SourceKind::Upstream, ExecutedBy::Caller) => {
            "the gate executes this tool: call it instead of asking for an authorization"
        }
    };
    Err(InvalidCall::because("other_execution", problem.into()))
}

/// Requires that an upstream tool or prompt is still the accepted one, and that a call of it could be sent, as far as known without
/// asking its server.
fn check_upstream(pipeline: &Pipeline, cx: &CallContext, tool: &Tool) -> Result<(), InvalidCall> {
    let upstreams = &pipeline.snapshot.executors.upstreams;
    let upstream = match tool.source.kind {
        SourceKind::Upstream => upstreams.get(&tool.source.name),
        SourceKind::Component | SourceKind::External => None,
    };
    let Some(upstream) = upstream else {
        return Ok(());
    };
    let user = &cx.on_behalf_of;
    if let Some(problem) = upstream.obstacle(user) {
        return Err(InvalidCall::because("no_login", problem));
    }
    let checked = upstream.check_last_offer(tool.feature, &tool.own_name, user);
    checked.map_err(InvalidCall::definition_changed)
}

/// The call with its arguments: with defaults, matching the schema, in canonical form.
fn typed_call(
    pep: &Pep,
    ruleset: &Ruleset,
    tool: &Arc<Tool>,
    arguments: &str,
) -> Result<ToolCall, InvalidCall> {
    let invalid = |reason: String| InvalidCall::because("invalid_arguments", reason);
    let arguments = match tool.feature {
        Feature::Tool | Feature::Prompt | Feature::Preview => {
            typed_arguments(ruleset.input_of(tool), arguments, tool)
        }
        Feature::Resources => resource_arguments(ruleset, tool, arguments),
    }?;
    let bytes = canonical::to_canonical(&arguments)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid("the arguments have no canonical form".into()))?;
    let digest = pep
        .call_digest(ruleset, &tool.name, &bytes)
        .map_err(|refusal| InvalidCall::new("unrecorded", refusal))?;
    Ok(ToolCall::new(Arc::clone(tool), arguments, bytes, digest))
}

/// The arguments of a tool or a prompt.
fn typed_arguments(
    input: Option<&ToolInput>,
    arguments: &str,
    tool: &Tool,
) -> Result<Value, InvalidCall> {
    let invalid = |reason: String| InvalidCall::because("invalid_arguments", reason);
    let Some(input) = input else {
        return Err(invalid("the tool has no schema of its arguments".into()));
    };
    let mut arguments = canonical::parse(arguments).map_err(|error| {
        let advice = match &error {
            JsonError::NumberRange { pointer } if input.accepts_text(pointer) => {
                "; pass it as text"
            }
            _ => "",
        };
        invalid(format!("the arguments are refused: {error}{advice}"))
    })?;
    check_schema(input, &arguments)?;
    // Other executors get the arguments as the caller sent them: they know their own defaults.
    if tool.source.kind == SourceKind::Component {
        input.apply_defaults(&mut arguments);
    }
    Ok(arguments)
}

/// `{"uri": ".."}`, with the URI in canonical form.
fn resource_arguments(
    ruleset: &Ruleset,
    tool: &Tool,
    arguments: &str,
) -> Result<Value, InvalidCall> {
    let server = &tool.source.name;
    let invalid = |reason: String| InvalidCall {
        pointers: vec!["/uri".into()],
        ..InvalidCall::because("invalid_arguments", reason)
    };
    let arguments = canonical::parse(arguments)
        .map_err(|error| invalid(format!("the arguments are refused: {error}")))?;
    let uri = match arguments.as_object().filter(|members| members.len() == 1) {
        Some(members) => members.get("uri").and_then(Value::as_str),
        None => None,
    };
    let Some(uri) = uri else {
        let form = "the arguments are not {\"uri\": \"..\"} and nothing else";
        return Err(invalid(form.into()));
    };
    let uri = CanonicalUri::parse(uri).map_err(|why| invalid(format!("`/uri`: {why}")))?;
    let upstream = ruleset.config.upstreams.get(server);
    if !upstream.is_some_and(|upstream| upstream.carried.resources.takes_uri(uri.as_str())) {
        return Err(invalid(format!(
            "`resources` of [upstream.{server}] does not have this URI"
        )));
    }
    Ok(json!({ "uri": uri.as_str() }))
}

fn check_schema(input: &ToolInput, arguments: &Value) -> Result<(), InvalidCall> {
    let Err(problems) = input.check(arguments) else {
        return Ok(());
    };
    let text: Vec<String> = problems
        .iter()
        .map(|p| {
            let problem = printable(&p.problem, 600);
            match p.pointer.as_str() {
                "/" => problem,
                pointer => format!("`{}`: {problem}", printable(pointer, 200)),
            }
        })
        .collect();
    let reason = format!(
        "the arguments do not match the tool's schema: {}",
        text.join("; ")
    );
    let pointers = problems.iter().map(|p| printable(&p.pointer, 200));
    Err(InvalidCall {
        pointers: pointers.collect(),
        ..InvalidCall::because("invalid_arguments", reason)
    })
}

/// Requires that calls nest neither too deep nor in a circle.
fn check_nesting(cx: &CallContext, tool: &Tool) -> Result<(), InvalidCall> {
    let component = &tool.source.name;
    let circle = cx.enclosing.iter().any(|call| call.component == *component);
    let problem = if tool.feature != Feature::Tool && !cx.enclosing.is_empty() {
        "components call tools, and neither prompts nor resources nor previews".into()
    } else if circle {
        format!(
            "the component `{component}` is already being called, and calls may not form a circle"
        )
    } else if cx.enclosing.len() > MAX_CALL_DEPTH {
        format!("calls nest at most {MAX_CALL_DEPTH} deep")
    } else {
        return Ok(());
    };
    Err(InvalidCall::because("nesting", problem))
}
