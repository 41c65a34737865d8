//! What tests and benches share. Only a dev-dependency, and only of crates that it does not depend on.
//!
//! | module | holds |
//! |---|---|
//! | [`world`] | a gate as a library, in a temporary folder, with a [`clock`](clock::TestClock) that the test moves |
//! | [`command`] | the binary `tollgate`, run in a temporary folder |
//! | [`serve`] | the binary as a server |
//! | [`rest`] | a gate of [`world`] behind its HTTP server, and a REST client |
//! | [`mcp`] | an MCP client of the binary |
//! | [`collector`] | an OTLP collector that takes, refuses or hangs |
//! | [`web`] | a scripted web server |
//! | [`wire`] | HTTP requests as bytes, for servers whose answers a test writes byte by byte |
//! | [`certificate`] | certificates for loopback |
//! | [`process`] | child processes that end with the test |
//! | [`measure`] | what benches measure against, and their output |
//!
//! Components are built by `cargo xtask guests`. What fails here fails the test that called it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails, and a bench prints its results"
)]

pub mod certificate;
pub mod clock;
pub mod collector;
pub mod command;
pub mod mcp;
pub mod measure;
pub mod process;
pub mod rest;
pub mod serve;
pub mod web;
pub mod wire;
pub mod world;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The top folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_path_buf()
}

/// The program `tollgate`, as `cargo build` makes it.
pub fn binary() -> PathBuf {
    built(Path::new("debug/tollgate"))
}

/// The component `name`, as `cargo xtask guests` builds it.
pub fn component(name: &str) -> PathBuf {
    built(&Path::new("components").join(name).with_extension("wasm"))
}

/// What `cargo xtask clients` has installed at `path`.
pub fn installed(path: &str) -> PathBuf {
    let path = repository().join("target/clients").join(path);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask clients`",
        path.display()
    );
    path
}

fn built(path: &Path) -> PathBuf {
    let path = repository().join("target").join(path);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask guests`",
        path.display()
    );
    path
}

/// Copies starter policies, without their extension, into `folder`.
pub fn install_policies(names: &[&str], folder: &Path) {
    for name in names {
        let file = Path::new(name).with_extension("cedar");
        fs::copy(
            repository().join("policies").join(&file),
            folder.join(&file),
        )
        .unwrap();
    }
}
