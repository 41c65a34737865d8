//! Every name of the trace, spelled once: OpenTelemetry's where it has one (its conventions for GenAI, MCP,
//! HTTP and files are in development and may still change), `tollgate.*` where it does not.
//! `gen_ai.*` is never minted.

/// Who a resource is and where it stands.
pub mod resource {
    /// The gate's name.
    pub const SERVICE_NAME: &str = "service.name";
    /// The version of this program.
    pub const SERVICE_VERSION: &str = "service.version";
    /// Such as `production`.
    pub const DEPLOYMENT_ENVIRONMENT: &str = "deployment.environment.name";
    /// The scope of all spans of the gate: by it they are told from what agents report.
    pub const SCOPE: &str = "dev.tollgate";
}

/// `gen_ai.operation.name` and `mcp.method.name`.
pub mod operation {
    /// A run.
    pub const INVOKE_AGENT: &str = "invoke_agent";
    /// A tool call.
    pub const EXECUTE_TOOL: &str = "execute_tool";
    /// A tool call over MCP.
    pub const TOOLS_CALL: &str = "tools/call";
}

/// OpenInference's names, so that Phoenix and Langfuse draw the tree rightly.
pub mod openinference {
    /// `AGENT`, `TOOL`, `GUARDRAIL` or `CHAIN`.
    pub const SPAN_KIND: &str = "openinference.span.kind";
    /// The tool of a `TOOL` span.
    pub const TOOL_NAME: &str = "tool.name";
    /// What its author says about it.
    pub const TOOL_DESCRIPTION: &str = "tool.description";
    /// The agent of an `AGENT` span.
    pub const AGENT_NAME: &str = "agent.name";
}

/// Values of `error.type`.
pub mod error {
    /// A policy, or a halt, forbids it.
    pub const POLICY_DENIED: &str = "policy_denied";
    /// A person rejected it.
    pub const APPROVAL_REJECTED: &str = "approval_rejected";
    /// Nobody answered in time.
    pub const APPROVAL_TIMEOUT: &str = "approval_timeout";
    /// It could not be decided, and so is denied.
    pub const POLICY_ERROR: &str = "policy_error";
    /// An effect within it was denied.
    pub const CAPABILITY_DENIED: &str = "capability_denied";
    /// An unknown tool, or arguments that do not match its schema.
    pub const INVALID_ARGUMENTS: &str = "invalid_arguments";
    /// A result that does not match its schema.
    pub const INVALID_RESULT: &str = "invalid_result";
    /// It ran out of time.
    pub const TIMEOUT: &str = "timeout";
    /// It ran out of fuel.
    pub const FUEL_EXHAUSTED: &str = "fuel_exhausted";
    /// It asked for more memory than it may have.
    pub const MEMORY_EXHAUSTED: &str = "memory_exhausted";
    /// The guest trapped.
    pub const TRAP: &str = "trap";
    /// The tool's own error.
    pub const TOOL_ERROR: &str = "tool_error";
    /// Its outcome will never be known.
    pub const INDETERMINATE: &str = "indeterminate";
}

/// Names of events.
pub mod event {
    /// A person is asked.
    pub const APPROVAL_REQUESTED: &str = "tollgate.approval.requested";
    /// An approval is given, refused, or void.
    pub const APPROVAL_RESOLVED: &str = "tollgate.approval.resolved";
    /// A call was refused before any policy.
    pub const VALIDATION_FAILED: &str = "tollgate.validation.failed";
    /// The gate executes again what has provably not happened.
    pub const RETRY_SCHEDULED: &str = "tollgate.retry.scheduled";
    /// A budget is spent.
    pub const BUDGET_EXHAUSTED: &str = "tollgate.budget.exhausted";
    /// A component's own log line.
    pub const ADAPTER_LOG: &str = "tollgate.adapter.log";
    /// What somebody says about a run afterwards.
    pub const EVALUATION_RESULT: &str = "gen_ai.evaluation.result";
}

/// Names of attributes.
pub mod attribute {
    // Every span.
    /// The run: the trace's id, except where another run has the caller's.
    pub const RUN_ID: &str = "tollgate.run.id";
    /// The tenant.
    pub const TENANT_ID: &str = "tollgate.tenant.id";
    /// The conversation that the run is part of.
    pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
    /// What trace viewers group by: the conversation, else the protocol's session.
    pub const SESSION_ID: &str = "session.id";
    /// What went wrong: one of [`super::error`].
    pub const ERROR_TYPE: &str = "error.type";

