//! Length of files, and phrases.

use super::{PhraseRule, Rules, Source};

/// Violations, one line each.
pub(super) fn check(rules: &Rules, sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    let limit = rules.files.max_lines;
    let long = sources
        .iter()
        .filter(|source| source.path.ends_with(".rs"))
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > limit);
    let long: Vec<String> = long
        .map(|(lines, path)| format!("{path}: {lines} lines; split it, {limit} are the limit"))
        .collect();
    if long.len() > rules.files.longer {
        wrong.extend(long);
    }
    let read: Vec<&Source> = sources
        .iter()
        .filter(|source| !rules.phrases_except.contains(&source.path))
        .collect();
    for rule in &rules.phrases {
        wrong.extend(phrase(rule, &read));
    }
    wrong
}

/// Reports the positions of a phrase, if it occurs too often.
fn phrase(rule: &PhraseRule, sources: &[&Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            let count = occurrences(line, &rule.phrase);
            let place = format!("{}:{}", source.path, number + 1);
            places.extend(std::iter::repeat_n(place, count));
        }
    }
    if places.len() <= rule.budget {
        return Vec::new();
    }
    let mut wrong = vec![format!(
        "“{}” occurs {} times, {} are allowed; write: {}",
        rule.phrase,
        places.len(),
        rule.budget,
        rule.write
    )];
    // Positions help only if they are few: it is not known which of many is new.
    if rule.budget < 10 {
        wrong.extend(places.into_iter().map(|place| format!("  {place}")));
    }
    wrong
}

/// How often `phrase` occurs in `line` as whole words, case-insensitive.
fn occurrences(line: &str, phrase: &str) -> usize {
    let line = line.to_lowercase();
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(&phrase.to_lowercase())
        .filter(|(start, found)| {
            let before = line.get(..*start).and_then(|text| text.chars().next_back());
            let after = line
                .get(start + found.len()..)
                .and_then(|text| text.chars().next());
            !is_word(before) && !is_word(after)
        })
        .count()
}

#[cfg(test)]
mod tests;
