//! `tollgate policy test`: runs test cases from files against the policies. No component runs and nothing is
//! recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    time::{Duration, Instant},
};

use clap::Args;
use notify::Watcher as _;
use serde::{Deserialize, Serialize};
use tollgate::{
    config::{Config, policy_files},
    load::{self, LoadError},
    name_pattern::NamePattern,
};
use tollgate_policy::{
    case::{Case, CaseResult, Defaults, World},
    pdp::{self, Pdp},
};

use super::{case_lines, junit};
use crate::{
    component::compiler,
    context::Context,
    error::{Failure, places, shown},
    exit_code::Exit,
    render::{
        diagnostics,
        table::{Cell, table},
    },
    style::{Tone, line, paint},
    units::count,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy test
  $ tollgate policy test policies/tests/refunds.toml --all
  $ tollgate policy test --run 'refund|payout'
  $ tollgate policy test --junit report.xml --deny-untested

Cases are in *.toml ([[case]]) and *.json (a list) files; by default in the folder tests/ next to the
policies:
  [[case]]
  name = \"large refunds wait for finance\"
  principal = \"Agent::support\"
  action = \"payments__refund\"          # a tool, or another action
  input = { order = \"A-1\", amount = 6000 }
  run = { labels = [\"private\"] }       # also calls, denials, repeats, errors, ..
  expect = \"escalate\"                 # allow, deny, escalate, error
  by = [\"large-refunds-need-finance\"]
  needs = [\"finance\"]                 # approved_by = [\"finance\"] plays it with that approval
  redact = [\"/reason\"]               # what policies redact in the arguments or the result

Principals and tools are those of a world.toml or world.json in the folder of the cases, else those of
tollgate.toml.

A name, an id, a method or a path that no request can have fails its case, unless the case expects an error.

The exit code is 1 if a case fails; with --deny-untested also if a policy determines no case.

With --json: {ok, cases [{file, line, name, answer, wrong}], policies [{id, file, determined,
applied}]}.";

/// File events within this time belong to one change.
const SETTLE: Duration = Duration::from_millis(100);

/// The cases and policies.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Files of cases, or folders of them.
    paths: Vec<PathBuf>,
    /// The directory of the policies; default: that of tollgate.toml.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// A file with principals and tools; default: world.toml or world.json in the cases' folder, else
    /// tollgate.toml.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Also show cases that pass.
    #[arg(long)]
    all: bool,
    /// Only play cases whose name matches.
    #[arg(long, value_name = "REGEX", conflicts_with = "deny_untested")]
    run: Option<String>,
    /// Also show the cases of each policy.
    #[arg(long)]
    coverage: bool,
    /// Fail if a policy determines no case.
    #[arg(long)]
    deny_untested: bool,
    /// Write a report in JUnit's format.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run the cases again whenever a file changes, until interrupted.
    #[arg(long)]
    watch: bool,
}

/// A file of cases in TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    #[serde(default)]
    case: Vec<Case>,
}

/// The results of all cases.
#[derive(Serialize)]
struct Report {
    ok: bool,
    cases: Vec<CaseReport>,
    policies: Vec<Coverage>,
}

#[derive(Serialize)]
struct CaseReport {
    file: PathBuf,
    /// From 1.
    line: usize,
    #[serde(flatten)]
    played: CaseResult,
}

/// The coverage of one policy.
#[derive(Serialize)]
struct Coverage {
    id: String,
    file: String,
    /// Cases that it determined, or would have changed in shadow mode.
    determined: u64,
    /// Cases to which it applied.
    applied: u64,
}

/// The policies, principals and tools of the cases.
struct Setting {
    pdp: Pdp,
    defaults: Defaults,
}

/// Run `tollgate policy test`.
pub(super) async fn run(args: &Test, cx: &Context<'_>) -> Result<Exit, Failure> {
    if !args.watch {
        return once(args, cx).await;
    }
    let (send, changes) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reads are ignored. A closed channel means that the watch has ended.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = send.send(());
        }
    })
    .map_err(|e| Failure::plain(format!("files cannot be watched: {e}")))?;
    for path in watched(args, cx)? {
        watcher
            .watch(&path, notify::RecursiveMode::Recursive)
            .map_err(|e| Failure::plain(format!("{}: it cannot be watched: {e}", shown(&path))))?;
    }
    loop {
        if let Err(failure) = once(args, cx).await {
            cx.out.failure(&failure);
        }
        cx.out.remark("waiting for a change (Ctrl-C ends it)");
        let ended = tokio::task::block_in_place(|| settled(&changes));
        if ended {
            return Ok(Exit::Ok);
        }
    }
}

/// Waits for a change, and until files are quiet. Returns whether the watch has ended.
fn settled(changes: &mpsc::Receiver<()>) -> bool {
    if changes.recv().is_err() {
        return true;
    }
    while changes.recv_timeout(SETTLE).is_ok() {}
    false
}

fn watched(args: &Test, cx: &Context<'_>) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = args.paths.clone();
    paths.extend(args.policies.clone());
    paths.extend(args.world.clone());
    if let Ok(config) = cx.config() {
        paths.push(config.policies);
        paths.push(config.file);
    }
    paths.retain(|path| path.exists());
    if paths.is_empty() {
        return Err(Failure::plain("there is nothing to watch").help("name files of cases"));
    }
    Ok(paths)
}

async fn once(args: &Test, cx: &Context<'_>) -> Result<Exit, Failure> {
    let began = Instant::now();
    let config = cx.config();
    let files = files(args, config.as_ref().ok())?;
    let pattern = args.run.as_deref().map(NamePattern::new).transpose();
    let pattern = pattern.map_err(|e| Failure::usage(format!("--run: {e}")))?;
    let step = cx
        .out
        .progress()
        .map(|progress| progress.step("loading policies"));
    let setting = setting(args, config, &files).await;
    drop(step);
    let setting = match setting? {
        Ok(setting) => setting,
        Err(places) => {
            let text = diagnostics::render(&places);
            cx.out.show(
                &serde_json::json!({ "ok": false, "diagnostics": places }),
                || text,
            )?;
            return Ok(Exit::Failure);
        }
    };
    let mut cases = Vec::new();
    for file in &files {
        for (line, case) in read(file)? {
            if pattern.as_ref().is_some_and(|p| !p.matches(&case.name)) {
                continue;
            }
            let played = case.play(&setting.pdp, &setting.defaults);
            let file = file.clone();
            cases.push(CaseReport { file, line, played });
        }
    }
    if let (true, Some(pattern)) = (cases.is_empty(), &args.run) {
        let none = format!("no case has a name that matches `{}`", line(pattern, 80));
        return Err(Failure::plain(none).help("see the names with `tollgate policy test --all`"));
    }
    let policies = coverage(&setting.pdp, &cases);
    let untested = policies.iter().any(|p| p.determined == 0);
    let report = Report {
        ok: cases.iter().all(|c| c.played.wrong.is_empty()) && !(args.deny_untested && untested),
        cases,
        policies,
    };
    if let Some(path) = &args.junit {
        let results = report.cases.iter().map(|case| junit::CaseResult {
            file: &case.file,
            line: case.line,
            name: &case.played.name,
            wrong: &case.played.wrong,
        });
        let xml = junit::report(results, began.elapsed())?;
        fs::write(path, xml).map_err(|e| {
            Failure::plain(format!("{}: it cannot be written: {e}", path.display()))
        })?;
    }
    cx.out.show(&report, || render(&report, args))?;
    Ok(if report.ok { Exit::Ok } else { Exit::Failure })
}

fn is_cases(path: &Path) -> bool {
    let world = path.file_stem().is_some_and(|stem| stem == "world");
    !world && path.extension().is_some_and(|e| e == "toml" || e == "json")
}

/// The files of cases, in order.
fn files(args: &Test, config: Option<&Config>) -> Result<Vec<PathBuf>, Failure> {
    let default = config.map(|config| config.policies.join("tests"));
    let named = match (args.paths.as_slice(), default) {
        ([], Some(default)) => vec![default],
        ([], None) => {
            return Err(Failure::usage("there is no tollgate.toml here or above")
                .help("name files of cases, and a world with --world FILE"));
        }
        (named, _) => named.to_vec(),
    };
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let failed = |e| Failure::plain(format!("{}: it cannot be read: {e}", shown(&path)));
        let mut found = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            found.push(entry.map_err(failed)?.path());
        }
        found.retain(|path| is_cases(path));
        found.sort();
        files.extend(found);
    }
    if files.is_empty() {
        return Err(Failure::plain("there are no cases")
            .help("write some into policies/tests/*.toml; see `tollgate policy test --help`"));
    }
    Ok(files)
}

