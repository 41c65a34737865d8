//! The third act: an agent's own spans, sent by the OpenTelemetry SDK for Python, in one tree with the
//! gate's; and a comparison of two runs of one task.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::Desk;
use crate::command::{root, say};

/// The package of the SDK.
pub(super) const SDK: &str = "opentelemetry_sdk";

pub(super) fn run(desk: &Desk) -> Result<()> {
    let (gate, address) = served(desk)?;
    let runs = told(desk, &address);
    let stopped = stop(gate);
    let (careless, careful) = runs?;
    stopped?;
    desk.scene(
        "The agent's steps and the gate's decisions are one tree",
        "Tokens and cost are what the agent reports; the gate saw the rest itself.",
        &["runs", "show", &careless],
    )?;
    let diff = ["runs", "diff", &careless, &careful];
    say(&format!(
        "\n━━ The two runs, side by side\n   They part at the first wrong step: the export that the ticket asked for.\n\n\
         $ tollgate {}",
        diff.join(" ")
    ));
    // It exits with 1 if they differ.
    match desk.command(&diff).status()?.code() {
        Some(1) => Ok(()),
        _ => bail!("the two runs do not differ; please report it"),
    }
}

/// The traces of a run with each prompt.
fn told(desk: &Desk, address: &str) -> Result<(String, String)> {
    say(&format!(
        "\n━━ An agent reports its own steps, by OTLP\n   With its first prompt it follows what the ticket says, with its second it does not.\n\n\
         $ python reporting_agent.py {address} 1\n"
    ));
    let careless = trace(desk, address, "1")?;
    say(&format!("\n$ python reporting_agent.py {address} 2\n"));
    Ok((careless, trace(desk, address, "2")?))
}

fn trace(desk: &Desk, address: &str, prompt: &str) -> Result<String> {
    let python = root().join("target/clients").join(SDK).join("bin/python");
    let mut command = Command::new(python);
    command
        .current_dir(&desk.dir)
        .args(["reporting_agent.py", address, prompt]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("the agent cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<&str> = text.lines().collect();
    let trace = lines.pop().unwrap_or_default().to_owned();
    lines.iter().for_each(|line| say(line));
    if !output.status.success() {
        bail!("the agent ended with {}", output.status);
    }
    Ok(trace)
}

/// `tollgate serve`, and its address.
fn served(desk: &Desk) -> Result<(Child, String)> {
    let mut gate = desk
        .command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--agent",
            "support",
            "--json",
            "--quiet",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .context("`tollgate serve` cannot be started")?;
    let mut line = String::new();
    if let Some(out) = gate.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
    match said.get("listening").and_then(|at| at.as_str()) {
        Some(address) => Ok((gate, address.to_owned())),
        None => {
            stop(gate)?;
            bail!("`tollgate serve` did not say where it listens")
        }
    }
}

fn stop(mut gate: Child) -> Result<()> {
    Command::new("kill").arg(gate.id().to_string()).status()?;
    gate.wait()?;
    Ok(())
}