    // The run's root.
    /// What the span does.
    pub const OPERATION_NAME: &str = "gen_ai.operation.name";
    /// The agent's id.
    pub const AGENT_ID: &str = "gen_ai.agent.id";
    /// Its name.
    pub const AGENT_NAME: &str = "gen_ai.agent.name";
    /// Its version.
    pub const AGENT_VERSION: &str = "gen_ai.agent.version";
    /// By what the caller names the run.
    pub const RUN_KEY: &str = "tollgate.run.key";
    /// What kind of work it is.
    pub const RUN_TASK_TYPE: &str = "tollgate.run.task_type";
    /// How it ended.
    pub const RUN_OUTCOME: &str = "tollgate.run.outcome";
    /// Why it ended.
    pub const RUN_STOP_REASON: &str = "tollgate.run.stop_reason";
    /// The prompt's version.
    pub const PROMPT_VERSION: &str = "tollgate.prompt.version";
    /// The workflow's version.
    pub const WORKFLOW_VERSION: &str = "tollgate.workflow.version";
    /// Keyed hash of the user for whom it is.
    pub const USER_HASH: &str = "user.hash";
    /// The trace in which the caller says that it stands.
    pub const CALLER_TRACE_ID: &str = "tollgate.caller.trace.id";
    /// The caller's own span above.
    pub const CALLER_SPAN_ID: &str = "tollgate.caller.span.id";

    // Tool calls.
    /// The tool.
    pub const TOOL_NAME: &str = "gen_ai.tool.name";
    /// The caller's own id of the call.
    pub const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
    /// `function` for all.
    pub const TOOL_TYPE: &str = "gen_ai.tool.type";
    /// What its author says about it.
    pub const TOOL_DESCRIPTION: &str = "gen_ai.tool.description";
    /// The first digits of what provides it.
    pub const TOOL_VERSION: &str = "tollgate.tool.version";
    /// Whether execution began.
    pub const TOOL_EXECUTED: &str = "tollgate.tool.executed";
    /// `tools/call`.
    pub const MCP_METHOD: &str = "mcp.method.name";
    /// The protocol's version.
    pub const MCP_PROTOCOL: &str = "mcp.protocol.version";
    /// The protocol's session.
    pub const MCP_SESSION: &str = "mcp.session.id";
    /// Keyed hash of tool and arguments.
    pub const ARGS_HASH: &str = "tollgate.args.hash";
    /// Bytes of the arguments.
    pub const ARGS_SIZE: &str = "tollgate.args.size";
    /// What kind of data they are.
    pub const ARGS_CLASS: &str = "tollgate.args.class";
    /// The component's file, or the accepted definitions.
    pub const ARTIFACT_HASH: &str = "artifact.hash";
    /// The arguments, as far as capture allows.
    pub const INPUT_VALUE: &str = "input.value";
    /// The result, as far as capture allows.
    pub const OUTPUT_VALUE: &str = "output.value";
    /// The same call, made before in this run without success.
    pub const RETRY_OF: &str = "tollgate.retry.of";
    /// What is wrong with a call before any policy.
    pub const VALIDATION_PROBLEM: &str = "tollgate.validation.problem";
    /// Where its arguments are wrong: JSON pointers.
    pub const VALIDATION_POINTERS: &str = "tollgate.validation.pointers";

    // Decisions.
    /// The decision's id.
    pub const DECISION_ID: &str = "tollgate.decision.id";
    /// allow, deny, escalate or error.
    pub const DECISION_OUTCOME: &str = "tollgate.decision.outcome";
    /// What the engine itself said.
    pub const DECISION_NATIVE: &str = "tollgate.decision.native";
    /// executed, blocked or held.
    pub const DECISION_ACTION: &str = "tollgate.decision.action";
    /// enforce or shadow.
    pub const DECISION_MODE: &str = "tollgate.decision.mode";
    /// What the determining policies say.
    pub const DECISION_REASON: &str = "tollgate.decision.reason";
    /// `cedar`.
    pub const POLICY_ENGINE: &str = "tollgate.policy.engine";
    /// The bundle.
    pub const POLICY_SET_DIGEST: &str = "tollgate.policy.set.digest";
    /// The determining policies.
    pub const POLICY_IDS: &str = "tollgate.policy.ids";
    /// Their owners.
    pub const POLICY_OWNERS: &str = "tollgate.policy.owners";
    /// How many errors there were.
    pub const POLICY_ERROR_COUNT: &str = "tollgate.policy.error_count";
    /// Which.
    pub const POLICY_ERRORS: &str = "tollgate.policy.errors";
    /// What the outcome would have been with the shadow policies.
    pub const SHADOW_OUTCOME: &str = "tollgate.shadow.outcome";
    /// The principal's type.
    pub const PRINCIPAL_TYPE: &str = "tollgate.principal.type";
    /// Its id; never leaves the gate.
    pub const PRINCIPAL_ID: &str = "tollgate.principal.id";
    /// Keyed hash of it.
    pub const PRINCIPAL_HASH: &str = "tollgate.principal.hash";
    /// The resource's type.
    pub const RESOURCE_TYPE: &str = "tollgate.resource.type";
    /// Its id; never leaves the gate.
    pub const RESOURCE_ID: &str = "tollgate.resource.id";
    /// Keyed hash of it.
    pub const RESOURCE_HASH: &str = "tollgate.resource.hash";
    /// The action.
    pub const ACTION: &str = "tollgate.action";
    /// The first determining policy.
    pub const RULE_NAME: &str = "security_rule.name";
    /// What it says.
    pub const RULE_DESCRIPTION: &str = "security_rule.description";
    /// The digest of its contents.
    pub const RULE_VERSION: &str = "security_rule.version";
    /// The bundle that it is part of.
    pub const RULE_SET: &str = "security_rule.ruleset.name";

