//! An agent without a model: it plays the calls of a file over MCP, as any client would make them, and shows
//! what it gets to read.
//!
//! ```sh
//! cargo run -p tollgate-server --example agent -- run.jsonl RUN tollgate serve --stdio --agent support
//! ```
//!
//! A line of the file is one call: `{"tool": "tickets__read", "arguments": {"id": "T-7"}}`. `RUN` names the
//! run that all of them belong to. What follows starts the server.

#![expect(
    clippy::print_stdout,
    reason = "it shows what an agent would get to read"
)]

use std::{error::Error, fs, process::ExitCode};

use rmcp::{
    ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult, JsonObject, RequestMetaObject},
    transport::TokioChildProcess,
};
use serde::Deserialize;
use tokio::process::Command;

/// Where a request says which run it belongs to.
const RUN: &str = "dev.tollgate/run";
/// Characters of a text that are shown of a result; refusals are shown whole.
const SHOWN: usize = 100;

#[derive(Deserialize)]
struct Call {
    tool: String,
    #[serde(default)]
    arguments: JsonObject,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match play().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn play() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(file), Some(run), Some(program)) = (words.next(), words.next(), words.next()) else {
        return Err("usage: agent FILE RUN COMMAND..".into());
    };
    let text = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let calls = text.lines().filter(|line| !line.trim().is_empty());
    let calls = calls
        .map(serde_json::from_str)
        .collect::<Result<Vec<Call>, _>>()?;

    let mut command = Command::new(program);
    command.args(words);
    let server = ().serve(TokioChildProcess::new(command)?).await?;
    let tools = server.list_all_tools().await?;
    println!("  {} tools on offer", tools.len());
    for Call { tool, arguments } in calls {
        println!("  → {tool} {}", short(&serde_json::to_string(&arguments)?));
        let mut params = CallToolRequestParams::new(tool).with_arguments(arguments);
        let mut meta = RequestMetaObject::new();
        meta.0.insert(RUN.into(), run.clone().into());
        params.meta = Some(meta);
        match server.call_tool(params).await {
            Ok(result) => show(&result),
            Err(error) => println!("    ! {error}"),
        }
    }
    server.cancel().await?;
    Ok(())
}

fn show(result: &CallToolResult) {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    let text = texts
        .map(|block| block.text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    if result.is_error == Some(true) {
        println!("    ✗ {text}");
    } else {
        println!("    ✓ {}", short(&text));
    }
}

/// The beginning of a text, in one line.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
