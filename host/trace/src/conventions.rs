//! The meaning of attributes of reported spans, across semantic conventions.
//!
//! Instrumentations name the same fact differently. [`DIALECTS`] lists the names; all other code uses a [`Meaning`].
//! To support another instrumentation, add its names to the table.

use std::{collections::HashMap, sync::LazyLock};

use serde_json::Value;

use crate::store::Attributes;

/// A fact about a span that several instrumentations name differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The operation, such as `chat` or `execute_tool`; see [`Role`].
    Operation,
    /// The company that serves the model.
    Provider,
    /// The model that was called.
    Model,
    /// Tokens that the model read.
    InputTokens,
    /// Tokens that the model wrote.
    OutputTokens,
    /// Tokens that the model read from a cache.
    CachedTokens,
    /// Tokens that were written to a cache.
    CacheWriteTokens,
    /// Cost of the call, in the price table's currency.
    Cost,
    /// The conversation or session.
    Conversation,
    /// The agent's name.
    Agent,
    /// The agent's version.
    AgentVersion,
    /// The prompt's version.
    PromptVersion,
    /// The workflow's version.
    WorkflowVersion,
    /// The tool's name.
    Tool,
    /// The id that a model gave to a call of a tool.
    ToolCall,
    /// The input: the request, the prompt, the arguments.
    Input,
    /// The output: the answer, the completion, the result.
    Output,
    /// Documents that were retrieved.
    Documents,
    /// `error.type`.
    ErrorType,
    /// The reason of a retry.
    RetryReason,
    /// The reason of a handoff.
    HandoffReason,
}

/// The number of meanings.
const MEANINGS: usize = Meaning::HandoffReason as usize + 1;

/// The names of one family of instrumentations.
struct Dialect {
    /// The documentation of the names.
    #[expect(
        dead_code,
        reason = "it tells readers of the table where the names come from"
    )]
    source: &'static str,
    names: &'static [(Meaning, &'static str)],
}

use Meaning as M;

/// All known names. If a span has several attributes with one meaning, the first in this table is used.
const DIALECTS: &[Dialect] = &[
    Dialect {
        source: "OpenTelemetry semantic conventions for generative AI 1.36 to 1.39",
        names: &[
            (M::Operation, "gen_ai.operation.name"),
            (M::Provider, "gen_ai.provider.name"),
            (M::Model, "gen_ai.response.model"),
            (M::Model, "gen_ai.request.model"),
            (M::InputTokens, "gen_ai.usage.input_tokens"),
            (M::OutputTokens, "gen_ai.usage.output_tokens"),
            (M::CachedTokens, "gen_ai.usage.cache_read.input_tokens"),
            (
                M::CacheWriteTokens,
                "gen_ai.usage.cache_creation.input_tokens",
            ),
            (M::CacheWriteTokens, "gen_ai.usage.cache_write.input_tokens"),
            (M::Cost, "gen_ai.usage.cost"),
            (M::Conversation, "gen_ai.conversation.id"),
            (M::Agent, "gen_ai.agent.name"),
            (M::AgentVersion, "gen_ai.agent.version"),
            (M::PromptVersion, "gen_ai.prompt.version"),
            (M::Tool, "gen_ai.tool.name"),
            (M::ToolCall, "gen_ai.tool.call.id"),
            (M::Input, "gen_ai.input.messages"),
            (M::Input, "gen_ai.tool.call.arguments"),
            (M::Output, "gen_ai.output.messages"),
            (M::Output, "gen_ai.tool.call.result"),
            (M::Documents, "gen_ai.retrieval.documents"),
            (M::ErrorType, "error.type"),
        ],
    },
    Dialect {
        source: "Names that earlier versions of those conventions had",
        names: &[
            (M::Provider, "gen_ai.system"),
            (M::InputTokens, "gen_ai.usage.prompt_tokens"),
            (M::OutputTokens, "gen_ai.usage.completion_tokens"),
            (M::CachedTokens, "gen_ai.usage.cache_read_input_tokens"),
            (
                M::CacheWriteTokens,
                "gen_ai.usage.cache_creation_input_tokens",
            ),
            (M::Input, "gen_ai.prompt"),
            (M::Output, "gen_ai.completion"),
        ],
    },
    Dialect {
        source: "OpenInference semantic conventions",
        names: &[
            (M::Operation, "openinference.span.kind"),
            (M::Provider, "llm.provider"),
            (M::Provider, "llm.system"),
            (M::Model, "llm.model_name"),
            (M::Model, "embedding.model_name"),
            (M::Model, "reranker.model_name"),
            (M::InputTokens, "llm.token_count.prompt"),
            (M::OutputTokens, "llm.token_count.completion"),
            (M::CachedTokens, "llm.token_count.prompt_details.cache_read"),
            (
                M::CacheWriteTokens,
                "llm.token_count.prompt_details.cache_write",
            ),
            (M::Cost, "llm.cost.total"),
            (M::Conversation, "session.id"),
            (M::Agent, "agent.name"),
            (M::PromptVersion, "llm.prompt_template.version"),
            (M::Tool, "tool.name"),
            (M::ToolCall, "tool_call.id"),
            (M::Input, "input.value"),
            (M::Output, "output.value"),
            (M::Documents, "retrieval.documents"),
        ],
    },
    Dialect {
        source: "Traceloop OpenLLMetry",
        names: &[
            (M::Operation, "traceloop.span.kind"),
            (M::Operation, "llm.request.type"),
            (M::Model, "llm.response.model"),
            (M::Model, "llm.request.model"),
            (M::InputTokens, "llm.usage.prompt_tokens"),
            (M::OutputTokens, "llm.usage.completion_tokens"),
            (
                M::Conversation,
                "traceloop.association.properties.session_id",
            ),
            (M::Conversation, "traceloop.association.properties.chat_id"),
            (M::PromptVersion, "traceloop.prompt.version"),
            (M::WorkflowVersion, "traceloop.entity.version"),
            (M::Input, "traceloop.entity.input"),
            (M::Output, "traceloop.entity.output"),
        ],
    },
    Dialect {
        source: "Vercel AI SDK telemetry 4 to 6",
        names: &[
            (M::Operation, "ai.operationId"),
            (M::Provider, "ai.model.provider"),
            (M::Model, "ai.response.model"),
            (M::Model, "ai.model.id"),
            (M::InputTokens, "ai.usage.inputTokens"),
            (M::InputTokens, "ai.usage.promptTokens"),
            (M::OutputTokens, "ai.usage.outputTokens"),
            (M::OutputTokens, "ai.usage.completionTokens"),
            (M::CachedTokens, "ai.usage.cachedInputTokens"),
            (M::Conversation, "ai.telemetry.metadata.sessionId"),
            (M::Agent, "ai.telemetry.functionId"),
            (M::Tool, "ai.toolCall.name"),
            (M::ToolCall, "ai.toolCall.id"),
            (M::Input, "ai.prompt"),
            (M::Input, "ai.toolCall.args"),
            (M::Output, "ai.response.text"),
            (M::Output, "ai.toolCall.result"),
        ],
    },
    Dialect {
        source: "LangSmith's OpenTelemetry names",
        names: &[
            (M::Operation, "langsmith.span.kind"),
            (M::Conversation, "langsmith.trace.session_id"),
            (M::Conversation, "langsmith.metadata.session_id"),
            (M::Conversation, "langsmith.metadata.thread_id"),
            (M::PromptVersion, "langsmith.metadata.prompt_version"),
            (M::Input, "langsmith.inputs"),
            (M::Output, "langsmith.outputs"),
        ],
    },
    Dialect {
        source: "Names without conventions that agents use",
        names: &[
            (M::Cost, "operation.cost"),
            (M::Conversation, "conversation.id"),
            (M::Conversation, "thread.id"),
            (M::AgentVersion, "agent.version"),
            (M::PromptVersion, "prompt.version"),
            (M::PromptVersion, "langfuse.prompt.version"),
            (M::PromptVersion, "reported.tollgate.prompt.version"),
            (M::WorkflowVersion, "workflow.version"),
            (M::WorkflowVersion, "reported.tollgate.workflow.version"),
            (M::RetryReason, "retry.reason"),
            (M::HandoffReason, "handoff.reason"),
        ],
    },
];

