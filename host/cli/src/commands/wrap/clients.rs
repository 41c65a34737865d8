//! The servers of MCP clients' configuration files: Claude Desktop, Cursor, VS Code and their like.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use tollgate_model::canonical;

use crate::failure::Failure;

/// Characters of a server's name: its tools are called after it.
const MAX_NAME: usize = 30;

/// A server as a client starts or reaches it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) reach: Reach,
}

/// How.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reach {
    /// As a child process.
    Command {
        words: Vec<String>,
        env: BTreeMap<String, String>,
        /// Whether it was started where this command was.
        here: bool,
    },
    /// Over HTTP.
    Url {
        url: String,
        headers: BTreeMap<String, String>,
    },
}

impl Server {
    /// The server that is started with `words`, and gets these variables of this process's environment.
    pub(super) fn command(
        name: Option<&str>,
        words: &[String],
        variables: &[String],
    ) -> Result<Self, Failure> {
        let mut env = BTreeMap::new();
        for variable in variables {
            let value = std::env::var(variable).map_err(|_| {
                Failure::usage(format!("the variable {variable} is not set, or is no text"))
            })?;
            env.insert(variable.clone(), value);
        }
        Ok(Self {
            name: name.map_or_else(|| name_of(words), str::to_owned),
            reach: Reach::Command {
                words: words.to_vec(),
                env,
                here: true,
            },
        })
    }
}

/// The servers in a client's configuration file.
pub(super) fn servers(file: &Path) -> Result<Vec<Server>, Failure> {
    let wrong = |problem: String| Failure::plain(format!("{}: {problem}", file.display()));
    let text = fs::read_to_string(file).map_err(|e| wrong(format!("it cannot be read: {e}")))?;
    let value = canonical::parse(&text).map_err(|e| {
        wrong(format!("it is no JSON: {e}")).help("comments are not understood; take them out")
    })?;
    read(&value).map_err(wrong)
}

fn read(value: &Value) -> Result<Vec<Server>, String> {
    let places = ["/mcpServers", "/servers", "/mcp/servers"];
    let found = places.iter().find_map(|place| value.pointer(place));
    let servers = found
        .and_then(Value::as_object)
        .ok_or("it has neither `mcpServers` nor `servers`")?;
    let mut read = Vec::new();
    for (name, server) in servers {
        let text = |key: &str| server.get(key).and_then(Value::as_str);
        let texts = |key: &str| -> BTreeMap<String, String> {
            let object = server.get(key).and_then(Value::as_object);
            let entries = object.into_iter().flatten();
            entries
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect()
        };
        let arguments = server.get("args").and_then(Value::as_array);
        let reach = match (text("command"), text("url")) {
            (Some(command), _) => Reach::Command {
                words: [command]
                    .into_iter()
                    .chain(arguments.into_iter().flatten().filter_map(Value::as_str))
                    .map(str::to_owned)
                    .collect(),
                env: texts("env"),
                here: false,
            },
            (None, Some(url)) => Reach::Url {
                url: url.into(),
                headers: texts("headers"),
            },
            (None, None) => return Err(format!("`{name}` has neither `command` nor `url`")),
        };
        let name = plain(name);
        if read.iter().any(|server: &Server| server.name == name) {
            return Err(format!("two servers would be called `{name}`"));
        }
        read.push(Server { name, reach });
    }
    match read.is_empty() {
        true => Err("it has no servers".into()),
        false => Ok(read),
    }
}

/// A server's name: what its command runs, without what such names have in common.
fn name_of(words: &[String]) -> String {
    let runners = [
        "npx", "uvx", "uv", "node", "python", "python3", "docker", "bunx", "deno",
    ];
    let last = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let program = words.first().map(|word| last(word)).unwrap_or_default();
    let mut rest = words.iter().skip(1).filter(|word| !word.starts_with('-'));
    let word = match runners.contains(&program.as_str()) {
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

/// `name` as a name that the configuration accepts.
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
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_is_called_after_what_it_is() {
        for (command, name) in [
            (
                "npx -y @modelcontextprotocol/server-filesystem /data",
                "filesystem",
            ),
            ("uvx mcp-server-git --repository x", "git"),
            ("npx -y some-mcp@1.2.3", "some"),
            ("/usr/local/bin/github-mcp-server stdio", "github"),
            ("node build/index.js", "index"),
            ("npx", "npx"),
            ("/ü", "server"),
        ] {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            assert_eq!(name_of(&words), name, "{command}");
        }
    }

    #[test]
    fn files_of_several_clients_are_read() {
        let server = json!({"command": "npx", "args": ["-y", "x"], "env": {"TOKEN": "t"}});
        for file in [
            json!({"mcpServers": {"my server": server}}),
            json!({"servers": {"my server": server}}),
            json!({"mcp": {"servers": {"my server": server}}}),
        ] {
            let servers = read(&file).unwrap();
            assert_eq!(servers[0].name, "my-server");
            let Reach::Command { words, env, .. } = &servers[0].reach else {
                panic!();
            };
            assert_eq!((words.len(), env["TOKEN"].as_str()), (3, "t"));
        }
        let remote = json!({"mcpServers": {"a": {"url": "https://h", "headers": {"X": "1"}}}});
        assert!(matches!(read(&remote).unwrap()[0].reach, Reach::Url { .. }));
        for bad in [
            json!({}),
            json!({"mcpServers": {}}),
            json!({"mcpServers": {"a": {}}}),
            json!({"mcpServers": {"a b": {"command": "x"}, "a-b": {"command": "x"}}}),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
