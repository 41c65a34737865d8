//! `tollgate doctor`: lists what is broken in a gate or needs attention.

use std::{os::unix::net::UnixStream, path::Path};

use clap::Args;
use serde::Serialize;
use tollgate::{
    config::Config, enforce::Ruleset, executors::Executors, gate::compare_offers, load, lock::Lock,
};
use tollgate_ledger::{ApprovalFilter, LedgerReader};
use tollgate_server::upstream::Servers;
use tollgate_trace::export;

use crate::{
    commands::tools,
    component::compiler,
    context::Context,
    error::{Failure, shown},
    exit_code::Exit,
    observe_only,
    style::{Tone, line, paint, wrap},
    units::count,
};

const EXAMPLES: &str = "\
Examples:
  $ tollgate doctor
  $ tollgate doctor --json

Changes nothing. It asks upstream servers what they offer, so it starts those that are commands. The exit code is 1 if something is broken. Findings that only need attention do not count.

With --json: {ok, findings: [{check, state, message, help}]}. The state is ok, look (needs attention) or broken.";

/// The label of tools without configured labels.
const UNLABELLED: &str = "unlabelled";
/// The most tools that are named in a finding.
const MOST_NAMES: usize = 5;

/// The arguments of `tollgate doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor;

/// The state of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works, but the operator should look at it.
    Look,
    Broken,
}

/// The result of one check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            message: message.into(),
            help: None,
        }
    }

    fn look(check: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            state: State::Look,
            help: Some(help.into()),
            ..Self::ok(check, message)
        }
    }

    fn broken(check: &'static str, failure: Failure) -> Self {
        Self {
            state: State::Broken,
            help: failure.help,
            ..Self::ok(check, failure.message)
        }
    }
}

/// The output for programs.
#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
}

/// Run `tollgate doctor`.
pub(crate) async fn run(_: &Doctor, cx: &Context<'_>) -> Result<Exit, Failure> {
    let step = cx.out.progress().map(|p| p.step("looking at the gate"));
    let findings = match cx.config() {
        Err(failure) => vec![Finding::broken("configuration", failure)],
        Ok(config) => {
            let mut findings = vec![Finding::ok("configuration", shown(&config.file))];
            findings.extend(loading(&config).await);
            findings.push(server(&config.store.path));
            findings.extend(store(&config, cx));
            findings
        }
    };
    drop(step);
    let report = Report {
        ok: findings.iter().all(|found| found.state != State::Broken),
        findings,
    };
    cx.out.show(&report, || text(&report, cx.out.width()))?;
    Ok(match report.ok {
        true => Exit::Ok,
        false => Exit::Failure,
    })
}

/// Components, tools and policies, as the gate would load them.
async fn loading(config: &Config) -> Vec<Finding> {
    let mut findings = upstreams(config);
    findings.extend(offers(config).await);
    match load::check(config.clone(), Some(compiler())).await {
        Err(error) => findings.push(Finding::broken("tools and policies", error.into())),
        Ok(snapshot) => {
            findings.push(warnings(&snapshot.ruleset));
            findings.push(labels(&snapshot.ruleset));
            findings.extend(unusable(&snapshot.executors));
            findings.extend(answers(&snapshot.ruleset).await);
        }
    }
    if let Some(warning) = observe_only::warning(config) {
        findings.push(Finding::look(
            "observe-only",
            warning.trim_start_matches("warning: "),
            "tollgate policy suggest",
        ));
    }
    findings
}

/// Upstream servers that were never accepted, with which the gate does not open.
fn upstreams(config: &Config) -> Vec<Finding> {
    let lock = match Lock::read(&Lock::path(&config.file)) {
        Ok(lock) => lock,
        Err(error) => {
            let failure = Failure::plain(error.to_string());
            return vec![Finding::broken("lock file", failure)];
        }
    };
    let new = config.upstreams.keys();
    let new = new.filter(|name| !lock.upstream.contains_key(*name));
    new.map(|name| {
        let failure = Failure::plain(format!("the upstream server `{name}` was never accepted"));
        let help = format!("tollgate upstream accept {name}");
        Finding::broken("upstream", failure.help(help))
    })
    .collect()
}

