//! Every name of the trace, defined once: OpenTelemetry's names if there are any (its conventions for
//! GenAI, MCP, HTTP and files are in development and may still change), `tollgate.*` otherwise. This
//! program never invents `gen_ai.*` names.

/// Attributes of the resource.
pub mod resource {
    /// The gate's name.
    pub const SERVICE_NAME: &str = "service.name";
    /// The version of this program.
    pub const SERVICE_VERSION: &str = "service.version";
    /// Such as `production`.
    pub const DEPLOYMENT_ENVIRONMENT: &str = "deployment.environment.name";
    /// The scope of all spans of the gate, which distinguishes them from reported ones.
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

/// OpenInference's names, so that Phoenix and Langfuse draw the tree correctly.
pub mod openinference {
    /// `AGENT`, `TOOL`, `GUARDRAIL` or `CHAIN`.
    pub const SPAN_KIND: &str = "openinference.span.kind";
    /// The tool of a `TOOL` span.
    pub const TOOL_NAME: &str = "tool.name";
    /// The tool's description.
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
    /// No one answered in time.
    pub const APPROVAL_TIMEOUT: &str = "approval_timeout";
    /// It could not be decided, and so was denied.
    pub const POLICY_ERROR: &str = "policy_error";
    /// An effect in it was denied.
    pub const CAPABILITY_DENIED: &str = "capability_denied";
    /// An unknown tool, or arguments that do not match its schema.
    pub const INVALID_ARGUMENTS: &str = "invalid_arguments";
    /// A result that does not match its schema.
    pub const INVALID_RESULT: &str = "invalid_result";
    /// It ran out of time.
    pub const TIMEOUT: &str = "timeout";
    /// It ran out of fuel.
    pub const FUEL_EXHAUSTED: &str = "fuel_exhausted";
    /// It exceeded its memory limit.
    pub const MEMORY_EXHAUSTED: &str = "memory_exhausted";
    /// The guest trapped.
    pub const TRAP: &str = "trap";
    /// The tool's own error.
    pub const TOOL_ERROR: &str = "tool_error";
    /// Its outcome cannot be known.
    pub const INDETERMINATE: &str = "indeterminate";
}

/// Names of events.
pub mod event {
    /// An approval was requested.
    pub const APPROVAL_REQUESTED: &str = "tollgate.approval.requested";
    /// An approval was granted, rejected or voided.
    pub const APPROVAL_RESOLVED: &str = "tollgate.approval.resolved";
    /// A call was refused before any policy.
    pub const VALIDATION_FAILED: &str = "tollgate.validation.failed";
    /// The gate repeats something that provably did not happen.
    pub const RETRY_SCHEDULED: &str = "tollgate.retry.scheduled";
    /// A budget was used up.
    pub const BUDGET_EXHAUSTED: &str = "tollgate.budget.exhausted";
    /// A component's own log line.
    pub const ADAPTER_LOG: &str = "tollgate.adapter.log";
    /// An annotation of a run.
    pub const EVALUATION_RESULT: &str = "gen_ai.evaluation.result";
}

/// Names of attributes.
pub mod attribute {
    // Every span.
    /// The run: the trace's id, unless another run has the caller's trace.
    pub const RUN_ID: &str = "tollgate.run.id";
    /// The tenant.
    pub const TENANT_ID: &str = "tollgate.tenant.id";
    /// The conversation that the run is part of.
    pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
    /// The group for trace viewers: the conversation, else the protocol's session.
    pub const SESSION_ID: &str = "session.id";
    /// The error: one of [`super::error`].
    pub const ERROR_TYPE: &str = "error.type";

    // The run's root.
    /// The operation.
    pub const OPERATION_NAME: &str = "gen_ai.operation.name";
    /// The agent's id.
    pub const AGENT_ID: &str = "gen_ai.agent.id";
    /// Its name.
    pub const AGENT_NAME: &str = "gen_ai.agent.name";
    /// Its version.
    pub const AGENT_VERSION: &str = "gen_ai.agent.version";
    /// The caller's name for the run.
    pub const RUN_KEY: &str = "tollgate.run.key";
    /// The kind of task.
    pub const RUN_TASK_TYPE: &str = "tollgate.run.task_type";
    /// How it ended.
    pub const RUN_OUTCOME: &str = "tollgate.run.outcome";
    /// Why it ended.
    pub const RUN_STOP_REASON: &str = "tollgate.run.stop_reason";
    /// The prompt's version.
    pub const PROMPT_VERSION: &str = "tollgate.prompt.version";
    /// The workflow's version.
    pub const WORKFLOW_VERSION: &str = "tollgate.workflow.version";
    /// Keyed hash of the user for whom the run acts.
    pub const USER_HASH: &str = "user.hash";
    /// The caller's trace, as the caller claims it.
    pub const CALLER_TRACE_ID: &str = "tollgate.caller.trace.id";
    /// The caller's own parent span.
    pub const CALLER_SPAN_ID: &str = "tollgate.caller.span.id";

