//! The two ways to the gate: the owner's socket, with the configuration, and the hook socket, without it.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tollgate::{
    config::{Config, ExternalConfig, ExternalTools, FILE_NAME},
    load::external_tool_names,
};

use super::{HookArgs, arguments::ToolSet, event, preset::Preset};
use crate::{
    client::{self, ApiRequest, Client},
    context::Context,
    error::Failure,
    trust,
};

/// A way to the gate.
pub(super) enum Door<'a> {
    /// As the owner, who speaks for an agent.
    Owner {
        client: Box<Client<'a>>,
        agent: String,
        external: String,
        declared: ToolSet,
    },
    /// As the account of an agent.
    Hook {
        socket: PathBuf,
        /// Absent: the only executor with the preset.
        external: Option<String>,
        declared: ToolSet,
    },
}

impl<'a> Door<'a> {
    /// The way that the arguments name.
    ///
    /// # Errors
    /// The configuration cannot be read, or says nothing of the coding agent.
    pub(super) fn open(
        preset: &Preset,
        args: &HookArgs,
        cx: &Context<'a>,
    ) -> Result<Self, Failure> {
        if let Some(socket) = &args.socket {
            return Ok(Self::Hook {
                socket: socket.clone(),
                external: args.external.clone(),
                declared: tool_set(&ExternalTools::Preset(preset.tools))?,
            });
        }
        let config = config(preset, cx)?;
        let agent = agent(args, &config)?;
        let (external, declared) = executor(preset, args, &config)?;
        Ok(Self::Owner {
            client: Box::new(cx.client(config)?),
            agent,
            external,
            declared,
        })
    }

    /// The tools that the gate knows. Over the hook socket these are those of the preset.
    pub(super) fn declared(&self) -> &ToolSet {
        match self {
            Self::Owner { declared, .. } | Self::Hook { declared, .. } => declared,
        }
    }

    /// `body` with the name of the tool.
    pub(super) fn of_tool(&self, preset: &Preset, tool: &str, mut body: Value) -> Value {
        let external = match self {
            Self::Owner { external, .. } => Some(external),
            Self::Hook { external, .. } => external.as_ref(),
        };
        match external {
            Some(external) => set(&mut body, "tool", format!("{external}__{tool}")),
            None => {
                set(&mut body, "tool", tool.to_owned());
                set(&mut body, "preset", preset.tools.as_str().to_owned());
            }
        }
        body
    }

    /// Sends a request for the agent.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        mut body: Value,
    ) -> Result<T, Failure> {
        match self {
            Self::Owner { client, agent, .. } => {
                set(&mut body, "agent", agent.clone());
                client.ask(ApiRequest::post(path, body)).await
            }
            Self::Hook { socket, .. } => {
                client::ask_hook(socket, ApiRequest::post(path, body)).await
            }
        }
    }
}

impl Door<'_> {
    /// Sends a request that is not made for an agent, and has no answer.
    pub(super) async fn tell(&self, path: &str, body: Value) -> Result<(), Failure> {
        let request = ApiRequest::post(path, body);
        match self {
            Self::Owner { client, .. } => client.ask(request).await,
            Self::Hook { socket, .. } => client::ask_hook(socket, request).await,
        }
    }
}

fn set(body: &mut Value, name: &str, value: String) {
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), json!(value));
    }
}

/// The agent of the hook.
pub(super) fn agent(args: &HookArgs, config: &Config) -> Result<String, Failure> {
    let agent = args.agent.clone().or_else(|| config.serve.agent.clone());
    agent.ok_or_else(|| Failure::plain("no agent is named").help("name it with --agent NAME"))
}

/// The configuration of `--config`, else the project's. It is never searched from the agent's working directory,
/// where the agent could write one.
pub(super) fn config(preset: &Preset, cx: &Context<'_>) -> Result<Config, Failure> {
    if let Some(file) = cx.named_config() {
        return Ok(Config::read(file)?);
    }
    let project = preset.project.and_then(std::env::var_os).map(PathBuf::from);
    let file = project
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(FILE_NAME))
        .filter(|file| file.is_file());
    let file = file.ok_or_else(|| {
        Failure::plain("no configuration is named, and the project has none")
            .help("name it in the hook's command: tollgate --config FILE hook ..")
    })?;
    Ok(Config::read(&trust::resolve(file)?)?)
}

/// The [external] section of this coding agent, and its tools.
fn executor(
    preset: &Preset,
    args: &HookArgs,
    config: &Config,
) -> Result<(String, ToolSet), Failure> {
    let name = match &args.external {
        Some(name) => name.clone(),
        None => {
            let is_preset = |(_, external): &(&String, &ExternalConfig)| {
                external.tools == ExternalTools::Preset(preset.tools)
            };
            let mut names = config.external.iter().filter(is_preset);
            match (names.next(), names.next()) {
                (Some((name, _)), None) => name.clone(),
                (None, _) => {
                    let preset = preset.tools.as_str();
                    return Err(Failure::plain(format!(
                        "{}: no [external.NAME] has preset = \"{preset}\"",
                        config.file.display()
                    ))
                    .help("add it, or name the executor with --external NAME"));
                }
                (Some(_), Some(_)) => {
                    return Err(Failure::plain("several executors have this preset")
                        .help("name one with --external NAME"));
                }
            }
        }
    };
    let external = config.external.get(&name).ok_or_else(|| {
        Failure::plain(format!(
            "{}: there is no [external.{}]",
            config.file.display(),
            event::shown(&name)
        ))
    })?;
    Ok((name, tool_set(&external.tools)?))
}

fn tool_set(tools: &ExternalTools) -> Result<ToolSet, Failure> {
    Ok(ToolSet {
        tools: external_tool_names(tools).map_err(Failure::plain)?,
        caller: matches!(tools, ExternalTools::Preset(_)),
    })
}
