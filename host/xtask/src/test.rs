//! `cargo xtask test`: everything that must pass before a change lands.

use anyhow::Result;

use crate::{
    clients,
    command::{cargo, root, say, step},
    guests, house, readme, system,
};

/// Format, lint, build the guests, run every test.
pub(crate) fn run() -> Result<()> {
    // Determined at the start: the build below replaces this file, and Linux then reports a deleted one.
    let program = std::env::current_exe()?;
    system::strace()?;
    system::prometheus()?;
    system::languages()?;
    let guest = root().join("guest");
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step(
        "format of the guests",
        cargo(&["fmt", "--all", "--check"]).current_dir(&guest),
    )?;
    house::run()?;
    step(
        "lint",
        &mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    step(
        "lint of the guests",
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
        .current_dir(&guest),
    )?;
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
    let nextest = cargo(&["nextest", "--version"])
        .output()
        .is_ok_and(|o| o.status.success());
    if nextest {
        step(
            "tests",
            cargo(&[
                "nextest",
                "run",
                "--workspace",
                "--locked",
                "--no-fail-fast",
            ])
            .args(
                without_wasi
                    .iter()
                    .flat_map(|_| ["-E", "not test(/^wasi_files::/)"]),
            ),
        )?;
    } else {
        say("cargo-nextest is not installed; using cargo test");
        step(
            "tests",
            cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]).args(
                without_wasi
                    .iter()
                    .flat_map(|_| ["--", "--skip", "wasi_files::"]),
            ),
        )?;
    }
    match without_wasi {
        None => say("── all passed"),
        Some(why) => say(&format!(
            "── all passed that could be run; NOT run were the stories of files through WASI: {why}"
        )),
    }
    Ok(())
}
