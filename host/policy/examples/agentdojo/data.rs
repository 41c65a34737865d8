//! The recorded runs, as docs/evaluation.md describes them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// A tool of a suite.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedTool {
    pub(crate) suite: String,
    pub(crate) name: String,
    /// JSON Schema of its arguments.
    pub(crate) parameters: Value,
    /// Whether it changes the world.
    pub(crate) mutates: bool,
}

/// A run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedRun {
    pub(crate) model: String,
    pub(crate) suite: String,
    pub(crate) user_task: String,
    /// What the user asked.
    pub(crate) prompt: String,
    /// The attack; absent for a run without one.
    pub(crate) injection_task: Option<String>,
    /// Whether the user's task was done.
    pub(crate) utility: bool,
    /// Whether the attack succeeded.
    pub(crate) attack_success: Option<bool>,
    /// The calls that the attacker wanted.
    #[serde(default)]
    pub(crate) injection_calls: Option<Vec<WantedCall>>,
    pub(crate) calls: Vec<RecordedCall>,
}

/// A call that an attacker wants.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WantedCall {
    pub(crate) function: String,
    pub(crate) args: Value,
}

/// A call of a run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedCall {
    pub(crate) function: String,
    pub(crate) args: Value,
    /// The text that the model got.
    #[serde(default)]
    pub(crate) result: Option<Value>,
    #[serde(default)]
    pub(crate) error: Option<Value>,
}

impl RecordedCall {
    pub(crate) fn failed(&self) -> bool {
        !matches!(&self.error, None | Some(Value::Null))
    }

    /// The text that the model got: the result, or the error.
    pub(crate) fn content(&self) -> String {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match (&self.error, &self.result) {
            (Some(error), _) if !error.is_null() => text(error),
            (_, Some(result)) if !result.is_null() => text(result),
            _ => String::new(),
        }
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) tools: BTreeMap<String, Vec<RecordedTool>>,
    pub(crate) runs: Vec<RecordedRun>,
}

impl Recording {
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let mut tools: BTreeMap<String, Vec<RecordedTool>> = BTreeMap::new();
        for tool in lines::<RecordedTool>(&folder.join("tools.jsonl"))? {
            tools.entry(tool.suite.clone()).or_default().push(tool);
        }
        let plain = folder.join("runs.jsonl");
        let packed = folder.join("runs.jsonl.gz");
        let runs = lines(if plain.exists() { &plain } else { &packed })?;
        Ok(Self { tools, runs })
    }
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| wrong(&e))?;
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
