//! Recorded runs, in any of their forms.

mod agentdojo;
mod recorded;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The form of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The form of docs/evaluation.md.
    Runs,
    /// The recorded runs of AgentDojo.
    AgentDojo,
}

impl Format {
    pub(crate) fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "runs" => Ok(Self::Runs),
            "agentdojo" => Ok(Self::AgentDojo),
            other => Err(format!(
                "there is no form `{other}` of recorded runs; there are runs and agentdojo"
            )),
        }
    }
}

/// A tool of a suite.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) suite: String,
    pub(crate) name: String,
    /// JSON Schema of its arguments.
    pub(crate) input: Value,
    /// JSON Schema of its structured results.
    pub(crate) output: Option<Value>,
    /// Whether it changes the world.
    pub(crate) changes: bool,
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) suite: String,
    pub(crate) model: String,
    /// The name of the task.
    pub(crate) task: String,
    /// What the user asked.
    pub(crate) request: String,
    pub(crate) kind: RunKind,
    pub(crate) calls: Vec<Call>,
}

/// What a run is an example of.
#[derive(Debug, Clone)]
pub(crate) enum RunKind {
    /// No attack, and the user's task was done.
    Honest,
    /// An attack that succeeded.
    Attacked(Attack),
    /// Something else, which no figure counts.
    Other,
}

/// An attack that succeeded.
#[derive(Debug, Clone)]
pub(crate) struct Attack {
    pub(crate) name: String,
    /// The calls that the attacker wanted.
    pub(crate) wanted: Vec<WantedCall>,
}

/// A call that an attacker wants.
#[derive(Debug, Clone)]
pub(crate) struct WantedCall {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
}

/// A call of a run.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    /// What the user said between the previous call and this one.
    pub(crate) request: Option<String>,
    pub(crate) failed: bool,
    /// The text that the model got: the result, or the error.
    pub(crate) content: String,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct RecordedRuns {
    pub(crate) tools: BTreeMap<String, Vec<Tool>>,
    pub(crate) runs: Vec<Run>,
}

impl RecordedRuns {
    pub(crate) fn read(format: Format, folder: &Path) -> Result<Self, String> {
        let (all, runs) = match format {
            Format::Runs => recorded::read(folder)?,
            Format::AgentDojo => agentdojo::read(folder)?,
        };
        let mut tools: BTreeMap<String, Vec<Tool>> = BTreeMap::new();
        for tool in all {
            tools.entry(tool.suite.clone()).or_default().push(tool);
        }
        Ok(Self { tools, runs })
    }
}

/// The lines of `NAME.jsonl`, else of `NAME.jsonl.gz`.
fn lines<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>, String> {
    let plain = folder.join(format!("{name}.jsonl"));
    let packed = folder.join(format!("{name}.jsonl.gz"));
    let path = if plain.exists() || !packed.exists() {
        plain
    } else {
        packed
    };
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(&path).map_err(|e| wrong(&e))?;
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = match is_packed {
        true => Box::new(GzDecoder::new(file)),
        false => Box::new(file),
    };
    let mut found = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(reader).lines()) {
        let line = line.map_err(|e| wrong(&e))?;
        if !line.trim().is_empty() {
            let value = serde_json::from_str(&line)
                .map_err(|e| format!("{}:{number}: {e}", path.display()))?;
            found.push(value);
        }
    }
    Ok(found)
}

/// A text as it is, any other value as JSON; nothing for null.
fn text(value: Option<Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
    }
}