/// Whether upstream servers still offer what was accepted. Those that users log in to are not asked.
async fn offers(config: &Config) -> Vec<Finding> {
    let Ok(lock) = Lock::read(&Lock::path(&config.file)) else {
        return Vec::new();
    };
    let accepted = config.upstreams.keys();
    let accepted = accepted.filter(|name| lock.upstream.contains_key(*name));
    let mut findings = Vec::new();
    for name in accepted {
        let show = format!("tollgate upstream show {name}");
        match compare_offers(config, Servers::new().as_ref(), Some(name)).await {
            Err(error) => findings.push(Finding::look("upstream", error.to_string(), show)),
            Ok(found) => findings.extend(found.into_iter().map(|(name, found)| {
                let message = match (found.is_none(), found.changed.len() + found.vanished.len()) {
                    (true, _) => return Finding::ok("upstream", format!("`{name}` is as accepted")),
                    (false, 0) => format!("`{name}` offers other things than were accepted"),
                    (false, n) => format!(
                        "`{name}`: the definitions have changed of {}, and calls of them are refused",
                        count(n as u64, "tool")
                    ),
                };
                Finding::look("upstream", message, show.clone())
            })),
        }
    }
    findings
}

fn warnings(ruleset: &Ruleset) -> Finding {
    let (policies, warnings) = (ruleset.pdp.policies().len(), ruleset.pdp.warnings().len());
    let loaded = format!(
        "{policies} policies for {}",
        count(ruleset.tools.len() as u64, "tool")
    );
    match warnings {
        0 => Finding::ok("tools and policies", loaded),
        n => Finding::look(
            "tools and policies",
            format!("{loaded}, {}", count(n as u64, "warning")),
            "tollgate policy check",
        ),
    }
}

/// What agents cannot have, although components and servers declare it.
fn unusable(executors: &Executors) -> Vec<Finding> {
    let unusable: Vec<_> = executors.unusable_tools().collect();
    let more = unusable.len().saturating_sub(MOST_NAMES);
    let shown = unusable.iter().take(MOST_NAMES).map(|tool| {
        let words = tools::remark(tool);
        Finding::look("unusable", words, "tollgate tools list")
    });
    let rest = (more > 0).then(|| {
        let words = format!("{} more", count(more as u64, "tool"));
        Finding::look("unusable", words, "tollgate tools list")
    });
    shown.chain(rest).collect()
}

fn labels(ruleset: &Ruleset) -> Finding {
    let tools = ruleset.callables();
    let unlabelled: Vec<&str> = tools
        .filter(|tool| tool.labels.contains(UNLABELLED))
        .map(|tool| tool.name.as_str())
        .collect();
    if unlabelled.is_empty() {
        return Finding::ok("labels", "every tool has labels");
    }
    let named: Vec<&str> = unlabelled.iter().copied().take(MOST_NAMES).collect();
    let more = match unlabelled.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Finding::look(
        "labels",
        format!("these tools have no labels: {}{more}", named.join(", ")),
        "say it in tollgate.toml: [tools.NAME] with labels and taints",
    )
}

