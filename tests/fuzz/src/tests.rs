//! One test for each target.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::{Command, Output},
};

use crate::{
    engine::{FOUND, LAST, SECONDS, SUMMARY, Target},
    targets::ALL,
};

macro_rules! play {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            ALL.iter().find(|target| target.name == $name).unwrap().play();
        })*

        /// None is forgotten.
        #[test]
        fn every_target_has_its_test() {
            let tested = BTreeSet::from([$($name),*]);
            let all: BTreeSet<&str> = ALL.iter().map(|target| target.name).collect();
            assert_eq!(tested, all);
        }
    };
}

play! {
    fuzz_canonical_json "canonical_json"
    fuzz_message "message"
    fuzz_request_headers "request_headers"
    fuzz_mend "mend"
    fuzz_event_stream "event_stream"
    fuzz_wire "wire"
    fuzz_result "result"
    fuzz_refusal "refusal"
    fuzz_definitions "definitions"
    fuzz_tool_input "tool_input"
    fuzz_policies "policies"
    fuzz_cases "cases"
    fuzz_otlp_json "otlp_json"
    fuzz_otlp_protobuf "otlp_protobuf"
    fuzz_configuration "configuration"
    fuzz_lock "lock"
    fuzz_gitleaks "gitleaks"
    fuzz_record "record"
    fuzz_proof "proof"
    fuzz_component "component"
    fuzz_interaction "interaction"
    fuzz_question "question"
}

/// Whether [`BROKEN`] is broken.
const BREAK: &str = "TOLLGATE_FUZZ_BREAK";

/// A target whose rule holds for short inputs only, where the environment says so.
const BROKEN: Target = Target {
    name: "broken",
    package: "tollgate-fuzz",
    corpus: || vec![b"{\"a\": [1, 2, 3]}".to_vec()],
    variants: 64,
    check: |input| {
        let breaks = env::var_os(BREAK).is_some() && input.len() > 18;
        assert!(!breaks, "it breaks on purpose");
    },
};

#[test]
fn broken_on_purpose() {
    BROKEN.play();
}

/// What a process does that plays [`BROKEN`] as `cargo xtask fuzz` has it played.
fn played(found: &Path, seconds: &str, breaks: bool) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "tests::broken_on_purpose", "--nocapture"])
        .env(FOUND, found)
        .env(LAST, found.join("../last"))
        .env(SECONDS, seconds)
        .env_remove(BREAK);
    if breaks {
        command.env(BREAK, "1");
    }
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_fault_is_saved_once_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let found = dir.path().join("found");
    fs::create_dir(&found).unwrap();
    // Without a fault a timed run ends with its summary.
    let fine = played(&found, "0", false);
    assert!(fine.status.success(), "{}", told(&fine));
    let summary = format!("{SUMMARY} broken 0");
    assert!(
        told(&fine).lines().any(|line| line == summary),
        "{}",
        told(&fine)
    );

    // The loop ends with the first fault, made small.
    let broken = played(&found, "3600", true);
    assert!(!broken.status.success());
    let files: Vec<_> = fs::read_dir(&found)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    let [file] = files.as_slice() else {
        panic!("{files:?}: {}", told(&broken))
    };
    let input = fs::read(file).unwrap();
    assert!(input.len() > 18, "it breaks the rule");
    let again = format!(
        "saved as {}; again with: cargo test -p tollgate-fuzz",
        file.display()
    );
    assert!(
        told(&broken).lines().any(|line| line.starts_with(&again)),
        "{}",
        told(&broken)
    );
    assert!(
        dir.path().join("last").exists(),
        "for a fault that ends the process"
    );

    // From then on it is played first: no variant is needed to find it.
    fs::remove_file(dir.path().join("last")).unwrap();
    let replayed = played(&found, "0", true);
    assert!(!replayed.status.success(), "{}", told(&replayed));
    assert!(!dir.path().join("last").exists(), "no variant was tried");
    assert_eq!(fs::read_dir(&found).unwrap().count(), 1, "it is saved once");
    assert!(played(&found, "0", false).status.success(), "it is mended");
}
