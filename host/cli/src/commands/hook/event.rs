//! The event that a coding agent passes to its hook, in one form for all coding agents.

use serde_json::{Map, Value, value::RawValue};
use tollgate_model::canonical::{self, Sha256Digest};

use super::{
    preset::{McpTool, Preset, Topic},
    unescaped::unescaped,
};
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
    /// Before a tool runs, also by an event that is not known. Only then it can be blocked.
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
    /// Any other event that is known.
    Neutral,
    /// An event at which this hook must not be, for this reason.
    Foreign(&'static str),
    /// An event that is not known, and that is not about a tool to be run.
    Unknown,
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
    let Ok(event) = serde_json::from_str::<Value>(&text) else {
        return false;
    };
    let name = event.get(preset.fields.event).and_then(Value::as_str);
    match name.map(|name| preset.topic(name)) {
        None | Some(Topic::BeforeTool) => false,
        Some(Topic::Unknown) => !is_tool_use(preset, |member| event.get(member).is_some()),
        Some(_) => true,
    }
}

/// Whether an event with these members is about a tool that has not run: it names the tool and its arguments, and
/// no result.
fn is_tool_use(preset: &Preset, has: impl Fn(&str) -> bool) -> bool {
    let fields = &preset.fields;
    has(fields.tool) && has(fields.arguments) && !has(fields.response) && !has(fields.error)
}

impl HookEvent {
    /// Whether the coding agent's answers to events before a tool are known to count here. Elsewhere only the exit
    /// code does.
    pub(super) fn is_known(&self, preset: &Preset) -> bool {
        preset.topic(&self.name) != Topic::Unknown
    }

    /// Whether the answer to it can carry other arguments.
    pub(super) fn rewrites(&self, preset: &Preset) -> bool {
        preset.rewrites.contains(&self.name.as_str())
    }

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
        let kind = match preset.topic(&name) {
            Topic::BeforeTool => EventKind::BeforeTool,
            Topic::AfterTool => EventKind::AfterTool {
                failed: members.says_failure(fields.response),
                content: members.content(fields.response),
            },
            Topic::AfterFailure => EventKind::AfterTool {
                failed: true,
                content: members.content(fields.error),
            },
            Topic::Prompt => EventKind::Prompt {
                session: members.required(fields.session)?,
                text: members.required("prompt")?,
            },
            Topic::Neutral => EventKind::Neutral,
            Topic::Foreign(why) => EventKind::Foreign(why),
            // What is new may be another way to run a tool.
            Topic::Unknown if is_tool_use(preset, |member| members.0.contains_key(member)) => {
                EventKind::BeforeTool
            }
            Topic::Unknown => EventKind::Unknown,
        };
        let tool_use = match kind {
            EventKind::BeforeTool | EventKind::AfterTool { .. } => {
                Some(members.tool_use(preset, &name)?)
            }
            EventKind::Prompt { .. }
            | EventKind::Neutral
            | EventKind::Foreign(_)
            | EventKind::Unknown => None,
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

    /// What the model gets of a member, as text: all of it, also if it is not JSON that can be read.
    fn content(&self, name: &str) -> String {
        let Some(raw) = self.0.get(name).map(|raw| raw.get()) else {
            return String::new();
        };
        match serde_json::from_str(raw) {
            Ok(Value::Null) => String::new(),
            Ok(Value::String(text)) => text,
            Ok(value) if canonical::parse_with_any_number(raw).is_ok() => value.to_string(),
            _ => unescaped(raw),
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
