//! Links of Markdown pages to files of the repository and to headings, and paths that they name.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

/// Folders of the repository whose paths are read where a page names them as code.
const FOLDERS: [&str; 7] = [
    "docs/",
    "examples/",
    "guest/",
    "host/",
    "policies/",
    "tests/",
    "wit/",
];

/// Violations, one line each.
pub(super) fn check(sources: &[Source], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let pages = sources.iter().filter(|source| source.path.ends_with(".md"));
    let pages: BTreeMap<&str, Page> = pages
        .map(|source| (source.path.as_str(), Page::parse(&source.text)))
        .collect();
    let mut wrong = Vec::new();
    for (path, page) in &pages {
        for (line, link) in &page.links {
            if let Some(problem) = problem(path, link, &pages, &exists) {
                wrong.push(format!("{path}:{line}: {link} {problem}"));
            }
        }
        for (line, named) in &page.paths {
            let is_there = exists(named) || resolved(path, named).is_some_and(|path| exists(&path));
            if !is_there {
                wrong.push(format!("{path}:{line}: {named} leads to no file"));
            }
        }
    }
    wrong
}

/// The paths, from the root, to which the links of a page lead; other sites and headings are left out.
pub(crate) fn targets(path: &str, text: &str) -> Vec<String> {
    let links = Page::parse(text).links.into_iter();
    let here = links.filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:"));
    here.filter_map(|(_, link)| {
        let file = link.split('#').next().unwrap_or_default();
        resolved(path, file)
    })
    .filter(|target| target != path)
    .collect()
}

fn problem(
    path: &str,
    link: &str,
    pages: &BTreeMap<&str, Page>,
    exists: &impl Fn(&str) -> bool,
) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let Some(target) = resolved(path, file) else {
        return Some("leaves the repository");
    };
    if !exists(&target) {
        return Some("leads to no file");
    }
    let page = pages.get(target.as_str())?;
    let is_there = heading.is_empty() || page.anchors.contains(heading);
    (!is_there).then_some("leads to no heading of that page")
}

/// The path of a link in a page, from the root; `None` if it leads out of it.
fn resolved(page: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    /// With their line numbers.
    links: Vec<(usize, String)>,
    /// Paths that are named as code, with their line numbers.
    paths: Vec<(usize, String)>,
}

impl Page {
    /// Blocks of code are not read.
    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut is_code = false;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                page.line(number, line);
            }
        }
        page
    }

    fn line(&mut self, number: usize, line: &str) {
        if let Some(heading) = line.strip_prefix('#') {
            let slug = slug(heading.trim_start_matches('#'));
            let repeated = (1..).map(|n| format!("{slug}-{n}"));
            let free = std::iter::once(slug.clone()).chain(repeated);
            let mut free = free.filter(|anchor| !self.anchors.contains(anchor));
            self.anchors.extend(free.next());
        }
        let code = line.split('`').skip(1).step_by(2);
        let paths = code.filter(|code| is_path(code)).map(str::to_owned);
        self.paths.extend(paths.map(|path| (number, path)));
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        let prose = prose.join("``");
        for rest in prose.split("](").skip(1) {
            if let Some((link, _)) = rest.split_once(')') {
                self.links.push((number, link.to_owned()));
            }
        }
    }
}

/// Whether this is the path of a file or folder; `NAME` stands for any name.
fn is_path(code: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "./_-".contains(c);
    FOLDERS.iter().any(|folder| code.starts_with(folder)) && code.chars().all(is_plain)
}

/// The anchor of a heading, as code hosts make it.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let lower = heading.trim().to_lowercase();
    let kept: String = lower.chars().filter(kept).collect();
    kept.replace(' ', "-")
}

#[cfg(test)]
mod tests;
