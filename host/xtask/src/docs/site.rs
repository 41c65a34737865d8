//! The links of a built site.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};

/// Pages that repeat others with links of their own: for print, for frames, for missing paths.
const REPEATED: [&str; 3] = ["print.html", "toc.html", "404.html"];

/// Links within the site that lead to no file or to no anchor, one line each.
///
/// # Errors
/// The site cannot be read.
pub(super) fn broken_links(site: &Path) -> Result<Vec<String>> {
    let mut files = BTreeMap::new();
    read(site, "", &mut files)?;
    Ok(broken(&files))
}

/// Reads all files below `folder`; the text of those that are not pages is empty.
fn read(site: &Path, folder: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let here = site.join(folder);
    for entry in
        fs::read_dir(&here).with_context(|| format!("{} cannot be read", here.display()))?
    {
        let entry = entry?;
        let name = format!("{folder}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(site, &format!("{name}/"), files)?;
        } else if name.ends_with(".html") {
            let text = fs::read_to_string(entry.path())
                .with_context(|| format!("{name} cannot be read"))?;
            files.insert(name, text);
        } else {
            files.insert(name, String::new());
        }
    }
    Ok(())
}

fn broken(files: &BTreeMap<String, String>) -> Vec<String> {
    let anchors: BTreeMap<&str, BTreeSet<&str>> = files
        .iter()
        .map(|(name, text)| (name.as_str(), values(text, " id=\"").collect()))
        .collect();
    let mut broken = Vec::new();
    let pages = files
        .iter()
        .filter(|(name, _)| !REPEATED.contains(&name.as_str()));
    for (page, text) in pages {
        for link in values(text, " href=\"").chain(values(text, " src=\"")) {
            if link.contains(':') || link.starts_with("//") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = resolved(page, path.split('?').next().unwrap_or_default());
            let index = format!("{target}/index.html");
            let found = anchors
                .get(target.as_str())
                .or_else(|| anchors.get(index.as_str()));
            let is_there =
                found.is_some_and(|anchors| anchor.is_empty() || anchors.contains(anchor));
            if !is_there {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    broken
}

/// The values of an attribute that begins with `name`, which ends in the opening quote.
fn values<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    text.split(name)
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(value, _)| value)
}

/// The file to which `link` leads from `page`; a folder's is its index.
fn resolved(page: &str, link: &str) -> String {
    if link.is_empty() {
        return page.to_owned();
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if link.ends_with('/') {
        parts.push("index.html");
    }
    parts.join("/")
}

#[cfg(test)]
mod tests;
