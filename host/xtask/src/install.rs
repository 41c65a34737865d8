//! `cargo xtask install`: installs the binary, completions for shells, manual pages, and the reference components.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    command::{cargo, root, say, step},
    guests,
};

/// Where each shell looks for completions, below `share`.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/tollgate"),
    ("zsh", "zsh/site-functions/_tollgate"),
    ("fish", "fish/vendor_completions.d/tollgate.fish"),
];

/// Installs `tollgate` into `<prefix>/bin`, and below `<prefix>/share` the components, completions and manual
/// pages.
pub(crate) fn run(prefix: Option<PathBuf>) -> Result<()> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .context("HOME is not set; use --prefix DIR")?;
    let prefix = prefix.unwrap_or_else(|| home.join(".local"));
    step(
        "build tollgate",
        &mut cargo(&["build", "--release", "--locked", "-p", "tollgate-cli"]),
    )?;
    guests::run()?;
    let bin = prefix.join("bin");
    let components = prefix.join("share/tollgate/components");
    for dir in [&bin, &components] {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    let target = bin.join("tollgate");
    // A running binary cannot be overwritten, but it can be replaced.
    let fresh = bin.join(".tollgate.new");
    fs::copy(root().join("target/release/tollgate"), &fresh)
        .and_then(|_| fs::rename(&fresh, &target))
        .with_context(|| format!("{} cannot be written", target.display()))?;
    for name in ["files", "tickets", "payments", "web", "table", "convert"] {
        let file = format!("{name}.wasm");
        fs::copy(
            root().join("target/components").join(&file),
            components.join(&file),
        )
        .with_context(|| format!("{file} cannot be copied to {}", components.display()))?;
    }
    help(&target, &prefix.join("share"))?;
    say(&format!(
        "installed {}, its completions for bash, zsh and fish, its manual pages, and the components in {}",
        target.display(),
        components.display()
    ));
    say("next: tollgate init my-gate");
    Ok(())
}

/// Writes the completions and manual pages of `program` below `share`.
fn help(program: &Path, share: &Path) -> Result<()> {
    for (shell, file) in COMPLETIONS {
        let output = Command::new(program)
            .args(["completions", shell])
            .output()?;
        ensure!(
            output.status.success(),
            "`tollgate completions {shell}` ended with {}",
            output.status
        );
        let file = share.join(file);
        fs::create_dir_all(file.parent().unwrap_or(share))
            .and_then(|()| fs::write(&file, output.stdout))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let manual = share.join("man/man1");
    step(
        "manual pages",
        Command::new(program)
            .args(["--quiet", "manual"])
            .arg(manual),
    )
}
