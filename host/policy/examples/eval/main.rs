//! Replays recorded runs of agents through the decision point, and reports which attacks are stopped and
//! which honest calls are held. `cargo xtask eval FORM --data DIR` runs it; docs/evaluation.md describes the
//! data.

mod data;
mod play;
mod report;
mod suite;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use data::{Format, RecordedRuns, RunKind};
use play::Rules;
use report::Report;
use suite::Suite;

const HELP: &str = "\
Replays recorded runs through the decision point, with the starter policies, and reports attacks stopped and
honest calls held.

Usage: cargo xtask eval FORM --data DIR [--tools FILE]... [--held] [--show-tools] [--json]

  FORM           the form of the recorded runs: runs (as in docs/evaluation.md), agentdojo
  --data DIR     the folder with tools.jsonl and runs.jsonl or runs.jsonl.gz
  --tools FILE   what the operator says about the tools of the suite FILE is named after (SUITE.toml);
                 default: DIR/SUITE.toml, else examples/FORM/SUITE.toml, else only proposals
  --held         name each honest call that is held, and each attack that is not stopped
  --show-tools   print the labels, roles and words of every tool, and play nothing
  --json         print JSON

Examples:
  $ cargo xtask eval runs --data examples/runs
  $ cargo xtask eval agentdojo --data ~/agentdojo --json
Exit code: 0; 1 if the data cannot be read; 2 for wrong arguments.";

/// The command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) format: Format,
    pub(crate) data: PathBuf,
    pub(crate) tools: Vec<PathBuf>,
    held: bool,
    show_tools: bool,
    json: bool,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let format = words.next().ok_or("name the form: runs or agentdojo")?;
        let mut arguments = Self {
            format: Format::from_name(&format)?,
            data: PathBuf::new(),
            tools: Vec::new(),
            held: false,
            show_tools: false,
            json: false,
        };
        let mut data = None;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
            match word.as_str() {
                "--data" => data = Some(value()?),
                "--tools" => arguments.tools.push(value()?.into()),
                "--held" => arguments.held = true,
                "--show-tools" => arguments.show_tools = true,
                "--json" => arguments.json = true,
                other => return Err(format!("there is no argument `{other}`")),
            }
        }
        arguments.data = data.ok_or("name the data: --data DIR")?.into();
        Ok(arguments)
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::parse(words.into_iter()) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match text(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn text(arguments: &Arguments) -> Result<String, String> {
    let recording = RecordedRuns::read(arguments.format, &arguments.data)?;
    let mut suites: BTreeMap<String, Suite> = BTreeMap::new();
    for (name, tools) in &recording.tools {
        suites.insert(name.clone(), Suite::new(name, tools, arguments)?);
    }
    if arguments.show_tools {
        let all: BTreeMap<&String, serde_json::Value> = suites
            .iter()
            .map(|(name, suite)| (name, suite.to_json()))
            .collect();
        return serde_json::to_string_pretty(&all).map_err(|e| e.to_string());
    }
    let report = report(&recording, &suites)?;
    Ok(match arguments.json {
        true => report.to_json(arguments.held).to_string(),
        false => report.to_text(arguments.held),
    })
}

/// Plays every run by all rules.
fn report(recording: &RecordedRuns, suites: &BTreeMap<String, Suite>) -> Result<Report, String> {
    let mut report = Report::default();
    for run in &recording.runs {
        let suite = suites
            .get(&run.suite)
            .ok_or_else(|| format!("no tool of the suite `{}` is in tools.jsonl", run.suite))?;
        for rules in Rules::ALL {
            if !matches!(run.kind, RunKind::Other) {
                report.add(rules, run, &suite.play(run, rules));
            }
        }
    }
    Ok(report)
}
