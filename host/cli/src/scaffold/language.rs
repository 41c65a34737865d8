//! The languages of new tools.

use std::path::Path;

use clap::ValueEnum;

use crate::scaffold::{FOLDER, InvalidName, Source, TEMPLATE, at, checked, embedded, tool_sources};

/// Files of this repository, by path in their folder.
type Files = &'static [(&'static str, &'static str)];

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Language {
    /// Rust.
    #[default]
    Rust,
    /// JavaScript.
    #[value(alias = "javascript")]
    Js,
    /// TypeScript.
    #[value(alias = "typescript")]
    Ts,
    /// Python.
    Python,
}

impl Language {
    /// The files of a tool called `name`, in `tools/`.
    pub(crate) fn sources(self, name: &str) -> Result<Vec<Source>, InvalidName> {
        let (ignored, template, sdk): (_, Files, Files) = match self {
            Self::Rust => return tool_sources(name),
            Self::Js => ("node_modules/\n", &embedded::JS_TOOL, &embedded::JS_SDK),
            Self::Ts => ("node_modules/\n", &embedded::TS_TOOL, &embedded::JS_SDK),
            Self::Python => (
                ".venv/\n__pycache__/\n.mypy_cache/\n.pytest_cache/\n",
                &embedded::PYTHON_TOOL,
                &embedded::PYTHON_SDK,
            ),
        };
        checked(name)?;
        let own = |path: &str| Path::new(name).join(path).display().to_string();
        let mut sources = vec![at(&own(".gitignore"), format!("{ignored}*.wasm\n"))];
        for (path, text) in template {
            sources.push(at(&own(path), named(text, name)));
        }
        let wit = embedded::SDK
            .iter()
            .filter(|(path, _)| path.starts_with("wit/"));
        for (path, text) in sdk.iter().chain(wit) {
            sources.push(at(&own(&format!("sdk/{path}")), *text));
        }
        Ok(sources)
    }

    /// The table for the configuration.
    pub(crate) fn table(self, name: &str) -> String {
        let (settings, tools): (_, &[&str]) = match self {
            Self::Rust => (
                "grants.notes = { path = \"notes\", mode = \"rw\" }\n",
                &["greet", "greeted"],
            ),
            Self::Js | Self::Ts => (
                "size = \"large\"\nconfig.greeting = \"Hello\"\n",
                &["greet", "greeted"],
            ),
            Self::Python => (
                "size = \"large\"\ngrants.notes = { path = \"notes\" }\n",
                &["greet", "words"],
            ),
        };
        let mut text =
            format!("[components.{name}]\npath = \"{FOLDER}/{name}/{name}.wasm\"\n{settings}");
        for tool in tools {
            text.push_str(&format!(
                "\n[tools.{name}__{tool}]\nlabels = []\ntaints = []\n"
            ));
        }
        text
    }
}

/// The head of the template, which says what the example does.
const HEAD: &str = "A first tool: it";

/// A file of the template with the tool's own name.
pub(super) fn headed(text: &str, name: &str) -> String {
    text.replacen(
        HEAD,
        &format!("The tool {name}, begun from an example: it"),
        1,
    )
}

/// A manifest with the tool's own name.
fn named(text: &str, name: &str) -> String {
    headed(text, name)
        .replace(
            &format!("\"name\": \"{TEMPLATE}\""),
            &format!("\"name\": \"{name}\""),
        )
        .replace(
            &format!("name = \"{TEMPLATE}\""),
            &format!("name = \"{name}\""),
        )
}
