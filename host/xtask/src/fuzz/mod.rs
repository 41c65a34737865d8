//! `cargo xtask fuzz`: the fuzz targets, for a time.
//!
//! Where a C++ compiler is there, libFuzzer guides the inputs by coverage. It counts in this workspace's crates only,
//! by `RUSTC_WORKSPACE_WRAPPER`, so that nothing else is built again, and works with the stable toolchain. Without it,
//! and for targets within the command, the target's own test is played for the time.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use crate::command::{cargo, root, say};

/// Packages with targets: tests whose names begin with [`TEST`].
const PACKAGES: [&str; 2] = ["tollgate-fuzz", "tollgate-cli"];
/// The package whose targets libFuzzer can play.
const GUIDED: &str = "tollgate-fuzz";
/// What a target's test begins with.
const TEST: &str = "fuzz_";
/// What the summary of a timed run begins with.
const SUMMARY: &str = "fuzz-summary ";

/// The arguments of `cargo xtask fuzz`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  $ cargo xtask fuzz
  $ cargo xtask fuzz tool_input --minutes 30
  $ cargo xtask fuzz --list

An input that breaks a rule is saved in tests/fuzz/found, and the tests replay it from then on. Fix the kind of the
fault, and commit the input with the fix.
Exit codes: 0, nothing was found; 1, an input was found, or a target cannot be run; 2, wrong usage.")]
pub(crate) struct Fuzz {
    /// Targets; all of them unless given.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Minutes for each target.
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Name the targets, and leave.
    #[arg(long)]
    list: bool,
    /// Print one JSON object a target: {target, package, guided, seconds, variants, found, again}.
    #[arg(long)]
    json: bool,
}

/// A target, found by its test.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    name: String,
    package: &'static str,
    /// The test's path.
    test: String,
}

/// How playing a target ended.
#[derive(Debug)]
struct TargetRun {
    guided: bool,
    /// Inputs that were tried, where that is known.
    variants: Option<u64>,
    /// The input that broke a rule.
    found: Option<PathBuf>,
}

/// Where targets are played, and what is printed.
struct Bench<'a> {
    /// The program that builds and runs tests.
    cargo: &'a dyn Fn(&[&str]) -> Command,
    /// The folder of logs and of what libFuzzer learns.
    work: PathBuf,
    /// The folder of inputs that broke a rule.
    found: PathBuf,
    say: &'a dyn Fn(&str),
}

/// Play the targets.
pub(crate) fn run(args: &Fuzz) -> Result<()> {
    let bench = Bench {
        cargo: &cargo,
        work: root().join("target/fuzz"),
        found: root().join("tests/fuzz/found"),
        say: &say,
    };
    bench.play(args)
}