    // Tool calls.
    /// The tool.
    pub const TOOL_NAME: &str = "gen_ai.tool.name";
    /// The caller's own id of the call.
    pub const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
    /// `function` for all.
    pub const TOOL_TYPE: &str = "gen_ai.tool.type";
    /// The tool's description.
    pub const TOOL_DESCRIPTION: &str = "gen_ai.tool.description";
    /// The first digits of the provider's digest.
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
    /// The sensitivity of the arguments.
    pub const ARGS_CLASS: &str = "tollgate.args.class";
    /// JSON pointers at which policy has the arguments redacted.
    pub const ARGS_REDACTED: &str = "tollgate.args.redacted";
    /// The component's file, or the accepted definitions.
    pub const ARTIFACT_HASH: &str = "artifact.hash";
    /// The arguments, as far as capture allows.
    pub const INPUT_VALUE: &str = "input.value";
    /// The result, as far as capture allows.
    pub const OUTPUT_VALUE: &str = "output.value";
    /// The earlier unsuccessful call in this run that this one repeats.
    pub const RETRY_OF: &str = "tollgate.retry.of";
    /// The problem of a call that was refused before any policy.
    pub const VALIDATION_PROBLEM: &str = "tollgate.validation.problem";
    /// JSON pointers to wrong arguments.
    pub const VALIDATION_POINTERS: &str = "tollgate.validation.pointers";

    // Decisions.
    /// The decision's id.
    pub const DECISION_ID: &str = "tollgate.decision.id";
    /// allow, deny, escalate or error.
    pub const DECISION_OUTCOME: &str = "tollgate.decision.outcome";
    /// The answer of the policy engine itself.
    pub const DECISION_NATIVE: &str = "tollgate.decision.native";
    /// executed, blocked or held.
    pub const DECISION_ACTION: &str = "tollgate.decision.action";
    /// enforce or shadow.
    pub const DECISION_MODE: &str = "tollgate.decision.mode";
    /// The reasons of the determining policies.
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
    /// The errors.
    pub const POLICY_ERRORS: &str = "tollgate.policy.errors";
    /// What the outcome would have been with the shadow policies.
    pub const SHADOW_OUTCOME: &str = "tollgate.shadow.outcome";
    /// Whether the user's request and everything that the run has read were seen.
    pub const PROVENANCE_KNOWN: &str = "tollgate.provenance.known";
    /// Whether the user's request has a word that asks for the tool.
    pub const PROVENANCE_ASKED: &str = "tollgate.provenance.asked";
    /// The least safe origin of each argument with a role.
    pub const PROVENANCE_SINKS: &str = "tollgate.provenance.sinks";
    /// A text for each value: its pointer and its origin.
    pub const PROVENANCE_VALUES: &str = "tollgate.provenance.values";
    /// A text for each source that was read: pointer of the value, origin, tool, pointer in the result, and step.
    pub const PROVENANCE_SOURCES: &str = "tollgate.provenance.sources";
    /// How many values are not named.
    pub const PROVENANCE_OMITTED: &str = "tollgate.provenance.omitted";
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
    /// Its reason.
    pub const RULE_DESCRIPTION: &str = "security_rule.description";
    /// The digest of its contents.
    pub const RULE_VERSION: &str = "security_rule.version";
    /// The bundle that contains it.
    pub const RULE_SET: &str = "security_rule.ruleset.name";

    // Approvals.
    /// The approval's id.
    pub const APPROVAL_ID: &str = "tollgate.approval.id";
    /// The standing approvals that allowed it.
    pub const APPROVAL_STANDING: &str = "tollgate.approval.standing";
    /// pending, approved, rejected, expired or cancelled.
    pub const APPROVAL_STATUS: &str = "tollgate.approval.status";
    /// The channel of the answer.
    pub const APPROVAL_CHANNEL: &str = "tollgate.approval.channel";
    /// The approver; never leaves the gate.
    pub const APPROVAL_APPROVER: &str = "tollgate.approval.approver";
    /// Keyed hash of the approver.
    pub const APPROVAL_APPROVER_HASH: &str = "tollgate.approval.approver.hash";
    /// Roles of the approver.
    pub const APPROVAL_APPROVER_ROLE: &str = "tollgate.approval.approver.role";
    /// approve or reject.
    pub const APPROVAL_ANSWER: &str = "tollgate.approval.answer";
    /// The approver's note.
    pub const APPROVAL_REASON: &str = "tollgate.approval.reason";
    /// When it expires.
    pub const APPROVAL_EXPIRES_AT: &str = "tollgate.approval.expires_at";
    /// Keyed hash of the call that it is for.
    pub const APPROVAL_ARGS_HASH: &str = "tollgate.approval.args_hash";
    /// The required approvals.
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
    /// The highest size of linear memory, in bytes.
    pub const WASM_PEAK_MEMORY: &str = "tollgate.wasm.peak_memory";
    /// Keyed hash of the result.
    pub const RESULT_HASH: &str = "tollgate.result.hash";
    /// Bytes of the result.
    pub const RESULT_SIZE: &str = "tollgate.result.size";
    /// released, redacted or withheld.
    pub const RESULT_RELEASE: &str = "tollgate.result.release";
    /// Labels that it adds to the run.
    pub const RESULT_LABELS: &str = "tollgate.result.labels";
    /// Started effects that change the world.
    pub const EFFECTS: &str = "tollgate.effects";
    /// How it ended.
    pub const STATUS: &str = "tollgate.status";

    // Effects.
    /// The operation that was requested.
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
    /// Distinguishes the secret's values from each other.
    pub const SECRET_VERSION: &str = "tollgate.secret.version";

    // Events.
    /// The budget that was used up.
    pub const BUDGET: &str = "tollgate.budget.name";
    /// A log line's level.
    pub const LOG_LEVEL: &str = "tollgate.log.level";
    /// The text of a log line.
    pub const LOG_MESSAGE: &str = "tollgate.log.message";
}