/// The contents of a file, parsed by its extension.
fn parsed<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let failed = |e: String| Failure::plain(format!("{}: {e}", shown(path)));
    let text = fs::read_to_string(path).map_err(|e| failed(format!("it cannot be read: {e}")))?;
    if path.extension().is_some_and(|e| e == "toml") {
        toml::from_str(&text).map_err(|e| failed(e.to_string()))
    } else {
        serde_json::from_str(&text).map_err(|e| failed(e.to_string()))
    }
}

/// The cases of a file, each with its line.
fn read(path: &Path) -> Result<Vec<(usize, Case)>, Failure> {
    let cases = if path.extension().is_some_and(|e| e == "toml") {
        parsed::<Cases>(path)?.case
    } else {
        parsed(path)?
    };
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = case_lines::of(&text, &cases);
    Ok(lines.into_iter().zip(cases).collect())
}

/// The setting of the cases, or the errors of the policies.
async fn setting(
    args: &Test,
    config: Result<Config, Failure>,
    files: &[PathBuf],
) -> Result<Result<Setting, Vec<crate::error::Place>>, Failure> {
    let next_to_it = files
        .iter()
        .filter_map(|file| file.parent())
        .flat_map(|dir| ["world.toml", "world.json"].map(|name| dir.join(name)));
    let world = args
        .world
        .clone()
        .or_else(|| next_to_it.into_iter().find(|f| f.is_file()));
    let dir = match (&args.policies, &config) {
        (Some(dir), _) => dir.clone(),
        (None, Ok(config)) => config.policies.clone(),
        (None, Err(_)) => {
            return Err(Failure::usage("there is no tollgate.toml here or above")
                .help("say where the policies are with --policies DIR"));
        }
    };
    let (bundle, defaults) = match world {
        Some(world) => {
            let world: World = parsed(&world)?;
            (world.bundle(policy_files(&dir)?), world.defaults)
        }
        None => {
            let config = config?;
            let defaults = defaults(&config);
            let bundle = load::bundle_without_validation(&config, Some(compiler())).await?;
            let bundle = pdp::Bundle {
                policies: policy_files(&dir)?,
                ..bundle
            };
            (bundle, defaults)
        }
    };
    match Pdp::load(&bundle) {
        Ok(pdp) => Ok(Ok(Setting { pdp, defaults })),
        Err(pdp::LoadError::Policies(found)) => Ok(Err(places(&dir, &found))),
        Err(error) => Err(LoadError::Policies(error).into()),
    }
}

