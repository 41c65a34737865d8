//! The gate's answer as an MCP result.
//!
//! An answer without a released result is `isError` with one text block that the model can act on, and the
//! same as data in `_meta`. It has no structured content, because clients check that against the tool's
//! output schema first. It is not a protocol error, because frameworks do not show those to the model.

use rmcp::{
    ErrorData,
    model::{
        CallToolResult, ContentBlock, ErrorCode, GetPromptResult, MetaObject, PromptMessage,
        ReadResourceResult, ResourceContents, Role,
    },
};
use serde_json::{Value, json};
use tollgate::{
    enforce::Answer,
    enforce::AnswerView,
    enforce::CallOutcome,
    enforce::Verdict,
    load::RESUME_TOOL,
    tool::{Content, FailureKind, Tool},
};

use super::output;

/// What follows content of which policy has removed parts.
const REDACTED: &str = "[policy has removed parts of this result; asking again brings the same]";
/// The code of an error that says that the gate has refused a prompt or a resource.
const REFUSED: ErrorCode = ErrorCode(-32050);
/// Where a result says what was decided.
const DECISION: &str = "dev.tollgate/decision";

/// The result of a call of `tool`, with its outcome. `legacy` is whether the client's protocol is
/// older than 2026-07-28, where structured content is an object.
pub(super) fn result(answer: Answer, tool: Option<&Tool>, legacy: bool) -> CallToolResult {
    let view = answer.view();
    let message = answer.message().map(|message| advised(message, &view));
    let notice = answer.notice();
    let note = arguments_note(&answer);
    let mut result = match answer.verdict {
        Verdict::Released { content, redacted } => {
            let schema = tool.and_then(|tool| tool.output_schema.as_ref());
            let mut result = released(content, redacted, schema, legacy);
            result.content.extend(notice.map(ContentBlock::text));
            result.content.extend(note.map(ContentBlock::text));
            result
        }
        _ => CallToolResult::error(vec![ContentBlock::text(message.unwrap_or_default())]),
    };
    result.meta = Some(meta(&view));
    result
}

/// What follows the content of a call whose arguments policy has redacted.
fn arguments_note(answer: &Answer) -> Option<String> {
    let pointers: Vec<&str> = answer
        .redacted_arguments
        .iter()
        .map(String::as_str)
        .collect();
    (!pointers.is_empty()).then(|| {
        format!(
            "[policy has removed parts of the arguments before the call: {}]",
            pointers.join(", ")
        )
    })
}

/// The messages of a released prompt. Anything else is an error of the protocol, which has no other form for it.
pub(super) fn prompt(answer: Answer) -> Result<GetPromptResult, ErrorData> {
    let content = content(answer)?;
    let mut parts = content.into_iter().peekable();
    let about = match parts.peek() {
        Some(Content::Structured(_)) => match parts.next() {
            Some(Content::Structured(about)) => about,
            _ => Value::Null,
        },
        _ => Value::Null,
    };
    let roles = about.get("roles").and_then(Value::as_array);
    let role = |n: usize| match roles.and_then(|roles| roles.get(n)) {
        Some(role) if role == "assistant" => Role::Assistant,
        _ => Role::User,
    };
    let messages = parts.enumerate().map(|(n, part)| {
        let block = match part {
            Content::Text { text } => ContentBlock::text(text),
            Content::Structured(value) => ContentBlock::text(value.to_string()),
            part => block(&part).unwrap_or_else(|| ContentBlock::text("")),
        };
        PromptMessage::new(role(n), block)
    });
    let mut result = GetPromptResult::new(messages.collect());
    let description = about.get("description").and_then(Value::as_str);
    result.description = description.map(str::to_owned);
    Ok(result)
}

/// The contents of the resource `uri`, with errors as for [`prompt`].
pub(super) fn resource(answer: Answer, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let contents = content(answer)?.into_iter().filter_map(|part| match part {
        Content::Resource { resource } => {
            let value = serde_json::to_value(resource).ok()?;
            serde_json::from_value::<ResourceContents>(value).ok()
        }
        Content::Text { text } => Some(ResourceContents::text(text, uri)),
        Content::Structured(value) => Some(ResourceContents::text(value.to_string(), uri)),
        // A resource holds no other part.
        Content::Image { .. } => None,
    });
    Ok(ReadResourceResult::new(contents.collect()))
}

