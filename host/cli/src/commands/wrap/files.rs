//! The files of a gate that wraps servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use tollgate::{
    capture::Detectors, config::Config, config::FILE_NAME, secrets::MIN_LENGTH,
    upstream::Definition, upstream::Difference,
};

use crate::{
    commands::{
        init::{POLICIES, write},
        wrap::{
            AGENT,
            clients::{Server, Transport},
        },
    },
    error::Failure,
    identity, observe_only,
    style::line,
    trust,
};

/// Starter policies that a gate needs to be operated.
const NEEDED: [&str; 5] = [
    "elicitation.cedar",
    "four-eyes.cedar",
    "operators.cedar",
    "readers.cedar",
    "results.cedar",
];
/// Parts of names of variables and headers whose values are treated as secrets.
const SECRET_NAME_PARTS: [&str; 7] = [
    "AUTH",
    "COOKIE",
    "CREDENTIAL",
    "KEY",
    "PASS",
    "SECRET",
    "TOKEN",
];
/// The longest name of a tool, in characters.
const MAX_TOOL_NAME: usize = 64;
/// Variables that a child gets by default, to find programs and its own files.
const USUAL: [&str; 2] = ["PATH", "HOME"];

/// The folder of secrets, below the gate's directory.
const SECRETS: &str = ".tollgate/secrets";
/// Parts of a gate that must not be there before it is made.
const PARTS: [&str; 3] = [".tollgate", "policies", "tollgate.lock"];

/// A feature of a server other than its tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Extra {
    /// The text for the model that it gives at the beginning.
    Instructions,
    /// Its prompts.
    Prompts,
    /// Its resources.
    Resources,
}

/// The directory of a new gate. Unless the gate is kept, the new files are removed on drop.
pub(super) struct Draft {
    dir: PathBuf,
    was_there: bool,
    is_kept: bool,
}

impl Draft {
    /// # Errors
    /// The directory has parts of a gate already. They would be another person's, and of this gate: secrets would
    /// follow a link, policies would count.
    pub(super) fn begin(dir: &Path) -> Result<Self, Failure> {
        for part in PARTS {
            if dir.join(part).symlink_metadata().is_ok() {
                return Err(Failure::plain(format!(
                    "{}: there is a `{part}` already, which would become part of the new gate",
                    dir.display()
                ))
                .help("choose another directory with --dir"));
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            was_there: dir.exists(),
            is_kept: false,
        })
    }