/// Defaults of cases: the agent or user, if the configuration has only one.
fn defaults(config: &Config) -> Defaults {
    let agent = config.agents.iter().next();
    let operator = agent.map(|(_, agent)| agent.operator.clone());
    Defaults {
        agent: agent.map(|(name, _)| name.clone()),
        on_behalf_of: operator.clone(),
        operator,
        tool: None,
    }
}

fn coverage(pdp: &Pdp, cases: &[CaseReport]) -> Vec<Coverage> {
    let mut counted: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for case in cases {
        let answer = &case.played.answer;
        let shadow = answer.shadow.iter().flat_map(|s| &s.by);
        let by = answer.by.iter().chain(&answer.redacted_by);
        let determined: BTreeSet<&String> = by.chain(shadow).collect();
        for id in determined {
            counted.entry(id).or_default().0 += 1;
        }
        for id in &case.played.applied {
            counted.entry(id).or_default().1 += 1;
        }
    }
    let of = |id: &str| counted.get(id).copied().unwrap_or_default();
    let policies = pdp.policies().iter();
    let policies = policies.map(|(id, policy)| Coverage {
        id: id.clone(),
        file: policy.file.clone(),
        determined: of(id).0,
        applied: of(id).1,
    });
    policies.collect()
}

fn render(report: &Report, args: &Test) -> String {
    let is_wrong = |case: &&CaseReport| !case.played.wrong.is_empty();
    let mut text = String::new();
    for case in report.cases.iter().filter(is_wrong) {
        text.push_str(&result_lines(case));
    }
    let failed = report.cases.iter().filter(is_wrong).count();
    if args.all {
        for case in report.cases.iter().filter(|case| !is_wrong(case)) {
            text.push_str(&result_lines(case));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    if args.coverage || args.deny_untested {
        text.push_str(&coverage_table(&report.policies));
        text.push('\n');
    }
    let untested = report.policies.iter().filter(|p| p.determined == 0).count();
    let symbol = if report.ok {
        paint("✓", Tone::Good)
    } else {
        paint("✗", Tone::Bad)
    };
    let policies = match (&args.run, untested) {
        (Some(_), _) => String::new(),
        (None, 0) => "; every policy determines one".to_owned(),
        (None, n) => format!(
            "; {n} of {} policies determine none{}",
            report.policies.len(),
            match args.coverage || args.deny_untested {
                true => "",
                false => " (--coverage lists them)",
            }
        ),
    };
    text.push_str(&format!(
        "{symbol} {}, {failed} failed{policies}\n",
        count(report.cases.len() as u64, "case"),
    ));
    text
}

/// A case with its answer, its place, and what is wrong.
fn result_lines(case: &CaseReport) -> String {
    let played = &case.played;
    let symbol = match played.wrong.is_empty() {
        false => paint("✗", Tone::Bad),
        true => paint("✓", Tone::Good),
    };
    let place = paint(&format!("{}:{}", shown(&case.file), case.line), Tone::Weak);
    let by = played.answer.by.join(", ");
    let answer = paint(
        &format!("{} {}", played.answer.outcome, line(&by, 200)),
        Tone::Weak,
    );
    let mut text = format!("{symbol} {}  {answer}  {place}\n", line(&played.name, 200));
    for wrong in &played.wrong {
        text.push_str(&format!("    {}\n", line(wrong, 500)));
    }
    text
}

fn coverage_table(policies: &[Coverage]) -> String {
    let rows: Vec<[Cell; 4]> = policies
        .iter()
        .map(|policy| {
            let state = match (policy.determined, policy.applied) {
                (0, 0) => Cell::new("never", Tone::Bad),
                (0, _) => Cell::new("never, but applied", Tone::Wait),
                (n, _) => Cell::new(n.to_string(), Tone::Good),
            };
            [
                Cell::new(&policy.id, Tone::Plain),
                state,
                Cell::new(policy.applied.to_string(), Tone::Plain),
                Cell::new(&policy.file, Tone::Weak),
            ]
        })
        .collect();
    table(["POLICY", "DETERMINED", "APPLIED", "FILE"], &rows)
}
