//! The targets under libFuzzer, made and run by `cargo xtask fuzz`.
//!
//! `TOLLGATE_FUZZ_TARGET` names the target. `TOLLGATE_FUZZ_CORPUS` is a directory that its known inputs are written
//! to before libFuzzer reads it.

#![no_main]

use std::{env, fs, path::PathBuf, process, sync::OnceLock};

use libfuzzer_sys::fuzz_target;
use tollgate_fuzz::{Target, targets::ALL};

fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = env::var("TOLLGATE_FUZZ_TARGET").unwrap_or_default();
        let found = ALL.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| process::exit(64))
    })
}

fn write_corpus() {
    let Some(dir) = env::var_os("TOLLGATE_FUZZ_CORPUS").map(PathBuf::from) else {
        return;
    };
    for (n, input) in target().known().iter().enumerate() {
        if fs::write(dir.join(format!("known-{n}")), input).is_err() {
            process::exit(65);
        }
    }
}

fuzz_target!(init: write_corpus(), |input: &[u8]| {
    (target().check)(input);
});
