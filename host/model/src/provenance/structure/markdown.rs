//! Markdown tables.

use serde_json::{Map, Value};

/// The rows of a text that is one table and nothing else, each an object with the names of the columns.
pub(super) fn table(text: &str) -> Option<Value> {
    let mut lines = text.lines();
    let names = cells(lines.next()?)?;
    let rule = cells(lines.next()?)?;
    let is_rule = |cell: &String| {
        let bare = cell.trim_start_matches(':').trim_end_matches(':');
        !bare.is_empty() && bare.bytes().all(|b| b == b'-')
    };
    if rule.len() != names.len() || !rule.iter().all(is_rule) {
        return None;
    }
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    if distinct.len() != names.len() {
        return None;
    }
    let row = |line: &str| -> Option<Value> {
        let cells = cells(line)?;
        (cells.len() == names.len()).then(|| {
            let members = names
                .iter()
                .cloned()
                .zip(cells.into_iter().map(Value::String));
            Value::Object(members.collect::<Map<_, _>>())
        })
    };
    let rows: Vec<Value> = lines.map(row).collect::<Option<_>>()?;
    // Without a row, no field would have the names.
    (!rows.is_empty()).then_some(Value::Array(rows))
}

fn cells(line: &str) -> Option<Vec<String>> {
    let line = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    if line.ends_with('\\') {
        return None;
    }
    let mut cells = vec![String::new()];
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let cell = cells.last_mut()?;
        match c {
            '\\' if characters.peek() == Some(&'|') => {
                characters.next();
                cell.push('|');
            }
            '|' => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    Some(cells.iter().map(|cell| cell.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests;
