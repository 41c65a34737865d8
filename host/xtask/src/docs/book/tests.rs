use anyhow::bail;

use super::*;

const REPOSITORY: &[(&str, &str)] = &[
    (
        "README.md",
        "# Tollgate\nSee [docs](docs/README.md) and `[no](link)`.",
    ),
    (
        "docs/README.md",
        "# The book\n[Serve](serve.md#ports) [Clients](clients/README.md) [out](https://example.com)",
    ),
    (
        "docs/serve.md",
        "# Serving\n[wit](../wit/) [example](../policies/world.json)",
    ),
    (
        "docs/clients/README.md",
        "# Clients\n[Python](python.md) [back](../README.md)",
    ),
    ("docs/clients/python.md", "# Python\n[serve](../serve.md)"),
    ("wit/log.wit", "interface log {}\n"),
    ("policies/world.json", "{}"),
    ("docs/orphan.md", "# Not linked"),
];

fn read(path: &str) -> Result<Entry> {
    let path = path.trim_end_matches('/');
    if let Some((_, text)) = REPOSITORY.iter().find(|(name, _)| *name == path) {
        return Ok(Entry::File(text.as_bytes().to_vec()));
    }
    let folder = format!("{path}/");
    let files = REPOSITORY
        .iter()
        .filter_map(|(name, _)| name.strip_prefix(&folder));
    let files: Vec<String> = files.map(str::to_owned).collect();
    if files.is_empty() {
        bail!("{path} is not there");
    }
    Ok(Entry::Folder(files))
}

#[test]
fn pages_that_are_reached_by_links_are_chapters_in_order() {
    let book = Book::collect(read).unwrap();
    assert_eq!(
        book.summary(),
        "# Summary\n\n[Tollgate](index.md)\n- [The book](docs/index.md)\n- [Serving](docs/serve.md)\n  \
         - [wit](wit/index.md)\n- [Clients](docs/clients/index.md)\n  - [Python](docs/clients/python.md)\n"
    );
    assert_eq!(
        book.files.keys().collect::<Vec<_>>(),
        ["policies/world.json"]
    );
    let wit = book
        .pages
        .iter()
        .find(|page| page.path == "wit/README.md")
        .unwrap();
    assert!(
        wit.text
            .contains("## log.wit\n\n````wit\ninterface log {}\n````"),
        "{}",
        wit.text
    );
}

#[test]
fn a_link_to_nothing_is_an_error() {
    let without = |path: &str| match path {
        "docs/serve.md" => bail!("docs/serve.md cannot be read"),
        path => read(path),
    };
    assert!(Book::collect(without).is_err());
}
