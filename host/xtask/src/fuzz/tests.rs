use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{Bench, Fuzz, Target, chosen, listed};

/// A `cargo` with two targets in the command's package. `fine` holds. `broken` breaks on purpose: by a fault that its
/// test reports and saves, or by one that ends the process, as the file `how` says.
const CARGO: &str = r#"
case "$*" in
*tollgate-fuzz*) exit 0 ;;
*--list*) printf 'a::fuzz_fine: test\na::fuzz_broken: test\n\n2 tests, 0 benchmarks\n' ;;
*fuzz_fine*) echo "fuzz-summary fine 128 $TOLLGATE_FUZZ_SECONDS" >&2 ;;
*)
  printf 'small' > "$TOLLGATE_FUZZ_LAST"
  if [ "$(cat "$HOW")" = reports ]; then
    printf 'small' > "$TOLLGATE_FUZZ_FOUND/broken-0123456789ab"
    echo "saved as $TOLLGATE_FUZZ_FOUND/broken-0123456789ab; again with: cargo test -p tollgate-cli fuzz_broken"
    exit 101
  fi
  [ "$(cat "$HOW")" = ends ] && exit 134
  rm "$TOLLGATE_FUZZ_LAST"
  exit 1 ;;
esac
"#;

struct FuzzRun {
    dir: tempfile::TempDir,
    lines: Vec<Value>,
    error: Option<String>,
}

impl FuzzRun {
    /// `cargo xtask fuzz --json`, with a target that breaks in this way.
    fn by(how: &str, minutes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("cargo.sh"), CARGO).unwrap();
        fs::write(path("how"), how).unwrap();
        fs::create_dir(path("found")).unwrap();
        let lines = RefCell::new(Vec::new());
        let bench = Bench {
            cargo: &|arguments: &[&str]| {
                let mut command = Command::new("sh");
                command
                    .arg(path("cargo.sh"))
                    .args(arguments)
                    .env("HOW", path("how"));
                command
            },
            work: path("work"),
            found: path("found"),
            say: &|line: &str| lines.borrow_mut().push(serde_json::from_str(line).unwrap()),
        };
        let args = Fuzz {
            targets: Vec::new(),
            minutes,
            list: false,
            json: true,
        };
        let error = bench.play(&args).err().map(|error| error.to_string());
        Self {
            lines: lines.into_inner(),
            error,
            dir,
        }
    }

    fn found(&self) -> Vec<PathBuf> {
        let found = fs::read_dir(self.dir.path().join("found")).unwrap();
        found.map(|entry| entry.unwrap().path()).collect()
    }
}

fn fine(seconds: u64) -> Value {
    json!({"target": "fine", "package": "tollgate-cli", "guided": false, "seconds": seconds,
        "variants": 128, "found": null, "again": null})
}

fn broken(file: &Path) -> Value {
    json!({"target": "broken", "package": "tollgate-cli", "guided": false, "seconds": 60,
        "variants": null, "found": file, "again": "cargo test -p tollgate-cli fuzz_broken"})
}

/// Every target is played for its time, and one line of JSON says how it ended.
#[test]
fn a_found_input_is_saved_and_told() {
    let played = FuzzRun::by("reports", 1);
    let [file] = played.found().try_into().unwrap();
    assert_eq!(played.lines, [fine(60), broken(&file)]);
    let said = "1 of 2 targets found an input that breaks a rule";
    assert_eq!(played.error.as_deref(), Some(said));
}

/// A fault that ends the process cannot save its input, so the last one that was tried is kept.
#[test]
fn an_input_that_ends_the_process_is_saved() {
    let played = FuzzRun::by("ends", 1);
    let [file] = played.found().try_into().unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"small");
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let digits = name.strip_prefix("broken-").unwrap();
    assert!(
        digits.bytes().all(|b| b.is_ascii_hexdigit()),
        "tests replay it: {name}"
    );
    assert_eq!(played.lines, [fine(60), broken(&file)]);
}

/// A test that fails without an input is an error, not a finding.
#[test]
fn a_target_that_cannot_be_played_ends_the_task() {
    let played = FuzzRun::by("fails", 2);
    assert_eq!(played.lines, [fine(120)]);
    assert!(
        played
            .error
            .is_some_and(|error| error.starts_with("broken: its test failed"))
    );
    let dir = played.dir.path().join("found");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
}

fn targets() -> Vec<Target> {
    let list = "tests::fuzz_mend: test\ncommands::hook::fuzz_hook: test\ntests::every_target: test\n\n2 tests, 0 benchmarks\n";
    listed("tollgate-fuzz", list)
}

#[test]
fn targets_are_found_by_their_tests() {
    let names: Vec<String> = targets().into_iter().map(|target| target.name).collect();
    assert_eq!(names, ["mend", "hook"]);
    assert!(
        targets()
            .iter()
            .any(|target| target.test == "commands::hook::fuzz_hook")
    );
}

#[test]
fn a_target_that_is_not_there_is_named_with_those_that_are() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let one = chosen(targets(), &names(&["hook"]));
    assert!(one.is_ok_and(|one| one.len() == 1));
    assert!(chosen(targets(), &[]).is_ok_and(|all| all.len() == 2));
    let refused = chosen(targets(), &names(&["hok"]));
    let said = refused
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        said.contains("`hok`") && said.contains("hook, mend"),
        "{said}"
    );
}