impl Bench<'_> {
    fn play(&self, args: &Fuzz) -> Result<()> {
        let targets = chosen(self.all()?, &args.targets)?;
        if args.list {
            for target in &targets {
                match args.json {
                    true => {
                        let line = json!({"target": target.name, "package": target.package});
                        (self.say)(&line.to_string());
                    }
                    false => (self.say)(&target.name),
                }
            }
            return Ok(());
        }
        let seconds = args.minutes.saturating_mul(60).max(1);
        fs::create_dir_all(&self.work)?;
        let guided = match targets.iter().any(|target| target.package == GUIDED) {
            true => self.build_guided(args.json),
            false => None,
        };
        let mut found = 0_usize;
        for (n, target) in targets.iter().enumerate() {
            let guide = guided.as_deref().filter(|_| target.package == GUIDED);
            if !args.json {
                let how = guide.map_or("", |_| ", guided by coverage");
                (self.say)(&format!(
                    "── fuzz {} ({} of {}), {seconds} s{how}",
                    target.name,
                    n + 1,
                    targets.len()
                ));
            }
            let played = match guide {
                Some(program) => self.play_guided(program, target, seconds)?,
                None => self.play_test(target, seconds)?,
            };
            found += usize::from(played.found.is_some());
            self.tell(target, seconds, &played, args.json);
        }
        match found {
            0 => Ok(()),
            n => bail!(
                "{n} of {} targets found an input that breaks a rule",
                targets.len()
            ),
        }
    }

    /// Every target of these packages.
    fn all(&self) -> Result<Vec<Target>> {
        let mut targets = Vec::new();
        for package in PACKAGES {
            let output = (self.cargo)(&["test", "--quiet", "--locked", "--package", package])
                .args(["--", "--list", TEST])
                .output()?;
            if !output.status.success() {
                bail!(
                    "the tests of {package} cannot be listed: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            targets.extend(listed(package, &String::from_utf8_lossy(&output.stdout)));
        }
        Ok(targets)
    }

    /// The program of libFuzzer with the targets. Nothing where it cannot be built here.
    fn build_guided(&self, is_json: bool) -> Option<PathBuf> {
        if !is_json {
            (self.say)("── build the targets with coverage");
        }
        let log = self.work.join("build.log");
        let built = File::create(&log).and_then(|file| {
            (self.cargo)(&["build", "--locked", "--package", GUIDED])
                .args(["--features", "guided", "--bin", "tollgate-fuzz-guided"])
                .env(
                    "RUSTC_WORKSPACE_WRAPPER",
                    root().join("tests/fuzz/coverage.sh"),
                )
                .stderr(file)
                .status()
        });
        if built.is_ok_and(|status| status.success()) {
            return Some(root().join("target/debug/tollgate-fuzz-guided"));
        }
        if !is_json {
            (self.say)(&format!(
                "   it cannot be built here ({}): going on without coverage",
                log.display()
            ));
        }
        None
    }

    fn play_guided(&self, program: &Path, target: &Target, seconds: u64) -> Result<TargetRun> {
        let corpus = self.work.join("corpus").join(&target.name);
        fs::create_dir_all(&corpus)?;
        let (crash, log) = (
            self.work.join("input"),
            self.work.join(format!("{}.log", target.name)),
        );
        forget(&crash)?;
        let status = Command::new(program)
            .args([
                format!("-max_total_time={seconds}"),
                "-max_len=16384".into(),
                "-timeout=60".into(),
                "-rss_limit_mb=4096".into(),
                "-print_final_stats=1".into(),
                format!("-exact_artifact_path={}", crash.display()),
            ])
            .arg(&corpus)
            .env("TOLLGATE_FUZZ_TARGET", &target.name)
            .env("TOLLGATE_FUZZ_CORPUS", &corpus)
            .stderr(File::create(&log)?)
            .status()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let told = fs::read(&log)?;
        let told = String::from_utf8_lossy(&told);
        let units = told.lines().find_map(|line| {
            let units = line.strip_prefix("stat::number_of_executed_units:")?;
            units.trim().parse().ok()
        });
        let found = self.kept(target, &crash)?;
        if !status.success() && found.is_none() {
            bail!(
                "{}: it ended with {status}, see {}",
                target.name,
                log.display()
            );
        }
        Ok(TargetRun {
            guided: true,
            variants: units,
            found,
        })
    }

    /// Play the target's own test.
    fn play_test(&self, target: &Target, seconds: u64) -> Result<TargetRun> {
        let last = self.work.join("input");
        forget(&last)?;
        let output = (self.cargo)(&["test", "--quiet", "--locked", "--package", target.package])
            .args(["--", "--exact", &target.test, "--nocapture"])
            .env("TOLLGATE_FUZZ_SECONDS", seconds.to_string())
            .env("TOLLGATE_FUZZ_LAST", &last)
            .env("TOLLGATE_FUZZ_FOUND", &self.found)
            .output()?;
        let told = [output.stdout, output.stderr].concat();
        fs::write(self.work.join(format!("{}.log", target.name)), &told)?;
        let told = String::from_utf8_lossy(&told);
        let summary = told.lines().find_map(|line| line.strip_prefix(SUMMARY));
        let variants = summary.and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let saved = told.lines().find_map(|line| {
            let (file, _) = line.strip_prefix("saved as ")?.split_once("; again with")?;
            Some(PathBuf::from(file))
        });
        let found = match (output.status.success(), saved) {
            (true, _) => None,
            (false, Some(file)) => Some(file),
            // It ended the process, as an exhausted stack does.
            (false, None) => self.kept(target, &last)?,
        };
        if !output.status.success() && found.is_none() {
            bail!("{}: its test failed: {told}", target.name);
        }
        Ok(TargetRun {
            guided: false,
            variants,
            found,
        })
    }

    /// Keep the input in `file` where tests replay it. Nothing if there is none.
    fn kept(&self, target: &Target, file: &Path) -> Result<Option<PathBuf>> {
        let Ok(input) = fs::read(file) else {
            return Ok(None);
        };
        let mut digest = DefaultHasher::new();
        input.hash(&mut digest);
        let name = format!("{}-{:016x}", target.name, digest.finish());
        let place = self.found.join(name);
        fs::write(&place, input)?;
        Ok(Some(place))
    }

    fn tell(&self, target: &Target, seconds: u64, played: &TargetRun, is_json: bool) {
        let again = format!("cargo test -p {} {TEST}{}", target.package, target.name);
        let found = played.found.as_ref().map(|file| file.display().to_string());
        if is_json {
            let line = json!({
                "target": target.name, "package": target.package, "guided": played.guided,
                "seconds": seconds, "variants": played.variants, "found": found,
                "again": found.as_ref().map(|_| again),
            });
            return (self.say)(&line.to_string());
        }
        let variants = played.variants.map_or("?".to_owned(), |n| n.to_string());
        match found {
            None => (self.say)(&format!("   {variants} inputs, nothing found")),
            Some(file) => (self.say)(&format!("   ✗ {file} breaks a rule; again with: {again}")),
        }
    }
}

/// The targets in a list of tests.
fn listed(package: &'static str, list: &str) -> Vec<Target> {
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let targets = tests.filter_map(|test| {
        let name = test.rsplit("::").next()?.strip_prefix(TEST)?;
        Some(Target {
            name: name.to_owned(),
            package,
            test: test.to_owned(),
        })
    });
    targets.collect()
}

fn chosen(all: Vec<Target>, names: &[String]) -> Result<Vec<Target>> {
    if names.is_empty() {
        return Ok(all);
    }
    let by_name: BTreeMap<&str, &Target> = all.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut chosen = Vec::new();
    for name in names {
        match by_name.get(name.as_str()) {
            Some(target) => chosen.push((*target).clone()),
            None => bail!(
                "there is no fuzz target `{name}`; there are: {}",
                by_name.keys().copied().collect::<Vec<_>>().join(", ")
            ),
        }
    }
    Ok(chosen)
}

fn forget(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
