//! The pages of the book: those that are reached by links from the README and from docs/README.md.
//!
//! The book has the layout of the repository, so a link leads where it leads in the repository.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context as _, Result};

use crate::house::links;

/// The first pages, in this order. Pages that these link, the second first, are chapters; others are below the
/// chapter that links them first.
const COVER: &str = "README.md";
const CONTENTS: &str = "docs/README.md";

/// What is at a path.
pub(super) enum Entry {
    File(Vec<u8>),
    /// The names of its files, sorted.
    Folder(Vec<String>),
}

pub(super) struct Page {
    /// Relative to the repository.
    pub(super) path: String,
    pub(super) text: String,
    /// Whether it is listed below the page before it that is not.
    pub(super) is_nested: bool,
}

pub(super) struct Book {
    /// In the order of the summary.
    pub(super) pages: Vec<Page>,
    /// Other files that pages link.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

impl Book {
    /// Follows links, from the files that `read` gives.
    ///
    /// # Errors
    /// A link leads to what `read` cannot read; the page is named.
    pub(super) fn collect(read: impl Fn(&str) -> Result<Entry>) -> Result<Self> {
        let mut book = Self {
            pages: Vec::new(),
            files: BTreeMap::new(),
        };
        let mut seen: BTreeSet<String> = [COVER, CONTENTS].map(str::to_owned).into();
        let of_cover = book.admit(COVER, &read)?;
        let mut chapters: VecDeque<String> = book.admit(CONTENTS, &read)?.into();
        chapters.extend(of_cover);
        chapters.retain(|path| seen.insert(path.clone()));
        while let Some(chapter) = chapters.pop_front() {
            let mut found: VecDeque<String> = [chapter].into();
            let mut is_nested = false;
            while let Some(path) = found.pop_front() {
                let links = book.admit(&path, &read)?;
                if let Some(page) = book
                    .pages
                    .last_mut()
                    .filter(|page| is_below(&page.path, &path))
                {
                    page.is_nested = is_nested;
                    is_nested = true;
                }
                found.extend(links.into_iter().filter(|path| seen.insert(path.clone())));
            }
        }
        Ok(book)
    }

    /// Adds what is at `path`, and returns what it links.
    fn admit(&mut self, path: &str, read: impl Fn(&str) -> Result<Entry>) -> Result<Vec<String>> {
        let (path, text) = match read(path)? {
            Entry::Folder(files) if files.iter().any(|file| file == "README.md") => {
                return Ok(vec![format!("{path}/README.md")]);
            }
            Entry::Folder(files) => (format!("{path}/README.md"), listing(path, &files, &read)?),
            Entry::File(content) if path.ends_with(".md") => {
                let text =
                    String::from_utf8(content).with_context(|| format!("{path} is not UTF-8"))?;
                (path.to_owned(), text)
            }
            Entry::File(content) => {
                self.files.insert(path.to_owned(), content);
                return Ok(Vec::new());
            }
        };
        let links = links::targets(&path, &text);
        self.pages.push(Page {
            path,
            text,
            is_nested: false,
        });
        Ok(links)
    }

    /// mdBook's SUMMARY.md.
    pub(super) fn summary(&self) -> String {
        let mut summary = "# Summary\n\n".to_owned();
        for page in &self.pages {
            let title = title(&page.text).unwrap_or(&page.path);
            let path = source_path(&page.path);
            let line = match (page.path.as_str(), page.is_nested) {
                (COVER, _) => format!("[{title}]({path})\n"),
                (_, false) => format!("- [{title}]({path})\n"),
                (_, true) => format!("  - [{title}]({path})\n"),
            };
            summary += &line;
        }
        summary
    }
}

/// The path of a page in the book: mdBook makes an index of the page of a folder, and leaves links to it alone.
pub(super) fn source_path(path: &str) -> String {
    match path.strip_suffix("README.md") {
        Some(folder) => format!("{folder}index.md"),
        None => path.to_owned(),
    }
}

/// A page with its links to such pages.
pub(super) fn source_text(text: &str) -> String {
    text.replace("README.md)", "index.md)")
        .replace("README.md#", "index.md#")
}

/// Whether the page at `page` shows what is at `path`: a file, or a folder.
fn is_below(page: &str, path: &str) -> bool {
    page == path || page.strip_suffix("/README.md") == Some(path)
}

/// A page with the files of a folder that has none.
fn listing(folder: &str, files: &[String], read: impl Fn(&str) -> Result<Entry>) -> Result<String> {
    let mut page = format!("# {folder}\n");
    for file in files {
        let Entry::File(content) = read(&format!("{folder}/{file}"))? else {
            continue;
        };
        let language = file.rsplit_once('.').map_or("", |(_, kind)| kind);
        let text = String::from_utf8_lossy(&content);
        page += &format!("\n## {file}\n\n````{language}\n{}\n````\n", text.trim_end());
    }
    Ok(page)
}

/// The first heading.
fn title(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("# "))
}

#[cfg(test)]
mod tests;
