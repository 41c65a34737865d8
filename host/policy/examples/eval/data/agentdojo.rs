//! The recorded runs of AgentDojo.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Attack, Call, Run, RunKind, Tool, WantedCall, lines, text};

#[derive(Deserialize)]
struct ToolLine {
    suite: String,
    name: String,
    parameters: Value,
    mutates: bool,
}

#[derive(Deserialize)]
struct RunLine {
    model: String,
    suite: String,
    user_task: String,
    prompt: String,
    injection_task: Option<String>,
    utility: bool,
    attack_success: Option<bool>,
    #[serde(default)]
    injection_calls: Option<Vec<WantedLine>>,
    calls: Vec<CallLine>,
}

#[derive(Deserialize)]
struct WantedLine {
    function: String,
    args: Value,
}

#[derive(Deserialize)]
struct CallLine {
    function: String,
    args: Value,
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
        input: line.parameters,
        output: None,
        changes: line.mutates,
    });
    let runs = lines::<RunLine>(folder, "runs")?.into_iter().map(run);
    Ok((tools.collect(), runs.collect()))
}

fn run(line: RunLine) -> Run {
    let is_honest = line.utility && line.user_task.starts_with("user_task");
    let kind = match line.injection_task {
        None if is_honest => RunKind::Honest,
        Some(name) if line.attack_success == Some(true) => {
            let wanted = line.injection_calls.unwrap_or_default().into_iter();
            let wanted = wanted.map(|wanted| WantedCall {
                tool: wanted.function,
                arguments: wanted.args,
            });
            RunKind::Attacked(Attack {
                name,
                wanted: wanted.collect(),
            })
        }
        _ => RunKind::Other,
    };
    let calls = line.calls.into_iter().map(|call| {
        let error = text(call.error);
        Call {
            tool: call.function,
            arguments: call.args,
            request: None,
            failed: error.is_some(),
            content: error.or_else(|| text(call.result)).unwrap_or_default(),
        }
    });
    Run {
        suite: line.suite,
        model: line.model,
        task: line.user_task,
        request: line.prompt,
        kind,
        calls: calls.collect(),
    }
}