/// The released content, with a note if policy has removed parts of it.
fn content(answer: Answer) -> Result<Vec<Content>, ErrorData> {
    let view = answer.view();
    let message = answer.message().map(|message| advised(message, &view));
    let code = match &answer.verdict {
        Verdict::Released { content, redacted } => {
            let mut content = content.clone();
            if *redacted {
                let text = REDACTED.to_owned();
                content.push(Content::Text { text });
            }
            content.extend(arguments_note(&answer).map(|text| Content::Text { text }));
            return Ok(content);
        }
        Verdict::ToolError(failure) => match failure.kind {
            FailureKind::InvalidArguments | FailureKind::UnknownTool => ErrorCode::INVALID_PARAMS,
            _ => ErrorCode::INTERNAL_ERROR,
        },
        _ => match view.outcome {
            CallOutcome::Invalid | CallOutcome::UnknownTool => ErrorCode::INVALID_PARAMS,
            _ => REFUSED,
        },
    };
    let data = serde_json::to_value(meta(&view)).ok();
    Err(ErrorData::new(code, message.unwrap_or_default(), data))
}

/// A refusal that no call has reached the gate for.
pub(super) fn refusal(text: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// The message, with the tool by which a call that waits is resumed.
fn advised(message: String, view: &AnswerView) -> String {
    match &view.approval {
        Some(approval) => format!(
            "{message} Or call the tool {RESUME_TOOL} with {}, which makes this very call once it is \
             approved. Do not wait in a loop: go on with other work, or tell the user.",
            json!({ "approval_id": approval.id })
        ),
        None => message,
    }
}

fn meta(view: &AnswerView) -> MetaObject {
    let mut data = serde_json::to_value(view).unwrap_or_default();
    if let Value::Object(fields) = &mut data {
        fields.retain(|_, value| !value.is_null() && *value != json!([]));
        let retry = match view.outcome {
            CallOutcome::Ok | CallOutcome::ToolError | CallOutcome::Failed => return wrapped(data),
            CallOutcome::Waiting => "when_approved",
            CallOutcome::UnknownTool | CallOutcome::Invalid => "when_corrected",
            CallOutcome::Unrecorded => "later",
            CallOutcome::Indeterminate => "after_a_look",
            _ => "never_unchanged",
        };
        fields.insert("retry".into(), retry.into());
    }
    wrapped(data)
}

fn wrapped(data: Value) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.insert(DECISION.into(), data);
    meta
}

fn released(
    content: Vec<Content>,
    redacted: bool,
    schema: Option<&Value>,
    legacy: bool,
) -> CallToolResult {
    let mut blocks = Vec::with_capacity(content.len());
    let mut structured = None;
    let mut texts = false;
    for part in content {
        texts |= matches!(part, Content::Text { .. });
        match part {
            Content::Text { text } => blocks.push(ContentBlock::text(text)),
            Content::Structured(value) if structured.is_none() => structured = Some(value),
            Content::Structured(value) => blocks.push(ContentBlock::text(value.to_string())),
            part => blocks.extend(block(&part)),
        }
    }
    if let (Some(value), false) = (&structured, texts) {
        // For clients that know no structured content.
        blocks.push(ContentBlock::text(value.to_string()));
    }
    if redacted {
        blocks.push(ContentBlock::text(REDACTED));
    }
    let mut result = CallToolResult::success(blocks);
    let is_checked = schema.and_then(output::listed).is_some();
    result.structured_content = match structured.filter(|value| !legacy || value.is_object()) {
        // What was removed may be what the output schema asks for. The text blocks have what is left.
        _ if redacted && is_checked => Some(output::incomplete(
            "policy has removed parts of this result; the text has the others",
        )),
        None if is_checked => Some(output::incomplete(
            "the tool returned no structured content, or more than is passed on",
        )),
        structured => structured,
    };
    result
}

/// A content block. Blocks that are not text already have the JSON form of MCP.
fn block(part: &Content) -> Option<ContentBlock> {
    serde_json::to_value(part)
        .and_then(serde_json::from_value)
        .ok()
}

#[cfg(test)]
mod tests;
