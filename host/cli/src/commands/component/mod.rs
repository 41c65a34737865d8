//! `tollgate component`: build, register and accept components.

pub(crate) mod build;
pub(crate) mod register;

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use tollgate::{config::Config, load, lock::Lock, tool::Size};
use tollgate_model::canonical::Sha256Digest;

use crate::{
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    style::{Tone, paint},
};

const ACCEPT: &str = "\
Examples:
  $ tollgate component accept hello
  $ tollgate component accept

Writes the digest of the component's file into tollgate.lock. The gate refuses any other file.

With --json: [{name, digest}].";
const LIST: &str = "\
Example:
  $ tollgate component list

With --json: [{name, path, state, digest, accepted}]. The state is accepted, changed, not_accepted or missing.";

const ADD: &str = "\
Examples:
  $ tollgate component add tools/hello/hello.wasm
  $ tollgate component add vendor/pdf.wasm --name pdf

Compiles the component in a separate process with limits, adds a table [components.NAME] to
tollgate.toml, and pins the file's digest in tollgate.lock.

With --json: {name, path, digest, bytes, imports,
exports, left_out, tools}.";
const INSPECT: &str = "\
Examples:
  $ tollgate component inspect hello
  $ tollgate component inspect vendor/pdf.wasm

Shows the component's imports (what it asks of the gate), its exports, and its tools as their author describes
them.

With --json: {name, path, digest, bytes, imports, exports, left_out, tools}.";
const REMOVE: &str = "\
Example:
  $ tollgate component remove hello

Removes its table and those of its tools from tollgate.toml, and its digest from tollgate.lock. The
component's file is kept.

With --json: {name, path, tools}.";
const COMPILE: &str = "\
Example:
  $ tollgate component compile .tollgate/compiled hello < hello.wasm

Compiles the component on standard input into a cache, within limits, and prints what it holds.";

/// What to do with components.
#[derive(Debug, Subcommand)]
pub(crate) enum Component {
    /// Build a tool in Rust, JavaScript or Python into a component.
    ///
    /// A folder with Cargo.toml is compiled for wasm32-unknown-unknown. If that target is not installed it
    /// is added by rustup or, on Debian and Ubuntu, its standard library is compiled with the
    /// distribution's packages. For package.json and pyproject.toml the toolchain is installed by npm or
    /// pip into the folder itself. If nothing changed, nothing is built.
    Build(build::Build),
    /// Add a component to the configuration, and accept its file.
    #[command(after_help = ADD)]
    Add {
        /// The component's file.
        file: PathBuf,
        /// Its name; default: the file's name.
        #[arg(long)]
        name: Option<String>,
        /// The engine: standard, or large for interpreters.
        #[arg(long, default_value_t)]
        size: Size,
    },
    /// Show a component's imports, exports, tools and size.
    #[command(after_help = INSPECT)]
    Inspect {
        /// The component, as tollgate.toml names it, or a file.
        component: String,
        /// The engine for a file: standard, or large for interpreters.
        #[arg(long, default_value_t)]
        size: Size,
    },
    /// Remove a component from the configuration.
    #[command(after_help = REMOVE)]
    Remove {
        /// The component, as tollgate.toml names it.
        name: String,
    },
    /// Compile a component into a cache; the gate starts this process.
    #[command(hide = true, after_help = COMPILE)]
    Compile {
        /// The cache.
        cache: PathBuf,
        /// The component's name, for messages.
        name: String,
        /// The engine that it is for.
        #[arg(default_value_t)]
        size: Size,
    },
    /// Pin the present files of components, after you have inspected them.
    #[command(after_help = ACCEPT)]
    Accept {
        /// The component, as tollgate.toml names it; all unless given.
        name: Option<String>,
    },
    /// List the configured components, and whether their files are the accepted ones.
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
pub(crate) async fn run(command: Component, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Component::Build(args) => build::run(&args, cx)?,
        Component::Add { file, name, size } => {
            return register::add(&file, name.as_deref(), size, cx);
        }
        Component::Inspect { component, size } => {
            return register::inspect(&component, size, cx);
        }
        Component::Remove { name } => return register::remove(&name, cx),
        Component::Compile { cache, name, size } => {
            tollgate::sandbox::serve(cache, &name, size).await?;
        }
        Component::Accept { name } => {
            let config = cx.config()?;
            register::compile(&config, name.as_deref(), cx)?;
            let accepted = load::accept(&config, name.as_deref())?;
            let views: Vec<serde_json::Value> = accepted
                .iter()
                .map(|(name, digest)| serde_json::json!({ "name": name, "digest": digest }))
                .collect();
            cx.out.show(&views, || {
                let render_accepted = |(name, digest): &(String, Sha256Digest)| {
                    format!("{} accepted {name} {digest}\n", paint("✓", Tone::Good))
                };
                accepted.iter().map(render_accepted).collect()
            })?;
            if accepted.is_empty() {
                cx.out.remark(
                    "there are no components: add a table [components.NAME] to tollgate.toml",
                );
            }
        }
        Component::List => {
            let views = list(&cx.config()?)?;
            cx.out.show(&views, || render(&views))?;
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

fn render(views: &[ComponentView]) -> String {
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
