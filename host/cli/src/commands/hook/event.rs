//! The event that a coding agent passes to its hook, in one form for all coding agents.

use serde_json::{Map, Value, value::RawValue};
use tollgate_model::canonical::Sha256Digest;

use super::preset::{McpTool, Preset};
use crate::error::Failure;

/// The longest part of a foreign name that is shown, in characters.
const MAX_NAME: usize = 64;

/// An event.
#[derive(Debug)]
pub(super) struct HookEvent {
    /// Its name, as the coding agent spells it.
    pub(super) name: String,
    /// Its kind.
    pub(super) kind: EventKind,
    /// The call, for events before and after a tool.
    pub(super) tool_use: Option<ToolUse>,
}

/// The kind of an event.
#[derive(Debug, PartialEq)]
pub(super) enum EventKind {
    /// Before a tool runs. Only then it can be blocked.
    BeforeTool,
    /// A tool has run.
    AfterTool {
        /// Whether it failed.
        failed: bool,
        /// What it returned, as text.
        content: String,
    },
    /// The user asks for something.
    Prompt {
        /// The session.
        session: String,
        /// The user's words.
        text: String,
    },
    /// Any other event.
    Other,
}

/// A call of a tool of the coding agent.
#[derive(Debug)]
pub(super) struct ToolUse {
    /// The tool, as the coding agent names it.
    pub(super) tool: String,
    /// The same, if it is one of an MCP server.
    pub(super) mcp: Option<McpTool>,
    /// The unparsed arguments, so that the gate sees duplicate keys.
    pub(super) arguments: String,
    /// The session, for which the gate has a run.
    pub(super) session: String,
    /// The id that the events before and after one call share.
    pub(super) reference: String,
    /// Facts about the caller.
    pub(super) caller: Caller,
}

/// The working directory and the agent within the session.
#[derive(Debug, Default, Clone)]
pub(super) struct Caller {
    /// The working directory.
    pub(super) cwd: Option<String>,
    /// The subagent; absent for the main one.
    pub(super) agent_id: Option<String>,
    /// The kind of subagent.
    pub(super) agent_type: Option<String>,
    /// The permission mode of the coding agent.
    pub(super) permission_mode: Option<String>,
}

/// Whether `bytes` are certainly an event that cannot block. Unreadable input may be any event.
pub(super) fn decides_nothing(preset: &Preset, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let event = serde_json::from_str::<Value>(&text).ok();
    let name = event
        .as_ref()
        .and_then(|event| event.get(preset.fields.event));
    match name.and_then(Value::as_str) {
        Some(name) => !preset.before_tool.contains(&name),
        None => false,
    }
}

impl HookEvent {
    /// Read an event.
    ///
    /// # Errors
    /// It is not JSON, or lacks a member that its kind requires.
    pub(super) fn parse(preset: &Preset, bytes: &[u8]) -> Result<Self, Failure> {
        let text = std::str::from_utf8(bytes).map_err(|e| {
            Failure::plain(format!(
                "standard input is not UTF-8 from byte {} on",
                e.valid_up_to()
            ))
        })?;
        let members: Members<'_> = serde_json::from_str(text)
            .map_err(|e| Failure::plain(format!("standard input is not an event: {e}")))?;
        let fields = &preset.fields;
        let name = members.required(fields.event)?;
        let kind = match name.as_str() {
            name if preset.before_tool.contains(&name) => EventKind::BeforeTool,
            name if preset.after_tool.contains(&name) => EventKind::AfterTool {
                failed: members.says_failure(fields.response),
                content: members.content(fields.response),
            },
            name if preset.after_failure.contains(&name) => EventKind::AfterTool {
                failed: true,
                content: members.content(fields.error),
            },
            name if preset.prompts.contains(&name) => EventKind::Prompt {
                session: members.required(fields.session)?,
                text: members.required("prompt")?,
            },
            _ => EventKind::Other,
        };
        let tool_use = match kind {
            EventKind::Prompt { .. } | EventKind::Other => None,
            _ => Some(members.tool_use(preset, &name)?),
        };
        Ok(Self {
            name,
            kind,
            tool_use,
        })
    }
}

/// The members of an event, unparsed.
struct Members<'a>(std::collections::BTreeMap<String, &'a RawValue>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<Self::Value, M::Error> {
                let mut members = std::collections::BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.contains_key(&key) {
                        return Err(serde::de::Error::custom(format!("`{key}` occurs twice")));
                    }
                    members.insert(key, value);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl Members<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let raw = self.0.get(name)?;
        serde_json::from_str(raw.get())
            .ok()
            .filter(|value: &Value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    fn required(&self, name: &str) -> Result<String, Failure> {
        self.text(name)
            .ok_or_else(|| Failure::plain(format!("the event has no text `{name}`")))
    }

    fn content(&self, name: &str) -> String {
        match self.value(name) {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }

    fn says_failure(&self, name: &str) -> bool {
        let value = self.value(name);
        let member = |key: &str| value.as_ref().and_then(|value| value.get(key)).cloned();
        member("is_error") == Some(Value::Bool(true))
            || member("error").is_some_and(|error| !error.is_null())
    }

    fn tool_use(&self, preset: &Preset, event: &str) -> Result<ToolUse, Failure> {
        let fields = &preset.fields;
        let session = self.required(fields.session)?;
        let (tool, arguments) = match preset.implied_tool(event) {
            Some((tool, members)) => {
                let picked: Map<String, Value> = members
                    .iter()
                    .filter_map(|name| Some(((*name).to_owned(), self.value(name)?)))
                    .collect();
                (tool.to_owned(), Value::Object(picked).to_string())
            }
            None => {
                let arguments = self.0.get(fields.arguments).map_or("{}", |raw| raw.get());
                let arguments = if arguments == "null" { "{}" } else { arguments };
                (self.required(fields.tool)?, arguments.to_owned())
            }
        };
        let reference = self.text(fields.call).unwrap_or_else(|| {
            // Without a call id, events belong to the latest identical call.
            let same: Value = serde_json::from_str(&arguments).unwrap_or_default();
            Sha256Digest::of(format!("{session}\n{tool}\n{same}").as_bytes()).to_string()
        });
        Ok(ToolUse {
            mcp: preset.mcp.tool(&tool, |name| self.value(name)),
            tool,
            arguments,
            session,
            reference,
            caller: Caller {
                cwd: self.text("cwd"),
                agent_id: self.text("agent_id"),
                agent_type: self.text("agent_type"),
                permission_mode: self.text("permission_mode"),
            },
        })
    }
}

/// A foreign name, made printable and short.
pub(super) fn shown(name: &str) -> String {
    tollgate::text::printable(name, MAX_NAME)
}
