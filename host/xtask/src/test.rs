//! `cargo xtask test`: everything that must pass before a change lands.

use std::path::Path;

use anyhow::Result;

use crate::{
    clients,
    command::{cargo, root, say, step},
    guests, house, readme, system,
};

/// The arguments of a lint, of the host's workspace and of the guests'.
const LINT: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--locked",
    "--",
    "-D",
    "warnings",
];

/// Format, lint, build the guests, run every test.
pub(crate) fn run() -> Result<()> {
    // Determined at the start: the build below replaces this file, and Linux then reports a deleted one.
    let program = std::env::current_exe()?;
    system::strace()?;
    system::prometheus()?;
    system::languages()?;
    let guest = root().join("guest");
    inspect(&guest)?;
    // Build everything at once with the features of the tests: building only the command would choose other
    // features of its dependencies, and build half of them twice.
    step(
        "build",
        &mut cargo(&["build", "--workspace", "--all-targets", "--locked"]),
    )?;
    guests::components()?;
    clients::run()?;
    readme::check(&program)?;
    // Only this part needs a target that an offline toolchain cannot install: reported here and at the end.
    let without_wasi = match system::wasi_target() {
        Ok(()) => {
            guests::commands()?;
            None
        }
        Err(why) => Some(why),
    };
    step(
        "tests of the guests",
        cargo(&["test", "--workspace", "--locked"]).current_dir(&guest),
    )?;
    step(
        "examples in the documentation",
        &mut cargo(&["test", "--workspace", "--locked", "--doc"]),
    )?;
    match without_wasi {
        None => {
            test(&[], &[])?;
            say("── all passed");
        }
        Some(why) => {
            test(
                &["-E", "not test(/^wasi_files::/)"],
                &["--", "--skip", "wasi_files::"],
            )?;
            say(&format!(
                "── all passed that could be run; NOT run were the stories of files through WASI: {why}"
            ));
        }
    }
    Ok(())
}

/// What needs no build of the product: formats, house rules, lints.
fn inspect(guest: &Path) -> Result<()> {
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step(
        "format of the guests",
        cargo(&["fmt", "--all", "--check"]).current_dir(guest),
    )?;
    house::run()?;
    step("lint", &mut cargo(LINT))?;
    step("lint of the guests", cargo(LINT).current_dir(guest))
}

/// Runs the tests of the host. What they leave out is written differently for each of the two programs.
fn test(nextest_filter: &[&str], cargo_filter: &[&str]) -> Result<()> {
    let nextest = cargo(&["nextest", "--version"])
        .output()
        .is_ok_and(|o| o.status.success());
    if nextest {
        let all = [
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ];
        return step("tests", cargo(&all).args(nextest_filter));
    }
    say("cargo-nextest is not installed; using cargo test");
    let all = ["test", "--workspace", "--locked", "--no-fail-fast"];
    step("tests", cargo(&all).args(cargo_filter))
}