    /// Removes the secrets that were written so far.
    pub(super) fn forget_secrets(&self) -> Result<(), Failure> {
        match fs::remove_dir_all(self.dir.join(SECRETS)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Extra {
    /// Its key in the configuration.
    fn key(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A failure to remove files cannot be handled in drop.
        match (self.is_kept, self.was_there) {
            (true, _) => {}
            (false, true) => drop(self.forget_secrets()),
            (false, false) => drop(fs::remove_dir_all(&self.dir)),
        }
    }
}

/// The files of a new gate.
pub(super) struct Gate {
    dir: PathBuf,
    head: String,
    /// The values of secrets by file name.
    secrets: BTreeMap<String, String>,
    config: Config,
}

impl Gate {
    /// A gate in `dir` for these servers, with everything that they have but `without`. Writes nothing.
    pub(super) fn new(dir: &Path, servers: &[Server], without: &[Extra]) -> Result<Self, Failure> {
        let login = identity::login(identity::own_uid())?;
        let user = identity::user_name(&login);
        let mut secrets = BTreeMap::new();
        let mut head = format!(
            "# A gate for MCP servers that run as they did before: outside the sandbox, but every call of their\n\
             # tools is decided and recorded. Made by `tollgate wrap`; it is yours to change.\n\n\
             [gate]\nname = \"wrap\"\n\n\
             [agents.{AGENT}]\noperator = {}\n\n[users.{user}]\nlogin = {}\nroles = [\"operator\", \"security\"]\n",
            quoted(user.trim_matches('"')),
            quoted(&login),
        );
        for server in servers {
            head.push_str(&described(server, &mut secrets)?);
            for extra in Extra::value_variants() {
                let carried = !without.contains(extra);
                head.push_str(&format!("{} = {carried}\n", extra.key()));
            }
        }
        for name in secrets.keys() {
            head.push_str(&format!(
                "\n[secrets.{name}]\nfile = \".tollgate/secrets/{name}\"\n"
            ));
        }
        let config = Config::parse(&dir.join(FILE_NAME), &head)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            head,
            secrets,
            config,
        })
    }

    /// The new configuration.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Writes the secrets, which servers need to list their tools.
    pub(super) fn write_secrets(&self) -> Result<(), Failure> {
        let dir = self.dir.join(SECRETS);
        if !self.secrets.is_empty() {
            trust::private_dir(&dir)?;
        }
        for (name, value) in &self.secrets {
            secret(&dir.join(name), value)?;
        }
        Ok(())
    }

    /// Writes the gate, with proposed settings for the tools of its servers.
    pub(super) fn write(&self, looked: &[(String, Difference)]) -> Result<(), Failure> {
        let mut config = self.head.clone();
        config.push_str(
            "\n# What you know about the tools. `labels` say what a tool is, `taints` what its results add to a run.\n\
             # A tool that says nothing counts as everything. What follows are guesses from what the tools' author\n\
             # says of them: look at each, then take away the `#`.\n",
        );
        for (name, difference) in looked {
            let renamed = renamed(name, &difference.added);
            for tool in &difference.added {
                let own = format!("{name}__{}", tool.name);
                let given = renamed.get(&tool.name).unwrap_or(&own);
                config.push_str(&proposed(given, tool));
            }
            if !renamed.is_empty() {
                config.push_str(&format!("\n[upstream.{name}.rename]\n"));
            }
            for (own, given) in &renamed {
                config.push_str(&format!("{} = {}\n", quoted(own), quoted(given)));
            }
        }
        for (name, text) in POLICIES.iter().filter(|(name, _)| NEEDED.contains(name)) {
            write(&self.dir.join("policies").join(name), text)?;
        }
        let permit = format!("policies/{}.cedar", observe_only::ID);
        write(&self.dir.join(permit), observe_only::POLICY)?;
        write(&self.dir.join(".gitignore"), ".tollgate/\n")?;
        // It has the command lines and variables of the servers.
        secret(&self.dir.join(FILE_NAME), &config)
    }
}

/// Whether the value of a variable or header of this name may be a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_named = SECRET_NAME_PARTS.iter().any(|part| upper.contains(part));
    is_named || upper.ends_with("PAT")
}

/// Whether a URL contains a user name or a password.
fn holds_password(value: &str) -> bool {
    url::Url::parse(value).is_ok_and(|url| url.password().is_some())
}

/// A name for a secret that is not used for another value.
fn unlike(name: &str, value: &str, secrets: &BTreeMap<String, String>) -> String {
    let taken = |name: &String| secrets.get(name).is_some_and(|other| other != value);
    let short: String = name.chars().take(60).collect();
    let mut names = (2_u32..).map(|n| format!("{short}-{n}"));
    match name.to_owned() {
        name if taken(&name) => names.find(|name| !taken(name)).unwrap_or(name),
        name => name,
    }
}

/// Whether it looks like a secret by itself, under any name.
fn is_secret(value: &str) -> Result<bool, Failure> {
    let detectors = Detectors::new(&BTreeMap::new(), &[]);
    let detectors = detectors.map_err(|e| Failure::plain(e.to_string()))?;
    Ok(detectors.finds(value))
}

/// The positions of the words of a server's command that look like secrets: they stay in the configuration, for a
/// command has no other place for them.
pub(super) fn secret_words(server: &Server) -> Result<Vec<usize>, Failure> {
    let words = match &server.transport {
        Transport::Command { words, .. } => words.as_slice(),
        Transport::Url { url, .. } => std::slice::from_ref(url),
    };
    let mut found = Vec::new();
    for (position, word) in words.iter().enumerate() {
        if is_secret(word)? {
            found.push(position);
        }
    }
    Ok(found)
}