/// The channels by which people answer approvals, besides the API.
async fn answers(ruleset: &Ruleset) -> Vec<Finding> {
    const SLACK: &str = "answers from Slack";
    const LINKS: &str = "answers by links";
    let (config, mut findings) = (&ruleset.config, Vec::new());
    if let Some(slack) = &config.approvals.slack {
        let users = count(slack.users.len() as u64, "user");
        findings.push(match ruleset.secrets.secret(&slack.signing_secret).await {
            Err(error) => Finding::broken(SLACK, Failure::plain(error.to_string())),
            Ok(_) if config.serve.hosts.is_empty() => Finding::look(
                SLACK,
                "Slack cannot reach this gate: it answers to no public name",
                "name it in tollgate.toml: hosts = [\"gate.example.com\"] under [serve]",
            ),
            Ok(_) => Finding::ok(SLACK, format!("of {users}")),
        });
    }
    if let Some(links) = &config.approvals.links {
        let url = line(links.base_url.as_str(), 200);
        let message = format!("for {}, at {url}", count(links.users.len() as u64, "user"));
        findings.push(match links.base_url.scheme() {
            "https" => Finding::ok(LINKS, message),
            _ => Finding::look(
                LINKS,
                format!("{message}, which only this machine reaches"),
                "write the URL at which people reach the gate: base_url under [approvals.links]",
            ),
        });
    }
    findings
}

fn server(store: &Path) -> Finding {
    match UnixStream::connect(store.with_file_name("gate.sock")) {
        Ok(_) => Finding::ok("server", "a process serves the gate"),
        Err(_) => Finding::look("server", "no process serves the gate", "tollgate serve"),
    }
}

fn store(config: &Config, cx: &Context<'_>) -> Vec<Finding> {
    match cx.reader_if_any(config) {
        Err(failure) => vec![Finding::broken("store", failure)],
        Ok(None) => vec![Finding::ok("store", "nothing has been recorded yet")],
        Ok(Some(reader)) => recorded(config, &reader)
            .unwrap_or_else(|failure| vec![Finding::broken("store", failure)]),
    }
}

/// Checks of the ledger: halts, pending approvals, and the lag of exports.
fn recorded(config: &Config, reader: &LedgerReader) -> Result<Vec<Finding>, Failure> {
    let records = reader.size()?.records;
    let mut findings = vec![Finding::ok("store", count(records, "record"))];
    for halt in reader.halts()? {
        findings.push(Finding::look(
            "halt",
            format!(
                "{} {} is halted by {}: {}",
                halt.scope.as_str(),
                line(&halt.name, 80),
                line(&halt.by, 64),
                line(&halt.reason, 200)
            ),
            "tollgate halt --list",
        ));
    }
    let waiting = reader.approvals(&ApprovalFilter::open())?.len() as u64;
    if waiting > 0 {
        findings.push(Finding::look(
            "approvals",
            format!("{} waiting", count(waiting, "approval")),
            "tollgate approvals list",
        ));
    }
    let exports = export::status(&config.store.path, &config.exports, records);
    let exports = exports.map_err(|e| Failure::plain(e.to_string()))?;
    for exporter in exports {
        findings.push(match (&exporter.failing, exporter.lag) {
            (Some(why), _) => Finding::look(
                "export",
                format!("`{}` is held up: {}", exporter.name, line(why, 200)),
                "tollgate export status",
            ),
            (None, 0) => Finding::ok("export", format!("`{}` is up to date", exporter.name)),
            (None, lag) => Finding::look(
                "export",
                format!("`{}` is {} behind", exporter.name, count(lag, "record")),
                "tollgate export status",
            ),
        });
    }
    Ok(findings)
}

fn text(report: &Report, columns: usize) -> String {
    let mut text = String::new();
    for found in &report.findings {
        let (symbol, tone) = match found.state {
            State::Ok => ("✓", Tone::Good),
            State::Look => ("!", Tone::Wait),
            State::Broken => ("✗", Tone::Bad),
        };
        let name = paint(&format!("{:<20}", found.check), Tone::Strong);
        for (index, piece) in wrap(&found.message, columns.saturating_sub(22))
            .iter()
            .enumerate()
        {
            match index {
                0 => text.push_str(&format!("{} {name}{piece}\n", paint(symbol, tone))),
                _ => text.push_str(&format!("{:<22}{piece}\n", "")),
            }
        }
        if let Some(help) = &found.help {
            text.push_str(&format!("{:<22}{}\n", "", paint(help, Tone::Name)));
        }
    }
    text
}