    // Approvals.
    /// The approval's id.
    pub const APPROVAL_ID: &str = "tollgate.approval.id";
    /// pending, approved, rejected, expired or cancelled.
    pub const APPROVAL_STATUS: &str = "tollgate.approval.status";
    /// How it was answered.
    pub const APPROVAL_CHANNEL: &str = "tollgate.approval.channel";
    /// Who answered; never leaves the gate.
    pub const APPROVAL_APPROVER: &str = "tollgate.approval.approver";
    /// Keyed hash of it.
    pub const APPROVAL_APPROVER_HASH: &str = "tollgate.approval.approver.hash";
    /// Roles that they hold.
    pub const APPROVAL_APPROVER_ROLE: &str = "tollgate.approval.approver.role";
    /// approve or reject.
    pub const APPROVAL_ANSWER: &str = "tollgate.approval.answer";
    /// What they wrote with it.
    pub const APPROVAL_REASON: &str = "tollgate.approval.reason";
    /// Until when it may be answered and used.
    pub const APPROVAL_EXPIRES_AT: &str = "tollgate.approval.expires_at";
    /// Keyed hash of the call that it is for.
    pub const APPROVAL_ARGS_HASH: &str = "tollgate.approval.args_hash";
    /// Whose answer would be enough.
    pub const APPROVAL_REQUIRES: &str = "tollgate.approval.requires";

    // Executions.
    /// The component, or the upstream server.
    pub const COMPONENT_NAME: &str = "tollgate.component.name";
    /// From 1.
    pub const ATTEMPT_NUMBER: &str = "tollgate.attempt.number";
    /// initial, approval or retry.
    pub const ATTEMPT_REASON: &str = "tollgate.attempt.reason";
    /// Whether it runs outside the sandbox.
    pub const UNSANDBOXED: &str = "tollgate.unsandboxed";
    /// Fuel units.
    pub const WASM_FUEL: &str = "tollgate.wasm.fuel";
    /// Bytes of linear memory at most.
    pub const WASM_PEAK_MEMORY: &str = "tollgate.wasm.peak_memory";
    /// Keyed hash of the result.
    pub const RESULT_HASH: &str = "tollgate.result.hash";
    /// Its bytes.
    pub const RESULT_SIZE: &str = "tollgate.result.size";
    /// released, redacted or withheld.
    pub const RESULT_RELEASE: &str = "tollgate.result.release";
    /// Labels that it adds to the run.
    pub const RESULT_LABELS: &str = "tollgate.result.labels";
    /// World-changing effects that were begun.
    pub const EFFECTS: &str = "tollgate.effects";
    /// How it ended.
    pub const STATUS: &str = "tollgate.status";

    // Effects.
    /// What was asked of the host.
    pub const CAPABILITY: &str = "tollgate.capability";
    /// Why it failed.
    pub const CAPABILITY_ERROR: &str = "tollgate.capability.error";
    /// The key of a configuration entry.
    pub const CONFIG_KEY: &str = "tollgate.config.key";
    /// A path within a grant.
    pub const FILE_PATH: &str = "file.path";
    /// Bytes read or written.
    pub const FILE_SIZE: &str = "file.size";
    /// The method.
    pub const HTTP_METHOD: &str = "http.request.method";
    /// How many redirects led here.
    pub const HTTP_RESEND_COUNT: &str = "http.request.resend_count";
    /// The response's status.
    pub const HTTP_STATUS: &str = "http.response.status_code";
    /// Bytes of the response.
    pub const HTTP_BODY_SIZE: &str = "http.response.body.size";
    /// The address that it was sent to.
    pub const PEER_ADDRESS: &str = "network.peer.address";
    /// The host.
    pub const SERVER_ADDRESS: &str = "server.address";
    /// The port.
    pub const SERVER_PORT: &str = "server.port";
    /// The URL without its query.
    pub const URL_FULL: &str = "url.full";
    /// The secret's name.
    pub const SECRET_NAME: &str = "tollgate.secret.name";
    /// What tells one value of it from another.
    pub const SECRET_VERSION: &str = "tollgate.secret.version";

    // Events.
    /// Which budget is spent.
    pub const BUDGET: &str = "tollgate.budget.name";
    /// A log line's level.
    pub const LOG_LEVEL: &str = "tollgate.log.level";
    /// A log line's words.
    pub const LOG_MESSAGE: &str = "tollgate.log.message";
}
