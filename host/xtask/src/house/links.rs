//! Links of Markdown pages to files of the repository and to headings.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

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
    }
    wrong
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
}

impl Page {
    /// Code is not read.
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
        // What stands between backticks is code, too.
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        let prose = prose.join("``");
        for rest in prose.split("](").skip(1) {
            if let Some((link, _)) = rest.split_once(')') {
                self.links.push((number, link.to_owned()));
            }
        }
    }
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
