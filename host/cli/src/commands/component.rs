//! `tollgate component`: from a crate to a component that the gate accepts.

use clap::Subcommand;
use serde::Serialize;
use tollgate::{config::Config, load, lock::Lock};
use tollgate_core::canonical::Sha256Digest;

use super::Context;
use crate::{
    component::command,
    exit::Exit,
    failure::Failure,
    show::{
        paint::{Tone, paint},
        table::{Cell, table},
    },
};

const ACCEPT: &str = "\
Examples:
  $ tollgate component accept hello
  $ tollgate component accept

Writes the digest of the component's file into tollgate.lock. The gate refuses a file that is not the one
that was accepted. With --json: [{name, digest}].";
const LIST: &str = "\
Example:
  $ tollgate component list

With --json: [{name, path, state, digest, accepted}]; state is accepted, changed, not_accepted or missing.";

/// What to do with components.
#[derive(Debug, Subcommand)]
pub(crate) enum Component {
    #[command(flatten)]
    Made(command::Command),
    /// Accept component files as they are now, after you have looked at them.
    #[command(after_help = ACCEPT)]
    Accept {
        /// The component, as tollgate.toml names it; all unless given.
        name: Option<String>,
    },
    /// List the configured components, and whether their files are those that were accepted.
    #[command(after_help = LIST)]
    List,
}

/// A component as programs read it.
#[derive(Serialize)]
struct ComponentView {
    name: String,
    path: String,
    state: &'static str,
    digest: Option<Sha256Digest>,
    accepted: Option<Sha256Digest>,
}

/// Run `tollgate component`.
pub(crate) fn run(command: Component, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Component::Made(command) => command::run(command, cx.out.is_json())?,
        Component::Accept { name } => {
            let config = cx.config()?;
            let accepted = load::accept(&config, name.as_deref())?;
            let views: Vec<serde_json::Value> = accepted
                .iter()
                .map(|(name, digest)| serde_json::json!({ "name": name, "digest": digest }))
                .collect();
            cx.out.show(&views, || {
                let told = |(name, digest): &(String, Sha256Digest)| {
                    format!("{} accepted {name} {digest}\n", paint("✓", Tone::Good))
                };
                accepted.iter().map(told).collect()
            })?;
            if accepted.is_empty() {
                cx.out.remark(
                    "there are no components: add a table [components.NAME] to tollgate.toml",
                );
            }
        }
        Component::List => {
            let views = list(&cx.config()?)?;
            cx.out.show(&views, || told(&views))?;
        }
    }
    Ok(Exit::Ok)
}

fn list(config: &Config) -> Result<Vec<ComponentView>, Failure> {
    let lock = Lock::read(&Lock::path(&config.file)).map_err(|e| Failure::plain(e.to_string()))?;
    let view = |(name, component): (&String, &tollgate::config::ComponentConfig)| {
        let accepted = lock.components.get(name).map(|locked| locked.digest);
        let digest = std::fs::read(&component.path)
            .ok()
            .map(|bytes| Sha256Digest::of(&bytes));
        let state = match (digest, accepted) {
            (None, _) => "missing",
            (Some(_), None) => "not_accepted",
            (Some(found), Some(accepted)) if found == accepted => "accepted",
            _ => "changed",
        };
        ComponentView {
            name: name.clone(),
            path: component.path.display().to_string(),
            state,
            digest,
            accepted,
        }
    };
    Ok(config.components.iter().map(view).collect())
}

fn told(views: &[ComponentView]) -> String {
    let rows: Vec<[Cell; 4]> = views
        .iter()
        .map(|view| {
            let (symbol, tone) = if view.state == "accepted" {
                ("✓", Tone::Good)
            } else {
                ("✗", Tone::Bad)
            };
            [
                Cell::new(view.name.clone(), Tone::Name),
                Cell::new(format!("{symbol} {}", view.state.replace('_', " ")), tone),
                Cell::new(
                    view.digest.map(|d| d.short()).unwrap_or_default(),
                    Tone::Weak,
                ),
                view.path.clone().into(),
            ]
        })
        .collect();
    table(["COMPONENT", "STATE", "SHA-256", "FILE"], &rows)
}
