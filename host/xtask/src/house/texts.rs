//! Length of files and functions, and phrases.

use super::{LengthRule, PhraseRule, Rules, Source};

/// Violations, one line each.
pub(super) fn check(rules: &Rules, sources: &[Source]) -> Vec<String> {
    let rust = || sources.iter().filter(|source| source.path.ends_with(".rs"));
    let files = rust().map(|source| Length {
        lines: source.text.lines().count(),
        place: source.path.clone(),
    });
    let mut wrong = too_long(&rules.files, &files.collect::<Vec<_>>());
    let functions: Vec<Length> = rust().flat_map(functions).collect();
    wrong.extend(too_long(&rules.functions, &functions));
    let read: Vec<&Source> = sources
        .iter()
        .filter(|source| !rules.phrases_except.contains(&source.path))
        .collect();
    for rule in &rules.phrases {
        wrong.extend(phrase(rule, &read));
    }
    wrong
}

/// The lines of a file or function.
#[derive(Debug, PartialEq, Eq)]
struct Length {
    lines: usize,
    /// The file, and the function's name in it.
    place: String,
}

/// What is longer than it may be, where there is more of that than a rule allows.
fn too_long(rules: &[LengthRule], lengths: &[Length]) -> Vec<String> {
    let mut wrong = Vec::new();
    for LengthRule { max_lines, longer } in rules {
        let long: Vec<&Length> = lengths.iter().filter(|l| l.lines > *max_lines).collect();
        if long.len() > *longer {
            wrong.push(format!(
                "{} are longer than {max_lines} lines, {longer} are allowed:",
                long.len()
            ));
            let each = long.iter();
            wrong.extend(each.map(|long| format!("  {}: {} lines", long.place, long.lines)));
        }
    }
    wrong
}

/// The functions of a formatted file: each ends with the first brace that is indented as its first line is.
fn functions(source: &Source) -> Vec<Length> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut functions = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let head = line.trim_start();
        let indent = line.len() - head.len();
        let Some(name) = function_name(head) else {
            continue;
        };
        if head.ends_with(';') || head.ends_with('}') {
            continue;
        }
        let outdented = |line: &&&str| line.trim_start().len() + indent == line.len();
        let after = lines.iter().enumerate().skip(first + 1);
        let mut ends = after.filter(|(_, line)| outdented(line) && !line.is_empty());
        // A signature over several lines has one such line before its body, or none and no body.
        let end = ends.find(|(_, line)| line.ends_with('}') || line.ends_with(';'));
        if let Some((last, _)) = end.filter(|(_, line)| line.trim_start() == "}") {
            functions.push(Length {
                lines: last + 1 - first,
                place: format!("{} {name}", source.path),
            });
        }
    }
    functions
}

/// The name of the function that a line begins.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let mut word = words.next()?;
    while word.starts_with("pub") || ["const", "async"].contains(&word) {
        word = words.next()?;
    }
    let name = words.next().filter(|_| word == "fn")?;
    name.split(['(', '<']).next()
}

/// Says where a phrase occurs, if it does so more often than it may.
fn phrase(rule: &PhraseRule, sources: &[&Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            let other: usize = rule
                .but_not
                .iter()
                .map(|other| occurrences(line, other))
                .sum();
            let count = occurrences(line, &rule.phrase).saturating_sub(other);
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
