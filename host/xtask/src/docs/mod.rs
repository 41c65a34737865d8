//! `cargo xtask docs`: the documentation as a site that can be searched, built by mdBook.

mod book;
mod site;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::command::{cargo, root, say, step};

use book::{Book, Entry};

/// The version of mdBook; `cargo install --locked` takes the dependencies of its own lock.
const MDBOOK: &str = "0.5.4";

const CONFIGURATION: &str = r#"[book]
title = "Tollgate"
language = "en"
src = "src"

[build]
build-dir = "site"
create-missing = false

[output.html]
default-theme = "light"
preferred-dark-theme = "navy"
no-section-label = true

[output.html.search]
limit-results = 20
use-boolean-and = true
"#;

#[derive(Args)]
pub(crate) struct Docs {
    /// Serve the site until Ctrl-C.
    #[arg(long)]
    serve: bool,
    /// The port at 127.0.0.1.
    #[arg(long, default_value_t = 3000, requires = "serve")]
    port: u16,
}

/// Builds the site in target/book/site, and checks its links.
pub(crate) fn run(args: &Docs) -> Result<()> {
    let mdbook = mdbook()?;
    let home = root().join("target/book");
    write(&home)?;
    step(
        "build the book",
        Command::new(&mdbook).arg("build").arg(&home),
    )?;
    let site = home.join("site");
    let broken = site::broken_links(&site)?;
    if !broken.is_empty() {
        bail!(
            "these links of the site lead to nothing:\n{}",
            broken.join("\n")
        );
    }
    say(&format!("the book: {}", site.join("index.html").display()));
    if args.serve {
        let port = args.port.to_string();
        let serve = ["serve", "--hostname", "127.0.0.1", "--port", &port];
        return step(
            "serve the book",
            Command::new(&mdbook).args(serve).arg(&home),
        );
    }
    say("next: cargo xtask docs --serve");
    Ok(())
}

/// The program, installed into target/tools if it is not there.
fn mdbook() -> Result<PathBuf> {
    let tools = root().join("target/tools");
    let program = tools.join("bin/mdbook");
    let version = Command::new(&program).arg("--version").output();
    let is_there = version.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .ends_with(MDBOOK)
    });
    if !is_there {
        let install = ["install", "--locked", "--version", MDBOOK, "--root"];
        step(
            "install mdBook into target/tools; this takes some minutes, once",
            cargo(&install).arg(&tools).arg("mdbook"),
        )?;
    }
    Ok(program)
}

/// Writes the source of the book below `home`, anew.
fn write(home: &Path) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home)
            .with_context(|| format!("{} cannot be emptied", home.display()))?;
    }
    let repository = root();
    let book = Book::collect(|path| entry(&repository, path))?;
    save(&home.join("book.toml"), CONFIGURATION.as_bytes())?;
    let source = home.join("src");
    save(&source.join("SUMMARY.md"), book.summary().as_bytes())?;
    for page in &book.pages {
        let text = book::source_text(&page.text);
        save(&source.join(book::source_path(&page.path)), text.as_bytes())?;
    }
    for (path, content) in &book.files {
        save(&source.join(path), content)?;
    }
    Ok(())
}

fn save(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, content))
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn entry(repository: &Path, path: &str) -> Result<Entry> {
    let whole = repository.join(path);
    let unreadable = || format!("{} cannot be read", whole.display());
    if !whole.is_dir() {
        return Ok(Entry::File(fs::read(&whole).with_context(unreadable)?));
    }
    let mut files = Vec::new();
    for file in fs::read_dir(&whole).with_context(unreadable)? {
        let file = file?;
        if file.file_type()?.is_file() {
            files.push(file.file_name().to_string_lossy().into_owned());
        }
    }
    files.sort();
    Ok(Entry::Folder(files))
}
