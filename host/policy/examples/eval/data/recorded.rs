//! The form of docs/evaluation.md: `tools.jsonl` and `runs.jsonl`. Unknown members are errors, so that a misspelt one
//! does not silently change a figure.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Attack, Call, Run, RunKind, Tool, WantedCall, lines, text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolLine {
    suite: String,
    name: String,
    input: Value,
    #[serde(default)]
    output: Option<Value>,
    #[serde(default)]
    changes: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunLine {
    suite: String,
    task: String,
    #[serde(default)]
    model: String,
    request: String,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    attack: Option<AttackLine>,
    calls: Vec<CallLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttackLine {
    name: String,
    succeeded: bool,
    #[serde(default)]
    wanted: Vec<WantedLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedLine {
    tool: String,
    arguments: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallLine {
    tool: String,
    arguments: Value,
    #[serde(default)]
    request: Option<String>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

pub(super) fn read(folder: &Path) -> Result<(Vec<Tool>, Vec<Run>), String> {
    let tools = lines::<ToolLine>(folder, "tools")?.into_iter();
    let tools = tools.map(|line| Tool {
        suite: line.suite,
        name: line.name,
        input: line.input,
        output: line.output,
        changes: line.changes,
    });
    let runs = lines::<RunLine>(folder, "runs")?.into_iter().map(run);
    Ok((tools.collect(), runs.collect()))
}

fn run(line: RunLine) -> Run {
    let kind = match line.attack {
        None if line.done => RunKind::Honest,
        Some(attack) if attack.succeeded => {
            let wanted = attack.wanted.into_iter().map(|wanted| WantedCall {
                tool: wanted.tool,
                arguments: wanted.arguments,
            });
            RunKind::Attacked(Attack {
                name: attack.name,
                wanted: wanted.collect(),
            })
        }
        _ => RunKind::Other,
    };
    Run {
        suite: line.suite,
        model: if line.model.is_empty() {
            "–".into()
        } else {
            line.model
        },
        task: line.task,
        request: line.request,
        kind,
        calls: line.calls.into_iter().map(call).collect(),
    }
}

fn call(line: CallLine) -> Call {
    let error = text(line.error);
    Call {
        tool: line.tool,
        arguments: line.arguments,
        request: line.request,
        failed: error.is_some(),
        content: error.or_else(|| text(line.result)).unwrap_or_default(),
    }
}