/// The table of a server. Values that look like secrets go into files of their own.
fn described(server: &Server, secrets: &mut BTreeMap<String, String>) -> Result<String, Failure> {
    let name = &server.name;
    let mut text = format!("\n[upstream.{name}]\n");
    let mut sent = |key: &str, value: &str| -> Result<String, Failure> {
        let is_secret = is_secret_name(key) || holds_password(value) || is_secret(value)?;
        if !is_secret || value.len() < MIN_LENGTH {
            return Ok(quoted(value));
        }
        let letter = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_lowercase(),
            false => '-',
        };
        let secret: String = format!("{name}-{key}")
            .chars()
            .map(letter)
            .take(64)
            .collect();
        let secret = unlike(&secret, value, secrets);
        secrets.insert(secret.clone(), value.to_owned());
        Ok(format!("{{ secret = {} }}", quoted(&secret)))
    };
    match &server.transport {
        Transport::Command { words, env, here } => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            text.push_str(&format!("command = [{}]\n", words.join(", ")));
            if *here {
                let here = std::env::current_dir()?;
                text.push_str(&format!("dir = {}\n", quoted(&here.display().to_string())));
            }
            text.push_str("# All of its environment:\n");
            for usual in USUAL.iter().filter(|usual| !env.contains_key(**usual)) {
                if let Ok(value) = std::env::var(usual) {
                    text.push_str(&format!("env.{usual} = {}\n", quoted(&value)));
                }
            }
            for (key, value) in env {
                text.push_str(&format!("env.{} = {}\n", quoted(key), sent(key, value)?));
            }
        }
        Transport::Url {
            url,
            protocol,
            headers,
        } => {
            text.push_str(&format!("url = {}\n", quoted(url)));
            if let Some(protocol) = protocol {
                text.push_str(&format!("transport = \"{}\"\n", protocol.name()));
            }
            for (key, value) in headers {
                text.push_str(&format!(
                    "headers.{} = {}\n",
                    quoted(key),
                    sent(key, value)?
                ));
            }
        }
    }
    Ok(text)
}

/// Proposed settings of a tool with this name, as comments.
fn proposed(name: &str, tool: &Definition) -> String {
    let hints = tool.annotations;
    let mut labels = Vec::new();
    if hints.destructive && !hints.read_only {
        labels.push("\"destructive\"");
    }
    if hints.open_world {
        labels.push("\"egress\"");
    }
    let said = line(&tool.description, 100);
    format!(
        "\n# {said}\n# [tools.{}]\n# labels = [{}]\n# taints = [\"untrusted\"]\n",
        quoted(name),
        labels.join(", ")
    )
}

/// Names for tools whose own names model APIs refuse, each unlike all others, by the own name.
fn renamed(server: &str, tools: &[Definition]) -> BTreeMap<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let named = |tool: &Definition| format!("{server}__{}", tool.name);
    let fits = |name: &String| name.chars().all(legal) && name.len() <= MAX_TOOL_NAME;
    let mut taken: BTreeSet<String> = tools.iter().map(named).filter(fits).collect();
    let mut renamed = BTreeMap::new();
    for tool in tools.iter().filter(|tool| !fits(&named(tool))) {
        let plain: String = named(tool)
            .chars()
            .map(|c| if legal(c) { c } else { '_' })
            .collect();
        let cut = |room: usize| plain.chars().take(room).collect::<String>();
        let mut name = cut(MAX_TOOL_NAME);
        let mut count = 2_u32;
        while !taken.insert(name.clone()) {
            let end = format!("_{count}");
            name = cut(MAX_TOOL_NAME - end.len()) + &end;
            count += 1;
        }
        renamed.insert(tool.name.clone(), name);
    }
    renamed
}

/// A TOML string on one line, as a comment or a key needs it.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's too. TOML escapes one more character (TOML 1.0, "String").
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}

fn secret(path: &Path, value: &str) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::plain(format!("{}: it cannot be written: {e}", path.display()))
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(value.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests;
