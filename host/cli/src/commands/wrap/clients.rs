//! Servers in the configuration files of MCP clients: Claude Desktop, Cursor, VS Code and others.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use jsonc_parser::ParseOptions;
use serde_json::Value;

use crate::error::Failure;

/// The longest name of a server, which is the prefix of its tools.
const MAX_NAME: usize = 30;

/// A server in the configuration of a client.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) transport: Transport,
    /// Its command or URL verbatim, without the values of variables.
    pub(super) written: String,
    /// The variables of this process's environment whose values it gets.
    pub(super) variables: BTreeSet<String>,
    /// Its environment or its headers verbatim, by name.
    pub(super) sent: BTreeMap<String, String>,
}

/// The transport to a server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Transport {
    /// As a child process.
    Command {
        words: Vec<String>,
        env: BTreeMap<String, String>,
        /// Whether its working directory is that of this command.
        here: bool,
    },
    /// Over HTTP.
    Url {
        url: String,
        /// Which of MCP's two transports over HTTP; both are tried unless the client names one.
        protocol: Option<Protocol>,
        headers: BTreeMap<String, String>,
    },
}

/// A transport of MCP over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Streamable HTTP.
    Streamable,
    /// HTTP with SSE, of MCP 2024-11-05.
    EventStream,
}

impl Protocol {
    /// As `transport` of a gate's configuration has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Streamable => "http",
            Self::EventStream => "sse",
        }
    }
}

/// The servers of a client's configuration file.
#[derive(Debug, PartialEq)]
pub(super) struct ClientFile {
    /// Servers that can be wrapped.
    pub(super) servers: Vec<Server>,
    /// Other servers, by their name in the file, with the reason.
    pub(super) left_out: Vec<(String, String)>,
}

impl Server {
    /// A server with the command `words`, and these variables of this process's environment.
    pub(super) fn command(
        name: Option<&str>,
        words: &[String],
        variables: &[String],
    ) -> Result<Self, Failure> {
        let mut env = BTreeMap::new();
        for variable in variables {
            let value = std::env::var(variable).map_err(|_| {
                Failure::usage(format!(
                    "the variable {variable} is not set, or is not text"
                ))
            })?;
            env.insert(variable.clone(), value);
        }
        Ok(Self {
            name: name.map_or_else(|| name_of(words), str::to_owned),
            transport: Transport::Command {
                words: words.to_vec(),
                env,
                here: true,
            },
            written: words.join(" "),
            variables: variables.iter().cloned().collect(),
            sent: BTreeMap::new(),
        })
    }
}

impl ClientFile {
    /// Reads the file: JSON, also with comments and trailing commas.
    ///
    /// # Errors
    /// It cannot be read, or has no server that can be wrapped.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let wrong = |problem: String| Failure::plain(format!("{}: {problem}", file.display()));
        let text =
            fs::read_to_string(file).map_err(|e| wrong(format!("it cannot be read: {e}")))?;
        let parsed = Self::parse(&text, |name| std::env::var(name).ok()).map_err(&wrong)?;
        match parsed.servers.is_empty() {
            false => Ok(parsed),
            true => {
                let why: Vec<String> = parsed
                    .left_out
                    .iter()
                    .map(|(name, why)| format!("`{name}`: {why}"))
                    .collect();
                Err(wrong(format!(
                    "none of its servers can be wrapped; {}",
                    why.join("; ")
                )))
            }
        }
    }

    pub(super) fn parse(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value = jsonc_parser::parse_to_serde_value(text, &ParseOptions::default())
            .map_err(|e| format!("it is not JSON: {e}"))?;
        let places = ["/mcpServers", "/servers", "/mcp/servers"];
        let found = places.iter().find_map(|place| value.pointer(place));
        let entries = found
            .and_then(Value::as_object)
            .ok_or("it has neither `mcpServers` nor `servers`")?;
        if entries.is_empty() {
            return Err("it has no servers".into());
        }
        let mut file = Self {
            servers: Vec::new(),
            left_out: Vec::new(),
        };
        for (key, entry) in entries {
            let name = plain(key);
            let used = RefCell::new(BTreeSet::new());
            let noted = |name: &str| {
                let value = variable(name);
                if value.is_some() {
                    used.borrow_mut().insert(name.to_owned());
                }
                value
            };
            let server = transport(entry, &noted).and_then(|transport| {
                match file.servers.iter().any(|other| other.name == name) {
                    true => Err(format!("another server would be called `{name}`, too")),
                    false => Ok(Server {
                        name,
                        transport,
                        written: unexpanded(entry),
                        variables: used.take(),
                        sent: unexpanded_members(entry),
                    }),
                }
            });
            match server {
                Ok(server) => file.servers.push(server),
                Err(why) => file.left_out.push((key.clone(), why)),
            }
        }
        Ok(file)
    }
}