/// The meaning of each name, and its index in the table.
static MEANING_OF: LazyLock<HashMap<&'static str, (Meaning, usize)>> = LazyLock::new(|| {
    let names = DIALECTS.iter().flat_map(|dialect| dialect.names);
    names
        .enumerate()
        .map(|(rank, (meaning, name))| (*name, (*meaning, rank)))
        .collect()
});

/// The meanings of the attributes of one span.
#[derive(Debug)]
pub struct Facts<'a> {
    values: [Option<(usize, &'a Value)>; MEANINGS],
}

impl<'a> Facts<'a> {
    /// Read attributes in one pass.
    #[must_use]
    pub fn of(attributes: &'a Attributes) -> Self {
        let mut values = [None; MEANINGS];
        for (name, value) in attributes {
            let Some((meaning, rank)) = MEANING_OF.get(name.as_str()) else {
                continue;
            };
            let Some(slot) = values.get_mut(*meaning as usize) else {
                continue;
            };
            if slot.is_none_or(|(known, _)| *rank < known) && !value.is_null() {
                *slot = Some((*rank, value));
            }
        }
        Self { values }
    }

    /// The value of this meaning.
    #[must_use]
    pub fn get(&self, meaning: Meaning) -> Option<&'a Value> {
        self.values.get(meaning as usize)?.map(|(_, value)| value)
    }

    /// The text of this meaning; `None` if it is empty or not a text.
    #[must_use]
    pub fn text(&self, meaning: Meaning) -> Option<&'a str> {
        self.get(meaning)?.as_str().filter(|text| !text.is_empty())
    }

    /// The role of the span.
    #[must_use]
    pub fn role(&self) -> Role {
        self.text(Meaning::Operation)
            .map_or(Role::Unknown, Role::of)
    }
}

/// The kind of work of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One call of a model.
    Model,
    /// An agent or workflow. Its usage is the sum of the spans below it.
    Agent,
    /// A call of a tool.
    Tool,
    /// Retrieval of documents.
    Retrieval,
    /// Any other known operation; it does not call a model.
    Other,
    /// Unknown.
    Unknown,
}

impl Role {
    /// The role of an operation, in any dialect.
    fn of(operation: &str) -> Self {
        match operation {
            "chat" | "generate_content" | "text_completion" | "embeddings" | "completion"
            | "embedding" | "rerank" | "LLM" | "EMBEDDING" | "RERANKER" | "llm" => Self::Model,
            "invoke_agent" | "create_agent" | "invoke_workflow" | "AGENT" | "agent"
            | "workflow" => Self::Agent,
            "execute_tool" | "TOOL" | "tool" | "ai.toolCall" => Self::Tool,
            "retrieval" | "RETRIEVER" | "retriever" => Self::Retrieval,
            other if other.starts_with("ai.") => match other.rsplit('.').next() {
                Some("doGenerate" | "doStream" | "doEmbed") => Self::Model,
                _ => Self::Agent,
            },
            "CHAIN" | "GUARDRAIL" | "EVALUATOR" | "PROMPT" | "UNKNOWN" | "chain" | "task"
            | "prompt" | "parser" => Self::Other,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