/// The transport of an entry, or why it cannot be wrapped.
fn transport(
    entry: &Value,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Transport, String> {
    if entry.get("disabled") == Some(&Value::Bool(true)) {
        return Err("it is disabled".into());
    }
    let text = |key: &str| match entry.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => written(key, value)
            .and_then(|text| expanded(&text, variable))
            .map(Some),
    };
    let texts = |key: &str| match entry.get(key) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(members)) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let text = written(&format!("{key}.{name}"), value)?;
                Ok((name.clone(), expanded(&text, variable)?))
            })
            .collect(),
        Some(_) => Err(format!("`{key}` is not an object")),
    };
    // Some clients have a key of their own for each transport.
    let streamable = text("httpUrl")?;
    let url = match (&streamable, text("url")?) {
        (Some(_), _) => streamable.clone(),
        (None, Some(url)) => Some(url),
        (None, None) => text("serverUrl")?,
    };
    match (text("command")?, url) {
        (Some(command), _) => {
            let mut words = vec![command];
            match entry.get("args") {
                None | Some(Value::Null) => {}
                Some(Value::Array(arguments)) => {
                    for argument in arguments {
                        words.push(expanded(&written("args", argument)?, variable)?);
                    }
                }
                Some(_) => return Err("`args` is not an array".into()),
            }
            Ok(Transport::Command {
                words,
                env: texts("env")?,
                here: false,
            })
        }
        (None, Some(url)) => Ok(Transport::Url {
            url,
            protocol: match streamable {
                Some(_) => Some(Protocol::Streamable),
                None => protocol(entry)?,
            },
            headers: texts("headers")?,
        }),
        (None, None) => Err("it has neither `command` nor `url`".into()),
    }
}

/// The command or URL of an entry, verbatim.
fn unexpanded(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).filter(|value| !value.is_null());
    let words = match text("command") {
        Some(command) => {
            let arguments = entry.get("args").and_then(Value::as_array);
            std::iter::once(command)
                .chain(arguments.into_iter().flatten())
                .collect()
        }
        None => ["httpUrl", "url", "serverUrl"]
            .into_iter()
            .find_map(text)
            .into_iter()
            .collect::<Vec<_>>(),
    };
    let words = words.into_iter().map(|word| match word {
        Value::String(word) => word.clone(),
        other => other.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The environment or the headers of an entry, verbatim.
fn unexpanded_members(entry: &Value) -> BTreeMap<String, String> {
    let key = match entry.get("command").is_some_and(|value| !value.is_null()) {
        true => "env",
        false => "headers",
    };
    let members = entry.get(key).and_then(Value::as_object);
    let members = members.into_iter().flatten();
    members
        .filter_map(|(name, value)| Some((name.clone(), written(name, value).ok()?)))
        .collect()
}

/// The transport that a client names for a server over HTTP.
///
/// # Errors
/// It is one that the gate does not have.
fn protocol(entry: &Value) -> Result<Option<Protocol>, String> {
    let named = ["type", "transport"]
        .iter()
        .find_map(|key| entry.get(key)?.as_str());
    let Some(named) = named else { return Ok(None) };
    let plain: String = named
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        "sse" => Ok(Some(Protocol::EventStream)),
        "http" | "streamable" | "streamablehttp" => Ok(Some(Protocol::Streamable)),
        "" | "remote" | "url" => Ok(None),
        _ => Err(format!(
            "its transport is `{named}`, and the gate has `stdio`, `http` and `sse`"
        )),
    }
}

/// A string, number or boolean as the text of a variable.
fn written(what: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(format!("`{what}` is not a text")),
    }
}

/// `text` with the values of `${NAME}` and `${env:NAME}`, and `${NAME:-DEFAULT}`.
///
/// # Errors
/// A variable is not set, or only the client knows its value, such as `${input:NAME}`.
fn expanded(text: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else {
            break;
        };
        result.push_str(before);
        rest = after;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (inside, None),
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        if name.contains(':') {
            return Err(format!("only the client knows `${{{inside}}}`"));
        }
        let value = variable(name).or(default);
        let value =
            value.ok_or_else(|| format!("the variable {name} of `${{{inside}}}` is not set"))?;
        result.push_str(&value);
    }
    result.push_str(rest);
    Ok(result)
}
/// A name for a server, from its command, without common affixes such as `mcp-server-`.
fn name_of(words: &[String]) -> String {
    let runners = [
        "npx", "uvx", "uv", "node", "python", "python3", "docker", "bunx", "deno",
    ];
    let last = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let program = words.first().map(|word| last(word)).unwrap_or_default();
    let mut rest = words.iter().skip(1).filter(|word| !word.starts_with('-'));
    // What follows is a program's text.
    let is_text = |word: &String| ["-c", "-e", "--eval"].contains(&word.as_str());
    let has_text = words.get(1).is_some_and(is_text);
    let word = match runners.contains(&program.as_str()) && !has_text {
        true => rest
            .find(|word| *word != "run")
            .map_or(program, |word| last(word)),
        false => program,
    };
    let word = word.split('@').next().unwrap_or_default();
    let word = word.trim_end_matches(".js").trim_end_matches(".py");
    let mut name = plain(word);
    for common in ["mcp-server-", "server-", "mcp-"] {
        name = name.strip_prefix(common).map(str::to_owned).unwrap_or(name);
    }
    for common in ["-mcp-server", "-server", "-mcp"] {
        name = name.strip_suffix(common).map(str::to_owned).unwrap_or(name);
    }
    match name.is_empty() {
        true => "server".into(),
        false => name,
    }
}

/// `name` with only characters that the configuration accepts.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        let c = match c.is_ascii_alphanumeric() {
            true => c,
            false => '-',
        };
        if c != '-' || !plain.ends_with('-') {
            plain.push(c);
        }
    }
    let plain: String = plain.trim_matches('-').chars().take(MAX_NAME).collect();
    match plain.is_empty() {
        true => "server".into(),
        false => plain,
    }
}

#[cfg(test)]
mod tests;
